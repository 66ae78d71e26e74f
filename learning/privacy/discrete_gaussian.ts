/**
 * The discrete Gaussian: integers k with probability proportional to e^(−k²/2σ²), drawn exactly (Canonne, Kamath, Steinke 2020,
 * arXiv:2004.00010, algorithms 2 and 3) by rejection from the discrete Laplace distribution, with coins that know no rounding error.
 */
import type { Random } from "../../platform/ports.ts";
import { decideByWord, decideExactly, exponentialBounds } from "./exponential_coin.ts";
import { type IntegerNoise, tableNoise } from "./table_noise.ts";
import { Words } from "./words.ts";

/** Largest variance: up to here every product of integers in the sampler is exact in a double. */
export const DISCRETE_GAUSSIAN_VARIANCE_MAX = 2 ** 40;

/** Up to this variance a table of probabilities is small; above, drawing from it would save little. */
const TABLE_VARIANCE_MAX = 2 ** 24;

/**
 * Discrete Gaussian noise of `variance`, which is σ² in e^(−k²/2σ²); the variance of the draws is never larger. Small variances come from
 * a table (`table_noise.ts` says how exact), large ones from the exact sampler. Throws a `RangeError`.
 */
export function discreteGaussian(variance: number, random: Random): IntegerNoise {
  checkVariance(variance);
  return variance <= TABLE_VARIANCE_MAX
    ? tableNoise(gaussianWeights(variance), random)
    : exactDiscreteGaussian(variance, random);
}

/** The same without any error, whatever the variance; about ten times slower. Throws a `RangeError`. */
export function exactDiscreteGaussian(variance: number, random: Random): IntegerNoise {
  checkVariance(variance);
  const words = new Words(random);
  const scale = Math.floor(Math.sqrt(variance)) + 1;
  const divisor = 2 * variance * scale * scale;
  const exact = exactVariance(variance);

  /** A coin of e^(−numerator/denominator) for small integers. */
  const coin = (numerator: number, denominator: number): boolean => {
    const word = words.next();
    const decided = decideByWord(word, numerator / denominator);
    if (decided >= 0) return decided === 1;
    const fraction = { numerator: BigInt(numerator), denominator: BigInt(denominator) };
    return decideExactly(word, fraction, words);
  };

  const accepts = (magnitude: number): boolean => {
    const distance = magnitude * scale - variance;
    const word = words.next();
    const decided = decideByWord(word, distance * distance / divisor);
    if (decided >= 0) return decided === 1;
    // (|Y|t − p/q)²/(2(p/q)t²) in integers.
    const { p, q } = exact;
    const t = BigInt(scale);
    const root = BigInt(magnitude) * t * q - p;
    const fraction = { numerator: root * root, denominator: 2n * p * q * t * t };
    return decideExactly(word, fraction, words);
  };

  const draw = (): number => {
    for (;;) {
      // |Y| = U + tV: U < t kept with e^(−U/t), V geometric with e^(−1).
      const rest = words.below(scale);
      if (!coin(rest, scale)) continue;
      let magnitude = rest;
      while (coin(1, 1)) magnitude += scale;
      const negative = (words.next() & 1) === 1;
      // Zero has one sign only.
      if (negative && magnitude === 0) continue;
      if (accepts(magnitude)) return negative ? -magnitude : magnitude;
    }
  };
  return {
    draw,
    addTo(target) {
      for (let i = 0; i < target.length; i++) target[i] = target[i]! + draw();
    },
  };
}

/** A double is a fraction whose denominator is a power of two: this one. */
function exactVariance(variance: number): { readonly p: bigint; readonly q: bigint } {
  let p = variance;
  let q = 1n;
  while (!Number.isInteger(p)) {
    p *= 2;
    q *= 2n;
  }
  return { p: BigInt(p), q };
}

function checkVariance(variance: number): void {
  if (variance > 0 && variance <= DISCRETE_GAUSSIAN_VARIANCE_MAX) return;
  throw new RangeError(
    `Cannot draw discrete Gaussian noise: variance is ${variance}, expected a number > 0 and <= 2^40`,
  );
}

/** Bits behind the point of the weights; what is rounded in 60,000 products stays below 2^−200. */
const WEIGHT_BITS = 256n;

/** e^(−k²/2σ²) in units of 2^−256, k = 0, 1, …, until it is below 2^−130: each is the last one times a ratio that shrinks by e^(−1/σ²). */
function gaussianWeights(variance: number): bigint[] {
  const { p, q } = exactVariance(variance);
  const one = 1n << WEIGHT_BITS;
  let ratio = exponential(q, 2n * p);
  const shrink = exponential(q, p);
  const weights: bigint[] = [];
  for (let weight = one; weight > one >> 130n;) {
    weights.push(weight);
    weight = (weight * ratio) >> WEIGHT_BITS;
    ratio = (ratio * shrink) >> WEIGHT_BITS;
  }
  return weights;
}

/** e^(−numerator/denominator) in units of 2^−256. */
function exponential(numerator: bigint, denominator: bigint): bigint {
  return exponentialBounds({ numerator, denominator }, WEIGHT_BITS).low;
}
