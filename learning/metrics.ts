/**
 * What a task may have measured besides loss and accuracy. A closed set: the engine computes each on held-out examples, rounds carry the
 * values by name and know none of them.
 */
import type { Network } from "./network.ts";

export type Metric =
  /**
   * Share of examples whose label is among the k largest outputs, k from 1 to the number of classes; of equal outputs those of lower classes
   * come first, so that k = 1 is the accuracy. With cross-entropy only.
   */
  | { readonly type: "topAccuracy"; readonly k: number }
  /** Mean of |output − label| over outputs and examples, in the unit of the labels. With squared error only. */
  | { readonly type: "meanAbsoluteError" };

/** Values by the names of their metrics: `{ top3Accuracy: 0.61 }`. */
export type Measured = Readonly<Record<string, number>>;

/** Most metrics of a task. */
export const METRICS_MAX = 8;

/** The field a metric's value stands in: "top3Accuracy" for the three largest, else its type. */
export function metricName(metric: Metric): string {
  return metric.type === "topAccuracy" ? `top${metric.k}Accuracy` : metric.type;
}

/** Why metrics cannot be measured with a network, to follow "Cannot …: "; undefined when they can. */
export function problemOfMetrics(
  { loss }: Pick<Network, "loss">,
  metrics: readonly Metric[],
): string | undefined {
  if (metrics.length > METRICS_MAX) {
    return `there are ${metrics.length} metrics, expected at most ${METRICS_MAX}`;
  }
  const names = metrics.map(metricName);
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (twice !== undefined) return `metric ${twice} is there twice, expected once`;
  for (const metric of metrics) {
    const wanted = metric.type === "topAccuracy" ? "crossEntropy" : "squaredError";
    if (loss.type !== wanted) {
      return `metric ${metricName(metric)} goes with ${wanted}, the network's loss is ${loss.type}`;
    }
    if (metric.type !== "topAccuracy" || loss.type !== "crossEntropy") continue;
    const { k } = metric;
    if (!Number.isInteger(k) || k < 1 || k > loss.classes) {
      return `k of topAccuracy is ${k}, expected an integer from 1 to ${loss.classes}, the classes`;
    }
  }
  return undefined;
}

/** The values, from their sums over `examples` in the order of the metrics, as a part of an `Evaluation`: nothing without metrics. */
export function measuredOf(
  metrics: readonly Metric[],
  sums: readonly number[],
  examples: number,
): { readonly measured?: Measured } {
  if (metrics.length === 0) return {};
  const values = metrics.map((metric, i) => [metricName(metric), sums[i]! / examples] as const);
  return { measured: Object.fromEntries(values) };
}

/** The sum over `examples` that a value was made of: of a share, the whole number that it counts. */
export function sumOf(metric: Metric, measured: Measured | undefined, examples: number): number {
  const sum = (measured?.[metricName(metric)] ?? NaN) * examples;
  return metric.type === "topAccuracy" ? Math.round(sum) : sum;
}
