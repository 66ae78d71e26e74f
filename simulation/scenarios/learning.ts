/**
 * Devices learn one model by secure sums while some of them, the coordinator among them, lose power, and links break. In the end all hold the same
 * version of the last round, every version follows from the one before, and no device has paid twice for a round.
 */
import type { RunPlan } from "../../learning/runs/plan.ts";
import { networkHash } from "../../learning/runs/opened_plan.ts";
import type { RunId } from "../../learning/runs/plan.ts";
import { softmaxRegression } from "../../learning/engine/networks.ts";
import { seededStream } from "../../learning/data/seeded_stream.ts";
import type { LearningTask } from "../../learning/task.ts";
import type { RoundMetrics } from "../../actors/learning_handle.ts";
import type { BudgetSummary, RoundsCommand, RunSummary } from "../../actors/rounds/commands.ts";
import { partSetting } from "../../actors/rounds/kept_parts.ts";
import { updateSetting } from "../../actors/rounds/kept_update.ts";
import { metricsSetting } from "../../actors/rounds/reporting.ts";
import type { RoundsState } from "../../actors/rounds/state.ts";
import type { Outcome } from "../../actors/handle.ts";
import type { Ref } from "../../actors/kernel/actor.ts";
import { nodeCrypto } from "../../platform/node_crypto.ts";
import type { ContentHash } from "../../protocols/ids.ts";
import type { Cluster } from "../cluster.ts";
import { type FaultKind, Faults } from "../faults.ts";
import type { SimulatedNode } from "../simulated_node.ts";
import type { Scenario } from "./scenario.ts";

const ROUNDS = 60;
const ANSWER_MS = 60_000;
/** Faults strike for so long, virtual ms. */
const FAULTS_MS = 40_000;
/** Then everything must be done within, virtual ms. */
const FINISH_MS = 600_000;
/** A plan is everywhere within so many virtual seconds. */
const PLAN_SPREADS_S = 60;
/** The clouds lie apart, so that whoever has learned tells nearly all points; guesses, or a wrong sum, do not. */
const ACCURACY_LEAST = 0.9;
/** Measuring the last version takes less than this, virtual ms. */
const MEASURE_MS = 5_000;
const NETWORK = softmaxRegression({ inputs: 2, classes: 2 });

/** Two clouds of points that a line can part; every device has its own points. */
export const CLOUDS: LearningTask = {
  name: "clouds",
  title: { en: "Clouds", de: "Wolken" },
  description: { en: "Tells two clouds of points apart", de: "Trennt zwei Punktwolken" },
  defaults: { rounds: ROUNDS, epochs: 1, batchSize: 8, learningRate: 0.5 },
  network: () => NETWORK,
  examples: ({ share }) => {
    const random = seededStream(share!.seed).fork(`points ${share!.index}`);
    const points = (count: number) => {
      const inputs = new Float32Array(2 * count);
      const labels = new Uint8Array(count);
      for (let i = 0; i < count; i++) {
        labels[i] = i % 2;
        const side = labels[i] === 0 ? -1 : 1;
        inputs[2 * i] = side + random.float() - 0.5;
        inputs[2 * i + 1] = side + random.float() - 0.5;
      }
      return { exampleLength: 2, count, inputs, labels };
    };
    return Promise.resolve({ training: points(40), test: points(40) });
  },
};

/** What a scenario of learning asks a node. */
export function askRounds<T>(
  node: SimulatedNode,
  command: (replyTo: Ref<T>) => RoundsCommand,
): Promise<T> {
  const { system, refs } = node.running;
  return system.ask<RoundsCommand, T>(refs.rounds, command, ANSWER_MS).then((outcome) => {
    if (outcome.type === "unknown") throw new Error(`${node.name} did not answer`);
    return outcome.value;
  });
}

/** A plan over the devices of a cluster. */
export function planFor(cluster: Cluster, change: Partial<RunPlan> = {}): RunPlan {
  return {
    version: 1,
    title: "Clouds",
    task: CLOUDS.name,
    options: {},
    networkHash: networkHash(NETWORK, nodeCrypto({ workersMax: 0 })) as ContentHash,
    seed: cluster.random.bytes(32),
    startFrom: null,
    rounds: ROUNDS,
    participation: { least: 3, most: 1_000, fraction: 1, overSelection: 0 },
    local: { epochs: 1, batchSize: 8, learningRate: 0.5, momentum: null, proximal: null },
    strategy: { name: "fedAvg", numbers: {} },
    aggregation: { type: "secure", encoding: { range: 4, bits: 16 } },
    compression: null,
    privacy: null,
    deadlines: { readyMs: 5_000, trainMs: 20_000, phaseMs: 5_000 },
    proofOfWorkBits: 4,
    share: {
      kind: "iid",
      alpha: null,
      devices: cluster.nodes.map(({ deviceId }) => deviceId).sort(),
    },
    ...change,
  };
}

