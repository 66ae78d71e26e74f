/**
 * How far a number is from most others, measured so that those others may contain liars: distance from the median in units of the median
 * absolute deviation. Iglewicz, Hoaglin: "How to Detect and Handle Outliers", 1993, which calls 3.5 an outlier.
 */

/** A normal number is this far from the mean half of the time, in deviations: makes scores comparable with ordinary z-scores. */
const QUARTILE = 0.6745;
/** Deviations are taken to be at least this share of the median: equal clients would make any difference infinite. */
const SPREAD_MIN_SHARE = 0.01;

/** The middle value, of two their mean; NaN of nothing. */
export function medianOf(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const last = sorted.length - 1;
  return last < 0 ? NaN : (sorted[last >> 1]! + sorted[(last + 1) >> 1]!) / 2;
}

/** Score of each value: positive above the median. `scale` is what a small spread is measured against, the median's size by default. */
export function robustScores(values: readonly number[], scale?: number): readonly number[] {
  const median = medianOf(values);
  const deviation = medianOf(values.map((value) => Math.abs(value - median)));
  const least = SPREAD_MIN_SHARE * (scale ?? Math.abs(median));
  const spread = Math.max(deviation, least, Number.MIN_VALUE) / QUARTILE;
  return values.map((value) => (value - median) / spread);
}
