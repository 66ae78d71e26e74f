/**
 * Many devices average on a grid over lossy links. In every round a third of them fall away and come back, the mesh is split for a while, and one device lies about
 * where it stands and what it has. Nobody waits for long, and in the end all have done all rounds and have come to nearly the same numbers.
 */
import type { GridState } from "../../actors/rounds/grid/grid_state.ts";
import { gridOfMembers } from "../../learning/runs/grid_plan.ts";
import { parameterBytes } from "../../learning/parameters.ts";
import type { RunId } from "../../learning/runs/plan.ts";
import { nodeCrypto } from "../../platform/node_crypto.ts";
import type { ContentHash } from "../../protocols/ids.ts";
import type { GridPlace, VectorOffer } from "../../protocols/rounds/messages.ts";
import { encodeRoundsMessage } from "../../protocols/rounds/wire.ts";
import type { Cluster } from "../cluster.ts";
import type { SimulatedNode } from "../simulated_node.ts";
import { ACCURACY_LEAST, type GridReport, playGrid, SPREAD_MOST } from "./learning_grid.ts";
import { comeBack, fallAway } from "./learning_dropouts.ts";
import type { Scenario } from "./scenario.ts";

const ROUNDS = 5;
/** Share of the devices that fall away in a round. */
const DROPOUT = 1 / 3;
/** A device is back after at most this long, virtual ms. */
const AWAY_MAX_MS = 6_000;
/** A round that makes no device go on for so long stands still, virtual ms. */
const ROUND_MAX_MS = 60_000;
/** The mesh is split for so long, virtual ms. */
const SPLIT_MS = 8_000;
/** How often the liar says something, virtual ms. */
const LIE_EVERY_MS = 500;

/** The actor of the only run of a node; undefined while the node is down or starts. */
export function gridStateOf(node: SimulatedNode, run: RunId): GridState | undefined {
  if (!node.isUp) return undefined;
  return node.running.system.inspect(`node/rounds/run.${run}`) as
    | GridState
    | undefined;
}

/** How a run with dropouts, losses, a split and a liar went. */
export interface GridCrowdReport extends GridReport {
  /** Devices that fell away, over all rounds. */
  readonly dropped: number;
  /** Rounds in which nobody went on for long. */
  readonly stuck: number;
}

/** Plays a run of `rounds` rounds. The last device lies to the others; what it keeps itself is as honest as theirs. */
async function playGridCrowd(
  cluster: Cluster,
  nodes: number,
  rounds: number,
): Promise<GridCrowdReport> {
  const { world, random, network } = cluster;
  let dropped = 0;
  let stuck = 0;
  const report = await playGrid(cluster, nodes, {
    plan: {
      rounds,
      aggregation: {
        type: "grid",
        ...gridOfMembers(nodes),
        rule: { name: "weightedMean", numbers: {} },
      },
      participation: { least: Math.ceil(nodes / 2), most: 1_000, fraction: 1, overSelection: 0 },
      deadlines: { readyMs: 2_000, trainMs: 4_000, phaseMs: 2_000 },
    },
    async faults(_join, _late, run) {
      const liar = cluster.nodes.at(-1)!;
      const honest = cluster.nodes.slice(0, -1);
      const newest = () =>
        Math.max(0, ...honest.map((node) => gridStateOf(node, run)?.head?.round ?? 0));
      network.loseFrames(0.05 + 0.15 * random.float());
      const splitIn = 2 + random.below(Math.max(1, rounds - 2));
      let nextLieMs = world.nowMs;
      for (let before = newest(); before < rounds; before = Math.max(before + 1, newest())) {
        const beganMs = world.nowMs;
        const away = drawn(cluster, honest, Math.floor(DROPOUT * nodes));
        dropped += away.length;
        for (const node of away) fallAway(cluster, node);
        if (before + 1 === splitIn) split(cluster);
        const awayMs = (before + 1 === splitIn ? SPLIT_MS : 500) + random.below(AWAY_MAX_MS);
        while (world.nowMs - beganMs < ROUND_MAX_MS) {
          if (world.nowMs >= nextLieMs) {
            lie(cluster, liar, run);
            nextLieMs = world.nowMs + LIE_EVERY_MS;
          }
          if (world.nowMs - beganMs >= awayMs) {
            await comeBack(cluster);
            if (newest() > before) break;
          }
          await world.advance(100);
        }
        await comeBack(cluster);
        if (newest() <= before) stuck++;
      }
      network.loseFrames(0);
    },
  });
  return { ...report, dropped, stuck };
}

function drawn(
  { random }: Cluster,
  nodes: readonly SimulatedNode[],
  count: number,
): readonly SimulatedNode[] {
  const pool = [...nodes];
  return Array.from({ length: count }, () => pool.splice(random.below(pool.length), 1)[0]!);
}

function split({ network, nodes }: Cluster): void {
  const half = nodes.length >> 1;
  const stations = nodes.map(({ station }) => station);
  network.partition([stations.slice(0, half), stations.slice(half)]);
}

/** Wrong lengths, places off the grid, rounds that do not come, numbers that are none, and other bytes than were offered. */
function lie(cluster: Cluster, liar: SimulatedNode, run: RunId): void {
  const state = gridStateOf(liar, run);
  if (state?.place == null || state.model === null) return;
  const bytes = parameterBytes(state.model.values.map(() => NaN));
  const { sha256Hex } = nodeCrypto({ workersMax: 0 });
  const poison: VectorOffer = { hash: sha256Hex(bytes) as ContentHash, bytes: bytes.length };
  const unlike: VectorOffer = { ...poison, hash: sha256Hex(new Uint8Array(1)) as ContentHash };
  state.offered.set(poison.hash, bytes);
  state.offered.set(unlike.hash, bytes);
  const { place } = state;
  const lies: readonly Partial<GridPlace>[] = [
    { step: Math.max(1, place.step), model: poison, gives: true },
    { step: Math.max(1, place.step), model: unlike, gives: true },
    { model: { ...poison, bytes: bytes.length - 4 } },
    { model: { ...poison, bytes: 64 * 1024 * 1024 } },
    { places: place.places.map(() => 15) },
    { round: 99_999, model: poison, gives: true },
  ];
  const { random } = cluster;
  const { system, refs } = liar.running;
  for (const node of cluster.nodes) {
    if (node === liar) continue;
    const body = encodeRoundsMessage({ ...place, ...lies[random.below(lies.length)]! });
    system.tell(refs.sessions, { type: "sendToPeer", to: node.deviceId, protocol: "rounds", body });
  }
}

export const learningGridCrowd: Scenario = {
  name: "learning_grid_crowd",
  purpose:
    "Many devices average on a grid over lossy links, a third falls away in each round, one lies, and the mesh is split for a while",
  nodes: 18,
  async play(cluster, nodes) {
    const report = await playGridCrowd(cluster, nodes, ROUNDS);
    const { problems, accuracies, relativeSpread, stuck } = report;
    return [
      ...problems,
      ...(stuck === 0 ? [] : [`in ${stuck} rounds nobody went on for ${ROUND_MAX_MS / 1_000} s`]),
      ...accuracies.filter((one) => one <= ACCURACY_LEAST).map((one) =>
        `a device tells ${one} of its held-out points, expected more than ${ACCURACY_LEAST}`
      ),
      ...(relativeSpread <= SPREAD_MOST ? [] : [
        `the last versions lie ${relativeSpread} of their length apart, expected at most ${SPREAD_MOST}`,
      ]),
    ];
  },
};
