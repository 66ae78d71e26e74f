/** `submind learn`: tasks, runs and their rounds, and this device's budget of privacy. */
import { object, or } from "@optique/core/constructs";
import { map, optional } from "@optique/core/modifiers";
import { command, option } from "@optique/core/primitives";
import { string } from "@optique/core/valueparser";
import type { BudgetView, RoundMetrics, TaskView } from "../../actors/learning_handle.ts";
import type { RunJson } from "../client_learning.ts";
import { type Action, clientOf, type CommandContext, plain } from "../command.ts";
import { CliError, EXIT } from "../exit_codes.ts";
import {
  figure,
  fine,
  metricSaid,
  NONE,
  percent,
  ratioText,
  SHORT_ID,
  shownMetrics,
} from "../learning/figures.ts";
import { livePicture } from "../learning/live_picture.ts";
import { numberOption } from "../learning/number_option.ts";
import { describePlan } from "../learning/plan_text.ts";
import { idArgument } from "../learning/short_id.ts";
import { watchToTheEnd } from "../learning/watch.ts";
import { formatPairs, formatTable, inLines, printable, printableLine } from "../output/table.ts";
import { formatBytes, formatCount, formatDuration, formatTime } from "../output/units.ts";
import type { Texts } from "../texts.ts";

const BUDGET = { least: 0, most: 1e6, above: true } as const;

/** Parser of the commands, to stand below `learn`. */
export function learnRunCommands(texts: Texts) {
  const { help, options } = texts.learnRuns;
  const run = (description: string) => idArgument(texts, "RUN", description);
  const changing = (what: "join" | "leave" | "stop") =>
    command(
      what,
      map(object({ run: run(options.run) }), (found): Action => (context) =>
        runChange(context, what, found.run)),
      { brief: plain(help[what]) },
    );
  const looking = or(
    command("tasks", map(object({}), (): Action => runTasks), { brief: plain(help.tasks) }),
    command(
      "status",
      map(
        object({ run: optional(run(options.anyRun)) }),
        (found): Action => (context) => runStatus(context, found.run),
      ),
      { brief: plain(help.status) },
    ),
    command(
      "watch",
      map(
        object({ run: optional(run(options.newestRun)) }),
        (found): Action => (context) => runWatch(context, found.run),
      ),
      { brief: plain(help.watch) },
    ),
    command(
      "rounds",
      map(
        object({ run: run(options.run) }),
        (found): Action => (context) => runRounds(context, found.run),
      ),
      { brief: plain(help.rounds) },
    ),
  );
  const budget = command(
    "budget",
    map(
      object({
        set: optional(
          option("--set", string({ metavar: "NUMBER" }), { description: plain(options.set) }),
        ),
      }),
      (found): Action => (context) => runBudget(context, found.set),
    ),
    { brief: plain(help.budget) },
  );
  return or(looking, changing("join"), changing("leave"), changing("stop"), budget);
}

/** All runs, as `submind learn` without a word shows them. */
export async function runStatus(context: CommandContext, id?: string) {
  const { learning } = clientOf(context);
  if (id !== undefined) {
    const run = await learning.run(id);
    const rounds = await learning.rounds(run.run);
    context.output.result({ ...run, rounds_done: rounds }, () => formatRun(context, run, rounds));
    return EXIT.ok;
  }
  const runs = await learning.runs();
  context.output.result({ runs }, () => formatRuns(context, runs));
  return EXIT.ok;
}

async function runTasks(context: CommandContext) {
  const tasks = await clientOf(context).learning.tasks();
  context.output.result({ tasks }, () => formatTasks(context, tasks));
  return EXIT.ok;
}

async function runChange(context: CommandContext, what: "join" | "leave" | "stop", id: string) {
  const run = await clientOf(context).learning.change(id, what);
  const { texts, output } = context;
  output.result(
    { ok: true, ...run },
    () => texts.learnRuns.changed(printableLine(run.title), run.state),
  );
  if (what === "join") output.note(texts.learnRuns.watchHint(run.run.slice(0, SHORT_ID)));
  return EXIT.ok;
}

