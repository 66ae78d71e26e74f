/** Figures of learning as people read them. */
import type { RoundMetrics } from "../../actors/learning_handle.ts";
import type { CommandContext } from "../command.ts";

/** What the commands of runs say, of which figures have their names. */
type LearningTexts = CommandContext["texts"]["learnRuns"];

/** First digits of a run's or a version's id, enough to name it. */
export const SHORT_ID = 10;

/** What stands where there is no figure. */
export const NONE = "–";

/** "93.4 %". */
export function percent(share: number | null, { language }: CommandContext): string {
  if (share === null) return NONE;
  return new Intl.NumberFormat(language, {
    style: "percent",
    minimumFractionDigits: 1,
    maximumFractionDigits: 1,
  }).format(share);
}

/** Four digits that count. */
export function figure(value: number | null, { language }: CommandContext): string {
  if (value === null) return NONE;
  return new Intl.NumberFormat(language, { maximumSignificantDigits: 4 }).format(value);
}

/** A task's own metric as it is shown: a share of examples, or a figure in the unit of the task. */
export interface ShownMetric {
  readonly name: string;
  readonly label: string;
  readonly isShare: boolean;
}

/** The own metrics of a run's task: those that any of its rounds has. A name that this program does not know stands for itself. */
export function shownMetrics(
  rounds: readonly Pick<RoundMetrics, "measured">[],
  { metrics }: LearningTexts,
): readonly ShownMetric[] {
  const names = new Set(rounds.flatMap(({ measured = {} }) => Object.keys(measured)));
  return [...names].map((name) => {
    const k = /^top(\d{1,9})Accuracy$/.exec(name)?.[1];
    if (k !== undefined) return { name, label: metrics.topAccuracy(k), isShare: true };
    const label = name === "meanAbsoluteError" ? metrics.meanAbsoluteError : name;
    return { name, label, isShare: false };
  });
}

/** The value of a task's own metric in a round. */
export function metricSaid(
  { name, isShare }: ShownMetric,
  { measured }: Pick<RoundMetrics, "measured">,
  context: CommandContext,
): string {
  const value = measured?.[name] ?? null;
  return isShare ? percent(value, context) : figure(value, context);
}

/** "13.3 %", or "0.00959 %": three digits that count. */
export function fine(share: number | null, { language }: CommandContext): string {
  if (share === null) return NONE;
  return new Intl.NumberFormat(language, { style: "percent", maximumSignificantDigits: 3 })
    .format(share);
}

/** "32 : 1". */
export function ratioText(value: number, { language }: CommandContext): string {
  return `${new Intl.NumberFormat(language, { maximumSignificantDigits: 3 }).format(value)} : 1`;
}

/** The mean duration of the newest rounds, ms; null without any. */
export function roundTimeMs(rounds: readonly RoundMetrics[]): number | null {
  const newest = rounds.slice(-5);
  if (newest.length === 0) return null;
  return newest.reduce((sum, { durationMs }) => sum + durationMs, 0) / newest.length;
}

/** What the curve of a run shows: accuracy between 0 and 1 where there are classes, else the loss. */
export function curveOf(rounds: readonly RoundMetrics[]): {
  readonly shows: "accuracy" | "loss";
  readonly values: readonly (number | null)[];
  readonly range?: readonly [number, number];
} {
  if (rounds.some(({ accuracy }) => accuracy !== null)) {
    return { shows: "accuracy", values: rounds.map(({ accuracy }) => accuracy), range: [0, 1] };
  }
  return { shows: "loss", values: rounds.map(({ loss }) => loss) };
}
