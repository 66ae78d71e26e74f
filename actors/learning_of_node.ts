/** The node's learning for its views: asks the rounds actor for runs, reads versions and numbers from the store. */
import { examplesFor } from "../learning/runs/examples.ts";
import { smallAggregationOf } from "../learning/runs/aggregation_choice.ts";
import { planRun } from "../learning/runs/new_run.ts";
import type { OpenedPlan } from "../learning/runs/opened_plan.ts";
import { parameterLayout } from "../learning/engine/shapes.ts";
import { isSameLayout, type ParameterLayout } from "../learning/parameters.ts";
import type { ExampleSource, LearningTask, TaskOptions } from "../learning/task.ts";
import { errorText } from "../platform/error_text.ts";
import type { Random } from "../platform/ports.ts";
import type { BlockId } from "../protocols/ids.ts";
import { may } from "../protocols/registry/registry.ts";
import type { Outcome } from "./handle.ts";
import type { Ref } from "./kernel/actor.ts";
import type {
  BudgetView,
  LearningHandle,
  OpenedTotal,
  RoundMetrics,
  RunView,
  TaskView,
} from "./learning_handle.ts";
import { idempotencyKeyOf } from "./publisher/prepare.ts";
import { modelsOfNode, type ModelsOfNodeOptions } from "./learning_models.ts";
import {
  chainOf,
  compressionOfRun,
  findByPrefix,
  metricsOfResult,
  runView,
} from "./learning_views.ts";
import type { BudgetSummary, RoundsCommand, RunSummary } from "./rounds/commands.ts";
import { keptSetting } from "./rounds/old_vectors.ts";
import { metricsSetting } from "./rounds/reporting.ts";
import { openedSetting } from "./rounds/second_party.ts";
import { refused } from "./outcomes.ts";

/** Publishing waits for the disk, ms. */
const START_TIMEOUT_MS = 60_000;
/** The rounds actor says that a time is over a little later, ms. */
const ANSWER_MS = 5_000;
/** Looking for a task's examples may read a lot: what was found counts for so long, ms. */
const EXAMPLES_FRESH_MS = 60_000;
const IDEMPOTENCY_KEY_MAX = 64;
const SEED_BYTES = 32;

export interface LearningOfNodeOptions
  extends Omit<ModelsOfNodeOptions, "summaries" | "tasks" | "fetch"> {
  readonly tasks: readonly LearningTask[];
  readonly source: ExampleSource;
  readonly random: Random;
  /** Asks the rounds actor; no answer is a refusal. */
  readonly request: <T>(
    toMessage: (replyTo: Ref<Outcome<T>>) => RoundsCommand,
    timeoutMs?: number,
  ) => Promise<Outcome<T>>;
  /** Asks the rounds actor; no answer is thrown. */
  readonly ask: <T>(toMessage: (replyTo: Ref<T>) => RoundsCommand) => Promise<T>;
}

type Availability =
  & Pick<TaskView, "available" | "reason" | "trainingExamples" | "testExamples">
  & {
    /** What is here is not for these options. */
    readonly misfit: boolean;
    /** Looking for examples has failed: whether there are any is not known. */
    readonly failed: boolean;
  };

