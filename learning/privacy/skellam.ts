/**
 * Skellam noise: the difference of two Poisson variables of mean μ/2 each, variance μ (Agarwal, Kairouz, Liu 2021, arXiv:2110.04995). Sums
 * of Skellam variables are Skellam, so what the devices add together is exactly what was accounted for. Drawn from a table of its
 * probabilities e^(−μ) I_k(μ); `table_noise.ts` says how exact that is.
 */
import type { Random } from "../../platform/ports.ts";
import { type IntegerNoise, tableNoise } from "./table_noise.ts";

/** Variance up to which one table is made (tens of thousands of columns); larger noise is the sum of several draws. */
const TABLE_VARIANCE_MAX = 2 ** 24;
/** Largest variance: the sum of 256 draws. */
export const SKELLAM_VARIANCE_MAX = TABLE_VARIANCE_MAX * 256;

/** Skellam noise of `variance`. Making it takes up to 0.2 s for large variances. Throws a `RangeError`. */
export function skellam(variance: number, random: Random): IntegerNoise {
  if (!(variance > 0 && variance <= SKELLAM_VARIANCE_MAX)) {
    throw new RangeError(
      `Cannot draw Skellam noise: variance is ${variance}, expected a number > 0 and <= 2^32`,
    );
  }
  const draws = Math.ceil(variance / TABLE_VARIANCE_MAX);
  return tableNoise(skellamWeights(variance / draws), random, draws);
}

/**
 * Weights proportional to I_k(μ), k = 0, 1, …, by Miller's backward recurrence I_(k−1) = I_(k+1) + (2k/μ) I_k in integers: every term is
 * positive, so nothing cancels. Ends where all that is left out is less than 2^−100 of the whole.
 */
function skellamWeights(variance: number): bigint[] {
  // 15 deviations, and room for the heavier tail of small variances: beyond, the ratio to I_0 is below 2^−150.
  const start = Math.ceil(15 * Math.sqrt(variance)) + 60;
  // 2k/μ as a fraction with a denominator of a power of two: μ is a double.
  let numerator = variance;
  let denominator = 1n;
  while (!Number.isInteger(numerator)) {
    numerator *= 2;
    denominator *= 2n;
  }
  const mean = BigInt(numerator);
  const weights: bigint[] = new Array(start + 1);
  let after = 0n;
  let current = 1n << 64n;
  weights[start] = current;
  for (let k = start; k >= 1; k--) {
    const before = after + 2n * BigInt(k) * denominator * current / mean;
    weights[k - 1] = before;
    after = current;
    current = before;
  }
  const floor = weights[0]! >> 120n;
  let length = weights.length;
  while (length > 1 && weights[length - 1]! <= floor) length--;
  return weights.slice(0, length);
}