async function runWatch(context: CommandContext, id: string | undefined) {
  if (id !== undefined) return await watchToTheEnd(context, id);
  const runs = await clientOf(context).learning.runs();
  const newest = runs.toSorted((a, b) => b.startedAtMs - a.startedAtMs)[0];
  if (newest === undefined) {
    throw new CliError(context.texts.learnRuns.noRuns, {
      code: "notFound",
      exitCode: EXIT.refused,
    });
  }
  return await watchToTheEnd(context, newest.run);
}

async function runRounds(context: CommandContext, id: string) {
  const rounds = await clientOf(context).learning.rounds(id);
  context.output.result({ rounds }, () => formatRounds(context, rounds));
  return EXIT.ok;
}

async function runBudget(context: CommandContext, set: string | undefined) {
  const { learning } = clientOf(context);
  const budget = set === undefined
    ? await learning.budget()
    : await learning.setBudget(readBudget(context.texts, set));
  context.output.result(budget, () => formatBudget(context, budget));
  return EXIT.ok;
}

function readBudget(texts: Texts, text: string): number {
  try {
    return numberOption(texts, { name: "--set", text, range: BUDGET });
  } catch (error) {
    if (!(error instanceof CliError)) throw error;
    const expected = texts.learnRuns.expectedNumber(BUDGET);
    throw new CliError(texts.learnRuns.badBudget(text.slice(0, 60), expected), {
      code: "usage",
      exitCode: EXIT.usage,
      hint: "submind learn budget --set 10",
    });
  }
}

function formatTasks(context: CommandContext, tasks: readonly TaskView[]): string {
  const { language, output } = context;
  const texts = context.texts.learnRuns;
  if (tasks.length === 0) return texts.noTasks;
  const count = (value: number) => formatCount(value, language);
  const { green, yellow } = output.terminal.colors;
  const missing = tasks.filter(({ available }) => !available).map(({ task, reason }) =>
    `${yellow(task)}: ${printable(reason === null ? NONE : texts.told(reason))}`
  );
  const table = formatTable(
    output.terminal,
    [texts.task, texts.title, texts.parameters, texts.training, texts.test, texts.ready],
    tasks.map((task) => [
      task.task,
      task.title[language],
      count(task.parameters),
      count(task.trainingExamples),
      count(task.testExamples),
      task.available ? green(texts.yes) : yellow(texts.notReady),
    ]),
  );
  const first = tasks.find(({ available }) => available);
  const start = first === undefined ? [] : [texts.startHint(first.task)];
  return [table, ...missing, ...start].join("\n");
}

function formatRuns(context: CommandContext, runs: readonly RunJson[]): string {
  const { language, output } = context;
  const texts = context.texts.learnRuns;
  if (runs.length === 0) return texts.noRuns;
  const count = (value: number) => formatCount(value, language);
  return formatTable(
    output.terminal,
    [
      texts.run,
      texts.title,
      texts.state,
      texts.round,
      texts.devices,
      texts.accuracy,
      texts.waiting,
    ],
    runs.map((run) => [
      run.run.slice(0, SHORT_ID),
      printableLine(run.title.slice(0, 40)),
      texts.states[run.state],
      texts.roundOf(count(run.round), count(run.rounds)),
      count(run.devices),
      run.metrics?.accuracy == null
        ? figure(run.metrics?.loss ?? null, context)
        : percent(run.metrics.accuracy, context),
      run.state === "running" && run.waitingFor !== null ? texts.told(run.waitingFor) : "",
    ]),
  );
}

