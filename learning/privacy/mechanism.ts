/**
 * What a round releases, as data: which noise, how much of it, and who is drawn. From this the accountants compute what it costs. All
 * amounts are for *adding or removing one device* (device-level privacy), whose update was clipped to a known length.
 */
import { invariant } from "../../platform/invariant.ts";
import { curveOf, type RdpCurve, rdpSubsampledGaussian } from "./rdp.ts";
import { logAdd } from "./special.ts";

/** One released sum. */
export type Mechanism =
  /** Continuous Gaussian noise, standard deviation `noiseMultiplier` × the clipping length. */
  | { readonly kind: "gaussian"; readonly noiseMultiplier: number }
  /**
   * Integers; each of at least `contributions` honest devices added discrete Gaussian noise of `variance` to every one of `dimension`
   * coordinates. `sensitivity` is the L2 length in integers of what one device may add.
   */
  | {
    readonly kind: "discreteGaussian";
    readonly variance: number;
    readonly contributions: number;
    readonly dimension: number;
    readonly sensitivity: number;
  }
  /** Integers; the sum carries Skellam noise of `variance` on every coordinate, however many devices added it. */
  | {
    readonly kind: "skellam";
    readonly variance: number;
    readonly dimension: number;
    readonly sensitivity: number;
  };

/** Whether the draw of devices hides who took part. */
export interface Sampling {
  /**
   * Probability with which each device is drawn, independently and *secretly*; 1 when everyone takes part or when those who must not
   * learn anything see who was drawn (the coordinator always does, unless the devices draw themselves).
   */
  readonly rate: number;
}

/** Cost of one round at `RDP_ORDERS`. Throws a `RangeError` that names a number which makes no sense. */
export function rdpOfMechanism(mechanism: Mechanism, sampling: Sampling): RdpCurve {
  const { rate } = sampling;
  if (!(rate >= 0 && rate <= 1)) {
    throw new RangeError(`Cannot account: sampling rate is ${rate}, expected a number from 0 to 1`);
  }
  checkMechanism(mechanism);
  if (mechanism.kind === "gaussian") {
    const { noiseMultiplier } = mechanism;
    return curveOf((order) =>
      rdpSubsampledGaussian({ samplingRate: rate, noiseMultiplier }, order)
    );
  }
  const unsampled = mechanism.kind === "skellam"
    ? (order: number) => rdpSkellam(mechanism, order)
    : rdpDistributedDiscreteGaussian(mechanism);
  if (rate === 0) return curveOf(() => 0);
  const atIntegers = rate === 1 ? unsampled : subsampled(unsampled, rate);
  return curveOf((order) => betweenIntegers(atIntegers, order));
}

/**
 * RDP of a sum of `contributions` discrete Gaussians, which is close to a discrete Gaussian but is none:
 * min(α s²/2 + τd, α (s + √d τ)²/2) with s = Δ/(√n σ) and τ = 10 Σ_{k=1}^{n−1} e^(−2π²σ²k/(k+1)) (Kairouz, Liu, Steinke 2021,
 * arXiv:2102.06387, theorem 1 and proposition 14). With σ ≥ 3 per device τ is below rounding. Of
 * one alone it is α Δ²/(2σ²), as for the continuous one (Canonne, Kamath, Steinke 2020, theorem 4).
 */
export function rdpDistributedDiscreteGaussian(
  { variance, contributions, dimension, sensitivity }: {
    readonly variance: number;
    readonly contributions: number;
    readonly dimension: number;
    readonly sensitivity: number;
  },
): (order: number) => number {
  const tau = distanceToDiscreteGaussian(variance, contributions);
  const single = sensitivity / Math.sqrt(contributions * variance);
  const together = single + tau * Math.sqrt(dimension);
  return (order) =>
    Math.min(order * single * single / 2 + tau * dimension, order * together * together / 2);
}

/**
 * RDP of Skellam noise of `variance` μ on integer vectors: α Δ2²/(2μ) + min(((2α−1) Δ2² + 6 Δ1)/(4μ²), 3 Δ1/(2μ)) (Agarwal, Kairouz,
 * Liu 2021, arXiv:2110.04995, theorem 3.5), proved for integer α; between them the caller interpolates. For integers
 * Δ1 ≤ min(√d Δ2, Δ2²).
 */