/** Plays a run over a mesh of `nodes` devices; `faults` happens while it goes on. */
export async function playLearning(
  cluster: Cluster,
  nodes: number,
  options: {
    readonly plan?: Partial<RunPlan>;
    /** All join together, so that few rounds are over when the last one has; else each as soon as it can. */
    readonly together?: boolean;
    readonly faults: (nodes: readonly SimulatedNode[]) => Promise<void>;
  },
): Promise<readonly string[]> {
  const { world } = cluster;
  for (let i = 0; i < nodes; i++) {
    await cluster.addNode({ learning: { tasks: [CLOUDS], epsilonMax: 1_000 } });
  }
  await cluster.formMesh("owner");
  await world.advance(10_000);
  const [starter, ...others] = cluster.nodes;
  // What people write must be as safe as ever beside it.
  await world.wait(cluster.publish(starter!));
  const plan = planFor(cluster, options.plan);
  const started = await world.wait(askRounds<Outcome<RunId>>(starter!, (replyTo) => ({
    type: "startRun",
    plan,
    idempotencyKey: null,
    replyTo,
  })));
  if (started.type === "refused") return [started.message];
  const run = started.value;
  const summaryOf = async (node: SimulatedNode) =>
    (await world.wait(askRounds<readonly RunSummary[]>(
      node,
      (replyTo) => ({ type: "listRuns", replyTo }),
    ))).find((one) => one.run === run);
  // The plan spreads like any other block: with many devices that takes a while.
  const hears = async (node: SimulatedNode) => {
    for (let s = 0; s < PLAN_SPREADS_S && await summaryOf(node) === undefined; s++) {
      await world.advance(1_000);
    }
  };
  if (options.together === true) { for (const node of others) await hears(node); }
  else await world.advance(3_000);
  for (const node of others) {
    await hears(node);
    const joined = await world.wait(
      askRounds<Outcome<RunId>>(node, (replyTo) => ({ type: "joinRun", run, replyTo })),
    );
    if (joined.type === "refused") return [`${node.name}: ${joined.message}`];
  }
  await options.faults(cluster.nodes);
  const beganMs = world.nowMs;
  let summaries: (RunSummary | undefined)[] = [];
  while (world.nowMs - beganMs < FINISH_MS) {
    summaries = [];
    for (const node of cluster.nodes) summaries.push(await summaryOf(node));
    if (summaries.every((one) => one?.report?.round === plan.rounds)) break;
    await world.advance(1_000);
  }
  const problems: string[] = [];
  summaries.forEach((one, i) => {
    const { name } = cluster.nodes[i]!;
    if (one?.report?.round !== plan.rounds) {
      problems.push(
        `${name} has round ${one?.report?.round} of ${plan.rounds} after the faults (${
          JSON.stringify(one?.report)
        })`,
      );
    }
  });
  const hashes = new Set(summaries.map((one) => one?.report?.parameters));
  if (problems.length === 0 && hashes.size !== 1) {
    problems.push(`${hashes.size} different last versions`);
  }
  if (problems.length === 0) problems.push(...await leftBehind(cluster.nodes, run));
  // With so few devices, noise that hides one of them hides the clouds as well.
  if (problems.length === 0 && plan.privacy === null) {
    await world.advance(MEASURE_MS);
    problems.push(...await badlyLearned(cluster.nodes, metricsSetting(run, plan.rounds)));
  }
  if (plan.privacy !== null) {
    for (const node of cluster.nodes) {
      const budget = await world.wait(
        askRounds<BudgetSummary>(node, (replyTo) => ({ type: "getBudget", replyTo })),
      );
      const spent = budget.runs.find((one) => one.run === run)?.rounds ?? 0;
      if (spent > plan.rounds) {
        problems.push(`${node.name} paid for ${spent} of ${plan.rounds} rounds`);
      }
    }
  }
  return [...problems, ...sentTooMuch(cluster.nodes)];
}

/** Honest devices stay far below what they may say about rounds. */
function sentTooMuch(nodes: readonly SimulatedNode[]): readonly string[] {
  return nodes.filter(({ isUp }) => isUp).flatMap(({ name, running }) => {
    const { messages } = running.system.inspect("node/rounds") as RoundsState;
    return [...messages.excess].map(([device, { dropped }]) =>
      `${name} dropped ${dropped} messages of ${device}, which is honest`
    );
  });
}

/** Nothing that could be signed or revealed is left on a disk when its round is over. */
async function leftBehind(nodes: readonly SimulatedNode[], run: RunId): Promise<readonly string[]> {
  const problems: string[] = [];
  for (const { name, running } of nodes) {
    const { settings } = running.store;
    for (const setting of [partSetting(run), updateSetting(run)]) {
      if (await settings.get(setting) === undefined) continue;
      problems.push(`${name} keeps ${setting} of a round that is over`);
    }
  }
  return problems;
}

/** Whether the last version tells points that nobody has learned from; a device that was away when it came has not measured it. */
async function badlyLearned(
  nodes: readonly SimulatedNode[],
  setting: string,
): Promise<readonly string[]> {
  const problems: string[] = [];
  let measured = 0;
  for (const { name, running } of nodes) {
    const metrics = await running.store.settings.get(setting) as RoundMetrics | undefined;
    if (metrics?.accuracy == null) continue;
    measured++;
    if (metrics.accuracy > ACCURACY_LEAST) continue;
    problems.push(
      `${name} tells ${metrics.accuracy} of its held-out points with the last version, expected more than ${ACCURACY_LEAST}`,
    );
  }
  return measured === 0 ? ["nobody has measured the last version"] : problems;
}

/** What may go wrong while a run goes on. */
export const LEARNING_FAULTS: readonly FaultKind[] = [
  "crash",
  "cut",
  "partition",
  "slowDisk",
  "wrongClock",
  "corruptFrames",
];

export const learning: Scenario = {
  name: "learning",
  purpose:
    "Devices learn one model by secure sums while coordinators and others lose power and links break",
  nodes: 5,
  play: (cluster, nodes) =>
    playLearning(cluster, nodes, {
      together: cluster.random.fork("together").below(2) === 0,
      async faults() {
        await new Faults(cluster).during(FAULTS_MS, LEARNING_FAULTS);
      },
    }),
};
