/**
 * In every round a third of the devices fall away at a random moment, by losing power or by losing their paths, and come back. Nearly every round
 * comes to its version all the same.
 */
import { nodeEvents } from "../../actors/events.ts";
import type { RunSummary } from "../../actors/rounds/commands.ts";
import type { Cluster } from "../cluster.ts";
import type { SimulatedNode } from "../simulated_node.ts";
import { askRounds, playLearning } from "./learning.ts";
import type { Scenario } from "./scenario.ts";

/** Share of the devices that fall away in a round. */
const DROPOUT = 0.3;
/** Rounds of one play of the scenario. */
const ROUNDS = 10;
/** Share of rounds that must come to a version. */
export const COMPLETED_LEAST = 0.99;
/** Rounds may take this long before they count as lost, virtual ms: what a signed survivor set binds, and one more attempt. */
const ROUND_MAX_MS = 120_000;
/** Those who fall away do so within less than a third of this, virtual ms. */
const FALLING_MS = 2_000;
/** A device is back after at most this long, virtual ms. */
const AWAY_MAX_MS = 8_000;

/** How a run with dropouts went. */
export interface DropoutReport {
  readonly problems: readonly string[];
  /** Rounds in which devices fell away: those that were over when the last device had joined are not among them. */
  readonly rounds: number;
  /** Rounds that had a version in time. */
  readonly completed: number;
  /** Devices that fell away, over all rounds. */
  readonly dropped: number;
}

/** A device loses power, or all its paths. */
export function fallAway({ network, nodes, random }: Cluster, node: SimulatedNode): void {
  if (random.below(2) === 0) return node.crash(false);
  for (const other of nodes) if (other !== node) network.cut(node.station, other.station);
}

/** All have their paths and their power again; those that have started anew. */
export async function comeBack({ network, nodes }: Cluster): Promise<readonly SimulatedNode[]> {
  network.heal();
  const started = nodes.filter(({ isUp }) => !isUp);
  for (const node of started) await node.start();
  return started;
}

/** Plays a run of `rounds` rounds in which 30 % of the devices fall away in each. */
export async function playDropouts(
  cluster: Cluster,
  nodes: number,
  rounds: number,
): Promise<DropoutReport> {
  const { world, random } = cluster;
  let played = 0;
  let completed = 0;
  let dropped = 0;
  let newest = 0;
  const watch = (node: SimulatedNode): void => {
    node.running.system.subscribe(nodeEvents, (event) => {
      if (event.type === "roundFinished") newest = Math.max(newest, event.metrics.round);
    });
  };
  const allBack = async (): Promise<void> => {
    for (const node of await comeBack(cluster)) watch(node);
  };
  const problems = await playLearning(cluster, nodes, {
    together: true,
    plan: {
      rounds,
      participation: { least: Math.ceil(nodes / 2), most: nodes, fraction: 1, overSelection: 0 },
    },
    async faults() {
      for (const node of cluster.nodes) {
        watch(node);
        const [run] = await world.wait(askRounds<readonly RunSummary[]>(
          node,
          (replyTo) => ({ type: "listRuns", replyTo }),
        ));
        newest = Math.max(newest, run?.report?.round ?? 0);
      }
      while (newest < rounds) {
        const before = newest;
        const beganMs = world.nowMs;
        const pool = [...cluster.nodes];
        const count = Math.floor(DROPOUT * nodes);
        for (let i = 0; i < count; i++) {
          await world.advance(random.below(Math.max(1, Math.ceil(FALLING_MS / nodes))));
          fallAway(cluster, pool.splice(random.below(pool.length), 1)[0]!);
          dropped++;
        }
        const backMs = world.nowMs + 500 + random.below(AWAY_MAX_MS);
        let isBack = false;
        while (newest === before && world.nowMs - beganMs < ROUND_MAX_MS) {
          if (!isBack && world.nowMs >= backMs) {
            await allBack();
            isBack = true;
          }
          await world.advance(50);
        }
        if (newest > before) completed += newest - before;
        else newest = before + 1;
        played += newest - before;
        await allBack();
      }
    },
  });
  return { problems, rounds: played, completed, dropped };
}

export const learningDropouts: Scenario = {
  name: "learning_dropouts",
  purpose: "In every round of learning a third of the devices fall away and come back",
  nodes: 10,
  async play(cluster, nodes, planned = ROUNDS) {
    const { problems, rounds, completed, dropped } = await playDropouts(cluster, nodes, planned);
    if (rounds > 0 && completed >= COMPLETED_LEAST * rounds) return problems;
    const share = rounds === 0 ? 0 : 100 * completed / rounds;
    return [
      ...problems,
      `${completed} of ${rounds} rounds (${
        share.toFixed(1)
      } %) came to a version, expected at least ${
        100 * COMPLETED_LEAST
      } %; ${dropped} devices fell away`,
    ];
  },
};
