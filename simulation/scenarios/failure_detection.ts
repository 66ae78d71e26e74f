/** Who is there and who is not, while devices crash, stand still, lose frames and lose each other. */
import { livenessChanged, type LivenessState } from "../../actors/liveness/commands.ts";
import type { Cluster } from "../cluster.ts";
import type { SimulatedNode } from "../simulated_node.ts";
import { startMesh } from "./calm.ts";
import { type Scenario, settleAndCheck } from "./scenario.ts";

/** After this, everybody up knows of a crash, ms: a path is silent for 4 s, then a suspicion without a confirmation may take its most. */
const DETECTED_MS = 25_000;
/** After this, everybody knows that everybody is back: sessions back off up to 30 s. */
const HEALED_MS = 90_000;
/** Stalls below the least suspicion: nobody may be found dead for these. */
const STALL_MS = { least: 100, most: 1_400 };
const FRAME_LOSS = 0.2;
const ROUNDS = 4;

export const failureDetection: Scenario = {
  name: "failure_detection",
  purpose:
    "A crash is found by all, nobody else is, and after healing everybody is alive everywhere.",
  nodes: 8,
  async play(cluster, nodes) {
    await startMesh(cluster, nodes);
    const watch = new Watch(cluster);
    const problems = [...await watch.everybody(cluster.nodes, "alive", HEALED_MS)];
    for (let round = 0; round < ROUNDS; round++) {
      cluster.publishLater(cluster.anyNodeUp()!);
      await livePoorly(cluster);
      problems.push(...watch.takeFalse(), ...await crashOne(cluster, watch));
    }
    problems.push(...await fallApart(cluster, watch), ...await settleAndCheck(cluster));
    return problems;
  },
};

/** What nodes believe of each other, heard from their events. */
class Watch {
  readonly #cluster: Cluster;
  readonly #beliefs = new Map<string, LivenessState>();
  /** Devices of which it is no wonder that they are believed dead, or believe others so. */
  readonly excused = new Set<SimulatedNode>();
  #false: string[] = [];

  constructor(cluster: Cluster) {
    this.#cluster = cluster;
    for (const node of cluster.nodes) this.follow(node);
  }

  /** Begins with what a node that has just started believes: nothing. */
  follow(observer: SimulatedNode): void {
    const { nodes, world } = this.#cluster;
    for (const node of nodes) this.#beliefs.delete(pair(observer, node));
    observer.running.system.subscribe(livenessChanged, ({ deviceId, state }) => {
      const subject = nodes.find((node) => node.deviceId === deviceId);
      if (subject === undefined) return;
      this.#beliefs.set(pair(observer, subject), state);
      if (state !== "dead" || this.excused.has(subject) || this.excused.has(observer)) return;
      const at = `${(world.nowMs / 1_000).toFixed(1)} s`;
      this.#false.push(`${at}: ${observer.name} believed ${subject.name} dead, which was there`);
    });
  }

  believes(observer: SimulatedNode, subject: SimulatedNode): LivenessState {
    return this.#beliefs.get(pair(observer, subject)) ?? "unknown";
  }

  /** Who was believed dead and was not, since the last call. */
  takeFalse(): readonly string[] {
    const taken = this.#false;
    this.#false = [];
    return taken;
  }

  /** Waits until all who are up believe `state` of `subjects`; says who does not. */
  async everybody(
    subjects: readonly SimulatedNode[],
    state: LivenessState,
    withinMs: number,
  ): Promise<readonly string[]> {
    const { world, nodes } = this.#cluster;
    const wrong = () =>
      nodes.filter((node) => node.isUp).flatMap((observer) =>
        subjects.filter((subject) =>
          subject !== observer && this.believes(observer, subject) !== state
        ).map((subject) => `${observer.name} does not believe that ${subject.name} is ${state}`)
      );
    await world.until(() => wrong().length === 0, withinMs);
    return wrong();
  }
}

/** Frames get lost and devices stand still for a moment: nobody dies of it. */
async function livePoorly({ nodes, network, random, world }: Cluster): Promise<void> {
  network.loseFrames(FRAME_LOSS);
  for (let i = 0; i < 6; i++) {
    const { device } = nodes[random.below(nodes.length)]!;
    device.stall(STALL_MS.least + random.float() * (STALL_MS.most - STALL_MS.least));
    await world.advance(2_000 + random.float() * 3_000);
  }
  network.loseFrames(0);
  await world.advance(10_000);
}

/** One device vanishes or takes its leave; all others find out; it comes back. */
async function crashOne(cluster: Cluster, watch: Watch): Promise<readonly string[]> {
  const { nodes, random, world } = cluster;
  const victim = nodes[random.below(nodes.length)]!;
  watch.excused.add(victim);
  const leaves = random.below(4) === 0;
  if (leaves) await world.wait(victim.handle.stop());
  else victim.crash(random.below(2) === 0);
  const problems = [...await watch.everybody([victim], leaves ? "left" : "dead", DETECTED_MS)];
  await victim.start();
  watch.follow(victim);
  problems.push(...await watch.everybody(nodes, "alive", HEALED_MS));
  watch.excused.delete(victim);
  return [...problems, ...watch.takeFalse()];
}

/** The mesh falls into two, each half believes the other dead, and then comes together. */
async function fallApart(cluster: Cluster, watch: Watch): Promise<readonly string[]> {
  const { nodes, network, world } = cluster;
  const half = Math.ceil(nodes.length / 2);
  const [some, others] = [nodes.slice(0, half), nodes.slice(half)];
  for (const node of nodes) watch.excused.add(node);
  network.partition([some, others].map((group) => group.map(({ station }) => station)));
  await world.advance(DETECTED_MS);
  const across = some.flatMap((node) => others.map((other) => [node, other] as const));
  const wrong = [...across, ...across.map(([node, other]) => [other, node] as const)]
    .filter(([node, other]) => watch.believes(node, other) !== "dead")
    .map(([node, other]) => `${node.name} does not believe ${other.name} dead over the partition`);
  network.heal();
  const healed = await watch.everybody(nodes, "alive", HEALED_MS);
  watch.excused.clear();
  return [...wrong, ...healed];
}

function pair(observer: SimulatedNode, subject: SimulatedNode): string {
  return `${observer.name} ${subject.name}`;
}
