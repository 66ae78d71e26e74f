/**
 * Devices learn one model without a coordinator, by averaging on a grid, while some lose power, links break, and one joins late. Nobody waits for those who
 * have gone; in the end all have done all rounds, have learned, and have come to nearly the same numbers.
 */
import { spreadOf } from "../../learning/gossip_averaging/group_model.ts";
import { type Parameters, parametersFromBytes } from "../../learning/parameters.ts";
import type { RunId, RunPlan } from "../../learning/runs/plan.ts";
import type { RoundMetrics } from "../../actors/learning_handle.ts";
import type { RunSummary } from "../../actors/rounds/commands.ts";
import { metricsSetting } from "../../actors/rounds/reporting.ts";
import type { Outcome } from "../../actors/handle.ts";
import type { ContentHash } from "../../protocols/ids.ts";
import type { Cluster } from "../cluster.ts";
import { type FaultKind, Faults } from "../faults.ts";
import type { SimulatedNode } from "../simulated_node.ts";
import { askRounds, CLOUDS, planFor } from "./learning.ts";
import type { Scenario } from "./scenario.ts";

const ROUNDS = 15;
/** Faults strike for so long, virtual ms. */
const FAULTS_MS = 20_000;
/** Then everything must be done within, virtual ms. */
const FINISH_MS = 300_000;
/** A plan is everywhere within so many virtual seconds. */
const PLAN_SPREADS_S = 60;
/** As with a coordinator. */
export const ACCURACY_LEAST = 0.9;
/** How far the last versions may lie apart, as a share of their length: the last averaging may have missed somebody. */
export const SPREAD_MOST = 0.25;

/** What a run on a grid came to. */
export interface GridReport {
  readonly problems: readonly string[];
  readonly run: RunId | null;
  /** Last versions of the devices. */
  readonly models: readonly Parameters[];
  /** Their names. */
  readonly versions: readonly ContentHash[];
  /** As each device measured its last version. */
  readonly accuracies: readonly number[];
  /** Root of the mean squared distance of the last versions from their mean, and as a share of their length. */
  readonly spread: number;
  readonly relativeSpread: number;
}

/** The plan of a run on a grid over the devices of a cluster. */
function gridPlanFor(cluster: Cluster, change: Partial<RunPlan> = {}): RunPlan {
  const rule = { name: "weightedMean", numbers: {} };
  return planFor(cluster, {
    rounds: ROUNDS,
    aggregation: { type: "grid", dimensions: 2, side: 3, rule },
    ...change,
  });
}

/** Plays a run over a mesh of `nodes` devices. `late` of them join only when `faults` lets them. */
export async function playGrid(
  cluster: Cluster,
  nodes: number,
  options: {
    readonly plan?: Partial<RunPlan>;
    readonly late?: number;
    readonly faults: (
      join: (node: SimulatedNode) => Promise<void>,
      late: readonly SimulatedNode[],
      run: RunId,
    ) => Promise<void>;
  },
): Promise<GridReport> {
  const { world } = cluster;
  for (let i = 0; i < nodes; i++) {
    await cluster.addNode({ learning: { tasks: [CLOUDS], epsilonMax: 1_000 } });
  }
  await cluster.formMesh("owner");
  await world.advance(10_000);
  const [starter, ...others] = cluster.nodes;
  const late = others.splice(others.length - (options.late ?? 0));
  // What people write must be as safe as ever beside it.
  await world.wait(cluster.publish(starter!));
  const plan = gridPlanFor(cluster, {
    participation: { least: others.length + 1, most: 1_000, fraction: 1, overSelection: 0 },
    ...options.plan,
  });
  const started = await world.wait(askRounds<Outcome<RunId>>(
    starter!,
    (replyTo) => ({ type: "startRun", plan, idempotencyKey: null, replyTo }),
  ));
  if (started.type === "refused") throw new Error(started.message);
  const run = started.value;
  const join = async (node: SimulatedNode) => {
    for (let s = 0; s < PLAN_SPREADS_S && await summaryOf(cluster, node, run) === undefined; s++) {
      await world.advance(1_000);
    }
    const joined = await world.wait(
      askRounds<Outcome<RunId>>(node, (replyTo) => ({ type: "joinRun", run, replyTo })),
    );
    if (joined.type === "refused") throw new Error(joined.message);
  };
  for (const node of others) await join(node);
  await options.faults(join, late, run);
  const beganMs = world.nowMs;
  let summaries: (RunSummary | undefined)[] = [];
  const isDone = () => summaries.every((one) => one?.report?.round === plan.rounds);
  do {
    await world.advance(1_000);
    summaries = [];
    for (const node of cluster.nodes) summaries.push(await summaryOf(cluster, node, run));
  } while (!isDone() && world.nowMs - beganMs < FINISH_MS);
  // The last version is measured and published a moment later.
  await world.advance(10_000);
  const problems = summaries.flatMap((one, i) =>
    one?.report?.round === plan.rounds ? [] : [
      `${cluster.nodes[i]!.name} has round ${one?.report?.round} of ${plan.rounds} (${
        JSON.stringify(one?.report)
      })`,
    ]
  );
  return { ...await judge(cluster, run, plan, summaries), problems };
}

