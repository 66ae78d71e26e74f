/** A run under way as lines of text: what it does, how far it is, how long it will take, and its curve. */
import type { LearningEvent, RoundMetrics } from "../../actors/learning_handle.ts";
import type { RunJson } from "../client_learning.ts";
import type { CommandContext } from "../command.ts";
import { printable, printableLine } from "../output/table.ts";
import { formatDuration } from "../output/units.ts";
import {
  curveOf,
  figure,
  metricSaid,
  percent,
  roundTimeMs,
  SHORT_ID,
  shownMetrics,
} from "./figures.ts";
import { sparkline } from "./sparkline.ts";

type Progress = Extract<LearningEvent, { type: "roundProgress" }>;
type Training = Extract<LearningEvent, { type: "trainingProgress" }>;

/** Everything that is known of a run while it is watched. */
export interface Watched {
  readonly run: RunJson;
  /** Oldest first. */
  readonly rounds: readonly RoundMetrics[];
  /** Of the round under way; null before the first word about it. */
  readonly progress: Progress | null;
  readonly training: (Training & { readonly sinceMs: number; readonly nowMs: number }) | null;
}

const BAR = 24;
const BAR_LEAST = 4;
const LABEL = 12;

/** The state with one event more; the same object when the event says nothing about this run. */
export function withEvent(watched: Watched, event: LearningEvent, nowMs: number): Watched {
  if (event.run !== watched.run.run) return watched;
  switch (event.type) {
    case "roundProgress":
      return { ...watched, progress: event };
    case "trainingProgress": {
      const { training } = watched;
      const goesOn = training?.round === event.round && training.total === event.total &&
        training.done <= event.done;
      const sinceMs = goesOn ? training.sinceMs : nowMs;
      return { ...watched, training: { ...event, sinceMs, nowMs } };
    }
    case "runChanged":
    case "roundFinished":
      return { ...watched, training: null };
    default:
      return event satisfies never;
  }
}

/** The picture, a line each. */
export function livePicture(context: CommandContext, watched: Watched): readonly string[] {
  const { run, progress, training } = watched;
  const texts = context.texts.learnRuns;
  const { bold, dim, cyan, yellow } = context.output.terminal.colors;
  const current = progress !== null && progress.round > run.round ? progress : null;
  const phase = run.state !== "running"
    ? texts.states[run.state]
    : texts.phases[current?.phase ?? run.phase];
  const nobody = run.plan.aggregation.type === "grid" ? texts.noCoordinator : texts.nobody;
  const coordinator = run.coordinator === null ? nobody : run.coordinator.slice(0, 8);
  const lines = [
    `${bold(printableLine(run.title))}  ${cyan(phase)}  ${
      dim(
        `${run.run.slice(0, SHORT_ID)} · ${texts.coordinator} ${coordinator} · ${
          texts.deviceCount(run.devices)
        }`,
      )
    }`,
    barLine(context, texts.rounds, {
      done: run.round,
      total: run.rounds,
      leftMs: timeLeftMs(watched),
    }),
  ];
  if (training !== null && run.state === "running" && training.done < training.total) {
    const leftMs = stepsLeftMs(training);
    lines.push(
      barLine(context, texts.trainingBar, { done: training.done, total: training.total, leftMs }),
    );
  }
  lines.push(...curveLine(context, watched));
  if (run.waitingFor !== null && run.state === "running") {
    lines.push(yellow(`${texts.waiting.padEnd(LABEL)} ${printable(texts.told(run.waitingFor))}`));
  }
  return lines;
}

/** The curve with its newest value; nothing before the first round. */
export function curveLine(
  context: CommandContext,
  { rounds }: Pick<Watched, "rounds">,
): readonly string[] {
  if (rounds.length === 0) return [];
  const { shows, values, range } = curveOf(rounds);
  const texts = context.texts.learnRuns;
  const width = Math.max(10, Math.min(60, context.output.terminal.width - LABEL - 14));
  const newest = values.findLast((value) => value !== null) ?? null;
  const said = shows === "accuracy" ? percent(newest, context) : figure(newest, context);
  const line = sparkline(values, { width, ...(range === undefined ? {} : { range }) });
  return [
    `${texts[shows].padEnd(LABEL)} ${context.output.terminal.colors.green(line)} ${said}`,
  ];
}

/** One line about a round that is done. */
export function roundLine(context: CommandContext, metrics: RoundMetrics): string {
  const texts = context.texts.learnRuns;
  const { round, counted, dropped, refused, durationMs, accuracy, loss } = metrics;
  const { yellow, red, green } = context.output.terminal.colors;
  const parts = [texts.roundLine(round, counted, formatDuration(durationMs, context.language))];
  if (accuracy !== null) parts.push(green(`${texts.accuracy} ${percent(accuracy, context)}`));
  for (const metric of shownMetrics([metrics], texts)) {
    parts.push(`${printableLine(metric.label)} ${metricSaid(metric, metrics, context)}`);
  }
  if (loss !== null) parts.push(`${texts.loss} ${figure(loss, context)}`);
  if (metrics.epsilon !== null) parts.push(`ε ${figure(metrics.epsilon, context)}`);
  if (dropped > 0) parts.push(yellow(texts.droppedOut(dropped)));
  if (refused > 0) parts.push(red(`${texts.refused}: ${refused}`));
  return parts.join(" · ");
}

function timeLeftMs({ run, rounds }: Watched): number | null {
  const each = roundTimeMs(rounds);
  if (run.state !== "running" || each === null) return null;
  return each * (run.rounds - run.round);
}

function stepsLeftMs({ done, total, sinceMs, nowMs }: NonNullable<Watched["training"]>) {
  const passedMs = nowMs - sinceMs;
  return done === 0 || passedMs <= 0 ? null : passedMs / done * (total - done);
}

function barLine(
  context: CommandContext,
  label: string,
  { done, total, leftMs }: {
    readonly done: number;
    readonly total: number;
    readonly leftMs: number | null;
  },
): string {
  const { colors: { green, dim }, width } = context.output.terminal;
  const said = `${done}/${total}`;
  // In a narrow terminal the bar gives way, and not the numbers; one column stays free.
  const cells = Math.max(BAR_LEAST, Math.min(BAR, width - LABEL - said.length - 3));
  const full = total === 0 ? 0 : Math.min(cells, Math.floor(done / total * cells));
  const bar = green("█".repeat(full)) + dim("░".repeat(cells - full));
  const left = leftMs === null || leftMs <= 0
    ? ""
    : ` · ${context.texts.learnRuns.eta(formatDuration(leftMs, context.language))}`;
  return `${label.padEnd(LABEL)} ${bar} ${said}${left}`;
}
