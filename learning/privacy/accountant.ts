/** Questions people and plans ask of the accountants: what ε does this cost, and how much noise does that ε take? */
import { invariant } from "../../platform/invariant.ts";
import { epsilonOfPld } from "./pld.ts";
import { curveOf, epsilonOfCurve, rdpSubsampledGaussian } from "./rdp.ts";

/** `rdp` is what the ledger adds up; `pld` is tighter and slower. Both are upper bounds. */
export type Accountant = "pld" | "rdp";
export const ACCOUNTANTS: readonly Accountant[] = ["pld", "rdp"];

/** Gaussian noise on sums of Poisson-sampled devices. */
export interface GaussianPlan {
  /** Probability with which each device is drawn, secretly and independently; 1 for all devices, or when the draw is known. */
  readonly samplingRate: number;
  /** σ: standard deviation of the noise on the sum ÷ clipping length. */
  readonly noiseMultiplier: number;
  /** Rounds. */
  readonly steps: number;
  /** δ: the probability that the promise does not hold; well below 1 ÷ devices. */
  readonly delta: number;
}

/** Most rounds that are accounted for; more would take the FFT's rounding errors where δ is. */
export const STEPS_MAX = 10_000_000;
/** Most noise that is searched for. */
export const NOISE_MULTIPLIER_MAX = 1e6;
/** δ below this is nothing that hardware keeps. */
export const DELTA_MIN = 1e-100;

/** One value of a plan that makes no sense. Caught by what shows it to people. */
export class PrivacyValueError extends RangeError {
  override readonly name = "PrivacyValueError";
  constructor(
    readonly value: "delta" | "epsilon" | "noiseMultiplier" | "samplingRate" | "steps",
    readonly given: number,
    expected: string,
  ) {
    super(`Cannot account for privacy: ${value} is ${given}, expected ${expected}`);
  }
}

/** The ε this plan costs; 0 when nothing is released, Infinity when nothing is promised. Throws a `PrivacyValueError`. */
export function epsilonOf(plan: GaussianPlan, accountant: Accountant): number {
  checkPlan(plan);
  const { samplingRate, noiseMultiplier, steps, delta } = plan;
  if (accountant === "pld") return epsilonOfPld([{ samplingRate, noiseMultiplier, steps }], delta);
  const curve = curveOf((order) =>
    steps === 0 ? 0 : steps * rdpSubsampledGaussian({ samplingRate, noiseMultiplier }, order)
  );
  return epsilonOfCurve(curve, delta).epsilon;
}

/** How close the noise that is found lies above the smallest there is. */
const NOISE_PRECISION = 1e-6;

/**
 * The smallest σ (to six digits, rounded up) with which the plan costs no more than `epsilon`; undefined when
 * even 10⁶ is not enough, as RDP proves nothing below ε ≈ log(1/δ)/1000. Throws a `PrivacyValueError`.
 */
export function noiseMultiplierFor(
  plan: Omit<GaussianPlan, "noiseMultiplier">,
  epsilon: number,
  accountant: Accountant,
): number | undefined {
  if (!(epsilon > 0 && epsilon < Infinity)) {
    throw new PrivacyValueError("epsilon", epsilon, "a finite number > 0");
  }
  const costBy = (by: Accountant) => (noiseMultiplier: number) =>
    epsilonOf({ ...plan, noiseMultiplier }, by);
  const byRdp = smallest(costBy("rdp"), epsilon, undefined);
  return accountant === "rdp" ? byRdp : smallest(costBy("pld"), epsilon, byRdp);
}

/**
 * The smallest σ with cost(σ) ≤ epsilon, for a cost that falls with σ. Regula falsi on logarithms (in which cost is nearly straight),
 * with a bisection in between so that it never crawls. `enough` is a σ that is known to do, and seldom twice too large.
 */
function smallest(
  cost: (sigma: number) => number,
  epsilon: number,
  enough: number | undefined,
): number | undefined {
  if (cost(0) <= epsilon) return 0;
  const excess = (sigma: number) => Math.log(cost(sigma) / epsilon);
  let high = enough ?? 1;
  let atHigh = excess(high);
  while (atHigh > 0) {
    high *= 2;
    if (high > NOISE_MULTIPLIER_MAX) return undefined;
    atHigh = excess(high);
  }
  let low = enough === undefined ? high / 2 : high / 1.2;
  let atLow = excess(low);
  while (atLow <= 0) {
    [high, atHigh] = [low, atLow];
    low /= 2;
    // Noise that small promises nothing: the ε asked for is enormous.
    if (low < 1e-3) return high;
    atLow = excess(low);
  }
  for (let i = 0; i < 200 && high / low > 1 + NOISE_PRECISION; i++) {
    const straight = atLow / (atLow - atHigh);
    // Infinite ends, and every third try, are halved: then no shape of the curve takes long.
    const share = Number.isFinite(straight) && i % 3 !== 2
      ? Math.min(0.999, Math.max(0.001, straight + 1e-3))
      : 0.5;
    const middle = low * (high / low) ** share;
    const at = excess(middle);
    if (at <= 0) {
      [high, atHigh] = [middle, at];
      if (at > -1e-7) break;
    } else {
      [low, atLow] = [middle, at];
    }
  }
  invariant(cost(high) <= epsilon, () => `Noise ${high} is not enough after all`);
  return high;
}

function checkPlan({ samplingRate, noiseMultiplier, steps, delta }: GaussianPlan): void {
  if (!(samplingRate >= 0 && samplingRate <= 1)) {
    throw new PrivacyValueError("samplingRate", samplingRate, "a number from 0 to 1");
  }
  if (!(noiseMultiplier >= 0 && noiseMultiplier <= 2 * NOISE_MULTIPLIER_MAX)) {
    throw new PrivacyValueError(
      "noiseMultiplier",
      noiseMultiplier,
      `a number from 0 to ${NOISE_MULTIPLIER_MAX}`,
    );
  }
  if (!(Number.isInteger(steps) && steps >= 0 && steps <= STEPS_MAX)) {
    throw new PrivacyValueError("steps", steps, `an integer from 0 to ${STEPS_MAX}`);
  }
  if (!(delta >= DELTA_MIN && delta < 1)) {
    throw new PrivacyValueError("delta", delta, `a number from ${DELTA_MIN} to less than 1`);
  }
}