/** How the run stands on one device. */
export async function summaryOf(
  { world }: Cluster,
  node: SimulatedNode,
  run: RunId,
): Promise<RunSummary | undefined> {
  const all = await world.wait(askRounds<readonly RunSummary[]>(
    node,
    (replyTo) => ({ type: "listRuns", replyTo }),
  ));
  return all.find((one) => one.run === run);
}

async function judge(
  cluster: Cluster,
  run: RunId,
  plan: RunPlan,
  summaries: readonly (RunSummary | undefined)[],
): Promise<Omit<GridReport, "problems">> {
  const versions = summaries.flatMap((one) => one?.report?.parameters ?? []);
  const models = versions.flatMap((hash, i) => {
    const bytes = cluster.nodes[i]!.vectors.get(hash);
    return bytes === undefined ? [] : [parametersFromBytes(bytes)!];
  });
  const accuracies: number[] = [];
  for (const { running } of cluster.nodes) {
    const setting = metricsSetting(run, plan.rounds);
    const metrics = await running.store.settings.get(setting) as RoundMetrics | undefined;
    if (metrics?.accuracy != null) accuracies.push(metrics.accuracy);
  }
  const spread = spreadOf(models);
  const length = Math.hypot(...models[0] ?? [1]);
  return { run, models, versions, accuracies, spread, relativeSpread: spread / length };
}

const KINDS: readonly FaultKind[] = ["crash", "cut", "partition", "slowDisk", "wrongClock"];

export const learningGrid: Scenario = {
  name: "learning_grid",
  purpose:
    "Devices learn one model on a grid, without a coordinator, while some lose power, links break, and one joins late",
  nodes: 8,
  async play(cluster, nodes) {
    const report = await playGrid(cluster, nodes, {
      late: 1,
      plan: {
        participation: { least: 2, most: 1_000, fraction: 1, overSelection: 0 },
        deadlines: { readyMs: 2_000, trainMs: 5_000, phaseMs: 2_000 },
      },
      async faults(join, late) {
        await new Faults(cluster).during(FAULTS_MS, KINDS);
        for (const node of late) await join(node);
      },
    });
    const { problems, accuracies, relativeSpread } = report;
    if (problems.length > 0) return problems;
    return [
      ...(accuracies.length === 0 ? ["nobody has measured the last version"] : []),
      ...accuracies.filter((one) => one <= ACCURACY_LEAST).map((one) =>
        `a device tells ${one} of its held-out points, expected more than ${ACCURACY_LEAST}`
      ),
      ...(relativeSpread <= SPREAD_MOST ? [] : [
        `the last versions lie ${relativeSpread} of their length apart, expected at most ${SPREAD_MOST}`,
      ]),
    ];
  },
};
