/** Runs and versions as views want them, from what the rounds actor and the store know. Pure. */
import type { RunPlan } from "../learning/runs/plan.ts";
import type { ContentHash } from "../protocols/ids.ts";
import type { CompressionCost, OpenedTotal, RoundMetrics, RunView } from "./learning_handle.ts";
import { countedIn, newestRound } from "./rounds/results_in_mind.ts";
import { moreDevices } from "./rounds/waiting.ts";
import type { BudgetSummary, CommittedResult, RunSummary } from "./rounds/commands.ts";

/**
 * The results that lead to where this device is (or to the newest one it knows of), oldest first, one for each round. Where two coordinators did not know
 * of each other, the block with the lower id counts, as everywhere.
 */
export function chainOf({ results, report }: RunSummary): readonly CommittedResult[] {
  const byRound = Map.groupBy(results, ({ result }) => result.round);
  const best = (round: number, version?: ContentHash) => {
    const found = (byRound.get(round) ?? []).toSorted((a, b) => a.block < b.block ? -1 : 1);
    return found.find(({ result }) => result.result === version) ?? found[0];
  };
  const chain: CommittedResult[] = [];
  const newest = report?.round ?? newestRound(results);
  let version = report?.parameters ?? undefined;
  for (let round = newest; round > 0; round--) {
    const one = best(round, version);
    version = one?.result.parent;
    if (one !== undefined) chain.push(one);
  }
  return chain.reverse();
}

/** True for runs without a coordinator: every device has versions of its own, and publishes the last one. */
export function isGrid({ plan }: Pick<RunSummary, "plan">): boolean {
  return plan.aggregation.type === "grid";
}

/** What devices of a grid have published: each version once, oldest first, this device's own last. */
export function lastOfGrid({ results, report }: RunSummary): readonly CommittedResult[] {
  const byVersion = new Map<ContentHash, CommittedResult>();
  const sorted = results.toSorted((a, b) => a.atMs - b.atMs || (a.block < b.block ? -1 : 1));
  for (const one of sorted) {
    if (!byVersion.has(one.result.result)) byVersion.set(one.result.result, one);
  }
  const own = report?.parameters == null ? undefined : byVersion.get(report.parameters);
  return [...[...byVersion.values()].filter((one) => one !== own), ...(own ? [own] : [])];
}

/** The numbers that everybody can read in a result; nothing in them was measured here. */
export function metricsOfResult(
  committed: CommittedResult,
  parameterBytes: number,
): RoundMetrics {
  const { result, author, atMs } = committed;
  return {
    round: result.round,
    atMs,
    durationMs: result.durationMs,
    coordinator: author,
    called: result.counts.called,
    ready: result.counts.ready,
    counted: countedIn(committed),
    dropped: result.counts.dropped,
    refused: result.counts.refused,
    accuracy: null,
    loss: null,
    trainingLoss: null,
    updateBytes: result.updateBytes,
    parameterBytes,
    epsilon: null,
  };
}

/** A run as it stands. */
export function runView(
  summary: RunSummary,
  { version, metrics, budget, compression, opened }: {
    readonly version: ContentHash | null;
    readonly metrics: RoundMetrics | null;
    readonly budget: BudgetSummary;
    readonly compression?: CompressionCost | undefined;
    readonly opened: OpenedTotal | undefined;
  },
): RunView {
  const { run, plan, report, state } = summary;
  const known = newestRound(summary.results);
  const isOver = state === "finished" || state === "stopped";
  return {
    run,
    title: plan.title,
    task: plan.task,
    startedBy: summary.startedBy,
    startedAtMs: summary.startedAtMs,
    state,
    joined: summary.joined,
    round: report?.round ?? known,
    rounds: plan.rounds,
    phase: isOver ? "finished" : report?.phase ?? "waiting",
    coordinator: report?.coordinator ?? null,
    term: report?.term ?? 0,
    devices: Math.max(report?.devices ?? 0, summary.devices),
    waitingFor: isOver
      ? null
      : summary.problem ?? report?.waitingFor ?? missingDevices(summary) ?? null,
    plan,
    version,
    metrics,
    epsilonSpent: epsilonOf(plan, run, budget),
    ...(compression !== undefined && { compression }),
    ...(opened !== undefined && { opened }),
  };
}

/** What compressing has brought and cost over these rounds; undefined where nothing was compressed. */
export function compressionOfRun(rounds: readonly RoundMetrics[]): CompressionCost | undefined {
  const compressed = rounds.filter(({ compression }) => compression !== undefined);
  if (compressed.length === 0) return undefined;
  const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);
  const errors = compressed.flatMap(({ compression }) => compression!.error ?? []);
  return {
    ratio: sum(compressed.map(({ parameterBytes }) => parameterBytes)) /
      Math.max(1, sum(compressed.map(({ updateBytes }) => updateBytes))),
    error: errors.length === 0 ? null : sum(errors) / errors.length,
  };
}

/** What a joined run lacks to begin a round, where its coordinator has not said so here; undefined while enough are there. */
function missingDevices({ plan, joined, report, devices }: RunSummary): string | undefined {
  if (!joined || (report !== null && report.phase !== "waiting")) return undefined;
  const missing = plan.participation.least - Math.max(report?.devices ?? 0, devices);
  return missing > 0 ? moreDevices(missing) : undefined;
}

function epsilonOf(plan: RunPlan, run: string, budget: BudgetSummary): number | null {
  if (plan.privacy === null) return null;
  return budget.runs.find((one) => one.run === run)?.epsilon ?? 0;
}

/** Fewest digits by which a run or version may be named. */
export const PREFIX_MIN = 6;

/** The one that begins so; or why there is none. */
export function findByPrefix<T>(
  what: string,
  prefix: string,
  all: Iterable<readonly [id: string, value: T]>,
):
  | { readonly found: T }
  | { readonly problem: string; readonly reason: "invalid" | "notFound" } {
  if (!new RegExp(`^[0-9a-f]{${PREFIX_MIN},64}$`).test(prefix)) {
    return {
      reason: "invalid",
      problem: `${what} is ${
        JSON.stringify(prefix.slice(0, 80))
      }, expected ${PREFIX_MIN} to 64 lower-case hex digits`,
    };
  }
  const matches = new Map([...all].filter(([id]) => id.startsWith(prefix)).reverse());
  const [first, second] = matches.values();
  if (matches.size === 1) return { found: first! };
  return second === undefined
    ? { reason: "notFound", problem: `no ${what} begins with "${prefix}"` }
    : {
      reason: "invalid",
      problem: `${matches.size} ${what}s begin with "${prefix}": write more digits`,
    };
}