function formatRun(
  context: CommandContext,
  run: RunJson,
  rounds: readonly RoundMetrics[],
): string {
  const { language, output } = context;
  const texts = context.texts.learnRuns;
  const pairs: (readonly [string, string])[] = [
    [texts.run, run.run],
    [texts.task, run.task],
    [texts.startedBy, `${run.startedBy.slice(0, 8)}, ${formatTime(run.startedAtMs, language)}`],
    [texts.plan, describePlan(run.plan, context)],
    [texts.version, run.version ?? NONE],
    [
      texts.epsilon,
      run.epsilonSpent === null ? texts.noPrivacy : figure(run.epsilonSpent, context),
    ],
  ];
  if (run.compression !== undefined) {
    const { ratio, error } = run.compression;
    const told = texts.compressed(
      ratioText(ratio, context),
      error === null ? null : fine(error, context),
    );
    pairs.push([texts.compression, told]);
  }
  if (run.opened !== undefined) {
    const { round, attempt, coordinator, signature } = run.opened;
    const told = texts.openedFor(
      formatCount(round, language),
      formatCount(attempt, language),
      coordinator.slice(0, 8),
    );
    pairs.push([texts.opened, `${told}, ${signature.slice(0, SHORT_ID)}…`]);
  }
  const { metrics } = run;
  if (metrics !== null) {
    for (const metric of shownMetrics([metrics], texts)) {
      pairs.push([printableLine(metric.label), metricSaid(metric, metrics, context)]);
    }
  }
  const picture = livePicture(context, { run, rounds, progress: null, training: null });
  return [...inLines(output.terminal, picture), formatPairs(output.terminal, pairs)].join("\n");
}

function formatRounds(context: CommandContext, rounds: readonly RoundMetrics[]): string {
  const { language, output } = context;
  const texts = context.texts.learnRuns;
  if (rounds.length === 0) return texts.noRounds;
  const own = shownMetrics(rounds, texts);
  const head = [
    texts.round,
    texts.accuracy,
    ...own.map(({ label }) => printableLine(label)),
    texts.loss,
    texts.trainingLoss,
    texts.counted,
    texts.dropped,
    texts.refused,
    texts.time,
    texts.update,
  ];
  const compressed = rounds.some(({ compression }) => compression !== undefined);
  const cost = compressed ? [texts.compression, texts.compressionError] : [];
  return formatTable(
    output.terminal,
    [...head, ...cost, "ε", texts.coordinator],
    rounds.map((one) => [
      formatCount(one.round, language),
      percent(one.accuracy, context),
      ...own.map((metric) => metricSaid(metric, one, context)),
      figure(one.loss, context),
      figure(one.trainingLoss, context),
      `${one.counted}/${one.called}`,
      String(one.dropped),
      String(one.refused),
      formatDuration(one.durationMs, language),
      formatBytes(one.updateBytes, language),
      ...(compressed ? costSaid(one, context) : []),
      figure(one.epsilon, context),
      one.coordinator.slice(0, 8),
    ]),
  );
}

/** What compressing brought in a round, and what it cost. */
function costSaid({ compression }: RoundMetrics, context: CommandContext): readonly string[] {
  if (compression === undefined) return [NONE, NONE];
  return [ratioText(compression.ratio, context), fine(compression.error, context)];
}

function formatBudget(context: CommandContext, budget: BudgetView): string {
  const { output, language } = context;
  const texts = context.texts.learnRuns;
  const [spent, most] = [budget.epsilonSpent, budget.epsilonLifetimeMax].map((value) =>
    figure(value, context)
  );
  const delta = String(budget.delta);
  const head = budget.epsilonSpent === 0
    ? texts.nothingSpent(most!, delta)
    : texts.spent(spent!, most!, delta);
  if (budget.runs.length === 0) return head;
  const table = formatTable(
    output.terminal,
    [texts.run, texts.title, texts.runRounds, "ε", texts.atMost],
    budget.runs.map((run) => [
      run.run.slice(0, SHORT_ID),
      printableLine(run.title.slice(0, 40)),
      formatCount(run.rounds, language),
      figure(run.epsilon, context),
      figure(run.epsilonMax, context),
    ]),
  );
  return `${head}\n${table}`;
}