/** Makes the learning part of a node handle. */
export function learningOfNode(options: LearningOfNodeOptions): LearningHandle {
  const { settings, request, ask, clock } = options;
  const looked = new Map<
    string,
    { readonly atMs: number; readonly found: Promise<Availability> }
  >();

  const summaries = () => ask<readonly RunSummary[]>((replyTo) => ({ type: "listRuns", replyTo }));
  const budget = () => ask<BudgetSummary>((replyTo) => ({ type: "getBudget", replyTo }));
  const models = modelsOfNode({
    ...options,
    summaries,
    fetch: (wanted) =>
      request(
        (replyTo) => ({ type: "fetchVector", ...wanted, replyTo }),
        wanted.withinMs + ANSWER_MS,
      ),
  });

  async function find(prefix: string): Promise<Outcome<RunSummary>> {
    const all = await summaries();
    const found = findByPrefix("run", prefix, all.map((one) => [one.run, one] as const));
    return "found" in found
      ? { type: "done", value: found.found }
      : refused(found.reason, `Cannot find it: ${found.problem}`);
  }

  async function viewOf(summary: RunSummary, spent: BudgetSummary): Promise<RunView> {
    const version = summary.report?.parameters ?? await models.newestHere(summary);
    const opened = smallAggregationOf(summary.plan) === null
      ? undefined
      : await settings.get(openedSetting(summary.run)) as OpenedTotal | undefined;
    const metrics = await newestMetrics(summary);
    const compression = summary.plan.compression === null
      ? undefined
      : compressionOfRun(await models.rounds(summary));
    return runView(summary, { version, metrics, budget: spent, compression, opened });
  }

  async function newestMetrics(summary: RunSummary): Promise<RoundMetrics | null> {
    const newest = chainOf(summary).at(-1);
    // On a grid nothing is published before the last round.
    const round = newest?.result.round ?? summary.report?.round ?? 0;
    // Measuring takes a moment: until then the numbers of the round before are the newest ones.
    for (const one of [round, round - 1]) {
      const kept = await settings.get(metricsSetting(summary.run, one));
      if (kept !== undefined) return kept as RoundMetrics;
    }
    return newest === undefined ? null : metricsOfResult(newest, newest.result.updateBytes);
  }

  /** Changes a run and tells how it is then. */
  async function change(
    prefix: string,
    toMessage: (run: BlockId, replyTo: Ref<Outcome<BlockId>>) => RoundsCommand,
  ): Promise<Outcome<RunView>> {
    const found = await find(prefix);
    if (found.type === "refused") return found;
    const outcome = await request<BlockId>(
      (replyTo) => toMessage(found.value.run, replyTo),
      START_TIMEOUT_MS,
    );
    return outcome.type === "refused" ? outcome : await run(outcome.value);
  }

  async function run(prefix: string): Promise<Outcome<RunView>> {
    const found = await find(prefix);
    if (found.type === "refused") return found;
    return { type: "done", value: await viewOf(found.value, await budget()) };
  }

  function availabilityOf(task: LearningTask): Promise<Availability> {
    const nowMs = clock.monotonicMs();
    const known = looked.get(task.name);
    if (known !== undefined && nowMs - known.atMs < EXAMPLES_FRESH_MS) return known.found;
    const found = lookFor(task, {});
    looked.set(task.name, { atMs: nowMs, found });
    // Why there are none is looked for anew: somebody may just have brought some.
    void found.then(({ available }) => available || looked.delete(task.name));
    return found;
  }

  async function budgetView(spent: BudgetSummary): Promise<BudgetView> {
    const byRun = new Map((await summaries()).map((one) => [one.run, one.plan]));
    return {
      epsilonLifetimeMax: spent.epsilonMax,
      delta: spent.delta,
      epsilonSpent: spent.epsilonSpent,
      runs: spent.runs.map(({ run, rounds, epsilon }) => {
        const plan = byRun.get(run);
        const epsilonMax = plan?.privacy?.epsilonMax ?? epsilon;
        return { run, title: plan?.title ?? run.slice(0, 12), rounds, epsilon, epsilonMax };
      }),
    };
  }

  return {
    tasks: () =>
      Promise.all(options.tasks.map(async (task): Promise<TaskView> => {
        const { misfit: _, failed: __, ...availability } = await availabilityOf(task);
        return {
          task: task.name,
          title: task.title,
          description: task.description,
          parameters: parametersOf(task),
          ...availability,
        };
      })),

    async start(wish) {
      const { idempotencyKey } = wish;
      if (idempotencyKey !== undefined && idempotencyKey.length > IDEMPOTENCY_KEY_MAX) {
        return refused(
          "invalid",
          `idempotencyKey has ${idempotencyKey.length} characters, expected at most ${IDEMPOTENCY_KEY_MAX}`,
        );
      }
      const registry = await options.registry();
      if (registry === null) {
        return refused(
          "noMesh",
          "Cannot start a run: this device belongs to no mesh; pair it first",
        );
      }
      const from = wish.startFrom === undefined
        ? undefined
        : await models.versionHere(wish.startFrom);
      if (from?.type === "refused") return from;
      const members = [...registry.members.keys()].filter((id) => may(registry, id, "learn.join"));
      const task = options.tasks.find(({ name }) => name === wish.task);
      // By the run's own options: another set of pictures has other examples.
      const own = task === undefined ? undefined : await lookFor(task, wish.options ?? {});
      if (own?.misfit === true) return refused("invalid", `Cannot plan the run: ${own.reason}`);
      // Asked for once more: who was there, and what was left to spend, was weighed when it began.
      const isRetry = idempotencyKey !== undefined &&
        await settings.get(idempotencyKeyOf(idempotencyKey)) !== undefined;
      const { epsilonMax } = await budget();
      if (wish.privacy !== undefined && wish.privacy.epsilon > epsilonMax) {
        return refused(
          "invalid",
          `Cannot start a run that may cost ε ${wish.privacy.epsilon}: this device allows ε ${epsilonMax} in all; ask for less, or raise what it allows`,
        );
      }
      const planned = planRun({
        ...wish,
        ...(isRetry && { wait: true }),
        ...(from && { startFrom: from.value.version }),
      }, {
        tasks: options.tasks,
        crypto: options.crypto,
        members,
        seed: options.random.bytes(SEED_BYTES),
        ownExamples: own?.trainingExamples ?? null,
        ownLack: own === undefined || own.failed ? null : own.reason,
        coordinators: members.filter((id) => may(registry, id, "learn.coordinate")).length,
        epsilonMax,
      });
      if (planned.type === "impossible") return refused("invalid", planned.message);
      const problem = from && problemOfStart(from.value, planned.opened) ||
        own?.available && await problemOfShare(planned.opened);
      if (problem) return refused("invalid", `Cannot plan the run: ${problem}`);
      const { plan } = planned.opened;
      // A device of a grid keeps its newest version only, and this one is where others begin.
      if (from !== undefined) await settings.set({ [keptSetting(from.value.version)]: true });
      const outcome = await request<BlockId>(
        (replyTo) => ({
          type: "startRun",
          plan,
          idempotencyKey: idempotencyKey ?? null,
          ...(isRetry && { retry: true }),
          replyTo,
        }),
        START_TIMEOUT_MS,
      );
      return outcome.type === "refused" ? outcome : await run(outcome.value);
    },

    join: (prefix) => change(prefix, (id, replyTo) => ({ type: "joinRun", run: id, replyTo })),
    leave: (prefix) => change(prefix, (id, replyTo) => ({ type: "leaveRun", run: id, replyTo })),
    stop: (prefix) => change(prefix, (id, replyTo) => ({ type: "stopRun", run: id, replyTo })),
    run,

    async runs() {
      const spent = await budget();
      return await Promise.all((await summaries()).map((one) => viewOf(one, spent)));
    },

    async rounds(prefix) {
      const found = await find(prefix);
      if (found.type === "refused") return found;
      return { type: "done", value: await models.rounds(found.value) };
    },

    async models(prefix) {
      if (prefix === undefined) {
        return { type: "done", value: await models.list(await summaries()) };
      }
      const found = await find(prefix);
      if (found.type === "refused") return found;
      try {
        models.opened(found.value);
      } catch (error) {
        if (!(error instanceof RangeError)) throw error;
        return refused("unavailable", error.message);
      }
      return { type: "done", value: await models.list([found.value]) };
    },

    model: models.model,
    compare: models.compare,
    rollBack: models.rollBack,
    verify: models.verify,
    export: models.export,

    async budget() {
      return await budgetView(await budget());
    },

    async setBudget(epsilonLifetimeMax) {
      const { epsilonSpent } = await budget();
      if (epsilonLifetimeMax < epsilonSpent) {
        return refused(
          "invalid",
          `Cannot set the privacy budget to ${epsilonLifetimeMax}: ε ${
            epsilonSpent.toFixed(4)
          } is spent already, expected at least that`,
        );
      }
      const outcome = await request<BudgetSummary>(
        (replyTo) => ({ type: "setBudget", epsilonMax: epsilonLifetimeMax, replyTo }),
      );
      if (outcome.type === "refused") return outcome;
      return { type: "done", value: await budgetView(outcome.value) };
    },
  } satisfies LearningHandle;

  /** Why what is here does not do when it is divided; undefined when it does, or is not divided. All get equally many. */
  async function problemOfShare({ plan }: OpenedPlan): Promise<string | undefined> {
    const { share } = plan;
    if (share === null) return undefined;
    const examples = await examplesFor(plan, { ...options, self: share.devices[0]! });
    return "unavailable" in examples
      ? `share.kind is "${share.kind}" among ${share.devices.length} devices: ${examples.unavailable}; expected more examples, or no share`
      : undefined;
  }

  async function lookFor(task: LearningTask, chosen: TaskOptions): Promise<Availability> {
    const none = (reason: string, { misfit = false, failed = false } = {}): Availability => (
      { available: false, reason, trainingExamples: 0, testExamples: 0, misfit, failed }
    );
    try {
      const examples = await task.examples({
        source: options.source,
        options: chosen,
        share: null,
      });
      if ("unavailable" in examples) return none(examples.unavailable, examples);
      return {
        misfit: false,
        failed: false,
        available: true,
        reason: null,
        trainingExamples: examples.training.count,
        testExamples: examples.test?.count ?? 0,
      };
    } catch (error) {
      return none(errorText(error), { failed: true });
    }
  }
}

/** Why a run cannot go on from a version; undefined when it can. */
function problemOfStart(
  { version, layout }: { readonly version: string; readonly layout: ParameterLayout },
  { plan, layout: ours }: OpenedPlan,
): string | undefined {
  if (isSameLayout(layout, ours)) return undefined;
  return `startFrom is ${
    version.slice(0, 12)
  }, of another network with ${layout.count} numbers, and task "${plan.task}" with these options has ${ours.count}; expected a version of a run with the same options`;
}

/** Numbers of a task's model with default options; 0 for one that is nothing without options. */
function parametersOf(task: LearningTask): number {
  try {
    return parameterLayout(task.network({})).count;
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    return 0;
  }
}