export function rdpSkellam(
  { variance, dimension, sensitivity }: {
    readonly variance: number;
    readonly dimension: number;
    readonly sensitivity: number;
  },
  order: number,
): number {
  const l2 = sensitivity;
  const l1 = Math.min(Math.sqrt(dimension) * l2, l2 * l2);
  const extra = Math.min(
    ((2 * order - 1) * l2 * l2 + 6 * l1) / (4 * variance * variance),
    3 * l1 / (2 * variance),
  );
  return order * l2 * l2 / (2 * variance) + extra;
}

/** Terms of τ beyond this many are all alike to within rounding. */
const TAU_TERMS = 4_096;

function distanceToDiscreteGaussian(variance: number, contributions: number): number {
  const term = (k: number) => Math.exp(-2 * Math.PI ** 2 * variance * k / (k + 1));
  const terms = Math.min(contributions - 1, TAU_TERMS);
  let sum = 0;
  for (let k = 1; k <= terms; k++) sum += term(k);
  // They fall with k, so the last one bounds those left out.
  return 10 * (sum + Math.max(0, contributions - 1 - terms) * term(terms));
}

/**
 * (α−1) × RDP is convex in α and 0 at 1, so a straight line between neighbouring integers bounds it from above (van Erven and Harremoës
 * 2014, corollary 2).
 */
function betweenIntegers(cost: (order: number) => number, order: number): number {
  if (Number.isInteger(order)) return cost(order);
  const low = Math.floor(order);
  const share = order - low;
  const below = low === 1 ? 0 : (low - 1) * cost(low);
  return ((1 - share) * below + share * low * cost(low + 1)) / (order - 1);
}

/**
 * Poisson sampling of any mechanism with RDP `cost`, integer orders: Zhu and Wang 2019, arXiv:1810.06208, theorem 5 (with the factor 3,
 * which holds for every mechanism). Never worse than no sampling.
 */
function subsampled(cost: (order: number) => number, rate: number): (order: number) => number {
  const [logRate, logRest] = [Math.log(rate), Math.log1p(-rate)];
  // (l−1) × cost(l), shared by all orders.
  const known = new Map<number, number>();
  const moment = (l: number) => {
    let value = known.get(l);
    if (value === undefined) known.set(l, value = (l - 1) * cost(l));
    return value;
  };
  return (order) => {
    invariant(Number.isInteger(order) && order > 1, () => `Order ${order} is no integer above 1`);
    // The first terms together are 1 + excess: (1−γ)^(α−1)(αγ−γ+1) is what is left of the binomial sum without l ≥ 2.
    let sum = (order - 1) * logRest + Math.log1p((order - 1) * rate);
    let logBinomial = Math.log(order);
    for (let l = 2; l <= order; l++) {
      logBinomial += Math.log((order - l + 1) / l);
      const weight = logBinomial + (order - l) * logRest + l * logRate + moment(l);
      sum = logAdd(sum, l === 2 ? weight : weight + Math.log(3));
    }
    return Math.min(cost(order), Math.max(0, sum / (order - 1)));
  };
}

function checkMechanism(mechanism: Mechanism): void {
  const wrong = (name: string, value: number, expected: string): never => {
    throw new RangeError(`Cannot account: ${name} is ${value}, expected ${expected}`);
  };
  if (mechanism.kind === "gaussian") {
    const { noiseMultiplier } = mechanism;
    if (!(noiseMultiplier >= 0 && noiseMultiplier < Infinity)) {
      wrong("noise multiplier", noiseMultiplier, "a finite number >= 0");
    }
    return;
  }
  const { variance, dimension, sensitivity } = mechanism;
  if (!(variance > 0 && variance < Infinity)) wrong("variance", variance, "a finite number > 0");
  if (!(Number.isInteger(dimension) && dimension >= 1)) {
    wrong("dimension", dimension, "an integer >= 1");
  }
  if (!(sensitivity > 0 && sensitivity < Infinity)) {
    wrong("sensitivity", sensitivity, "a finite number > 0");
  }
  if (mechanism.kind === "discreteGaussian") {
    const { contributions } = mechanism;
    if (!(Number.isInteger(contributions) && contributions >= 1)) {
      wrong("contributions", contributions, "an integer >= 1");
    }
    // Theorem 1 asks for it, and below a half the noise is hardly noise.
    if (variance < 0.25) wrong("variance per device", variance, "at least 0.25");
  }
}
