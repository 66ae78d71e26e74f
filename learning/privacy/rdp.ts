/**
 * Rényi differential privacy: what one step of a mechanism costs at each order, and what a sum of costs means as (ε, δ). A curve is a
 * Float64Array beside `RDP_ORDERS`; curves of steps that follow each other add up (Mironov 2017, arXiv:1702.07476, proposition 1).
 */
import { invariant } from "../../platform/invariant.ts";
import { logAdd } from "./special.ts";

/**
 * The orders at which costs are kept: those of Opacus, some close to 1 for large ε and some large ones for small ε. The ledger stores
 * curves beside them, so that changing this list is a new version of the ledger.
 */
export const RDP_ORDERS: readonly number[] = [
  1.01,
  1.05,
  ...Array.from({ length: 99 }, (_, i) => 1 + (i + 1) / 10),
  ...Array.from({ length: 52 }, (_, i) => 12 + i),
  ...[64, 72, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 448, 512, 640, 768, 896, 1024],
];

/** Cost at each of `RDP_ORDERS`, in nats; Infinity where an order says nothing. */
export type RdpCurve = Float64Array<ArrayBuffer>;

/** A curve from a formula, order by order. */
export function curveOf(cost: (order: number) => number): RdpCurve {
  return Float64Array.from(RDP_ORDERS, cost);
}

/**
 * RDP of one step of the Poisson-subsampled Gaussian mechanism at `order` > 1: every device takes part with probability
 * `samplingRate`, the sum is clipped to sensitivity 1 and gets noise of standard deviation `noiseMultiplier`. Exact up to rounding
 * (Mironov, Talwar, Zhang 2019, arXiv:1908.10530, section 3.3: a finite sum for integer orders, an integral for the others).
 */
export function rdpSubsampledGaussian(
  { samplingRate: q, noiseMultiplier: sigma }: {
    readonly samplingRate: number;
    readonly noiseMultiplier: number;
  },
  order: number,
): number {
  invariant(order > 1, () => `Cannot take RDP at order ${order}, expected more than 1`);
  if (q === 0) return 0;
  if (sigma < SIGMA_MIN) return Infinity;
  if (q === 1) return order / (2 * sigma * sigma);
  const logMoment = Number.isInteger(order)
    ? logMomentInteger(q, sigma, order)
    : logMomentFraction(q, sigma, order);
  return Math.max(0, logMoment / (order - 1));
}

/**
 * The smallest ε that a curve proves for `delta`: min over orders of cost + log((α−1)/α) − log(δα)/(α−1) (Canonne, Kamath, Steinke
 * 2020, arXiv:2004.00010, proposition 12; Balle et al. 2020, arXiv:1905.09982, theorem 21), which is never worse than Mironov's
 * cost + log(1/δ)/(α−1).
 */
export function epsilonOfCurve(
  curve: RdpCurve,
  delta: number,
): { readonly epsilon: number; readonly order: number } {
  let epsilon = Infinity;
  let order = RDP_ORDERS[0]!;
  for (let i = 0; i < RDP_ORDERS.length; i++) {
    const alpha = RDP_ORDERS[i]!;
    const bound = curve[i]! + Math.log1p(-1 / alpha) - Math.log(delta * alpha) / (alpha - 1);
    if (!(bound < epsilon)) continue;
    epsilon = bound;
    order = alpha;
  }
  // Nothing that was released is below zero.
  return { epsilon: curve.every((cost) => cost === 0) ? 0 : Math.max(0, epsilon), order };
}

/**
 * log E_Q[(P/Q)^α] for integer α: log(1 + Σ_{k≥2} C(α,k) (1−q)^(α−k) q^k (e^((k²−k)/2σ²) − 1)). The binomial weights add up to 1, and
 * without the ones the sum keeps its digits when q is small.
 */
function logMomentInteger(q: number, sigma: number, alpha: number): number {
  let logBinomial = Math.log(alpha);
  let sum = -Infinity;
  for (let k = 2; k <= alpha; k++) {
    logBinomial += Math.log((alpha - k + 1) / k);
    const exponent = (k * k - k) / (2 * sigma * sigma);
    const excess = exponent > 1 ? exponent + Math.log1p(-Math.exp(-exponent)) : Math.log(
      Math.expm1(exponent),
    );
    sum = logAdd(sum, logBinomial + (alpha - k) * Math.log1p(-q) + k * Math.log(q) + excess);
  }
  return logAdd(0, sum);
}

/** How far, in standard deviations, from the points where anything happens a normal density is below e^(−700). */
const REACH = 38;
/** With a reach below this, what counts around 0 and around any order above 1 are stretches that do not touch. */
const SEPARATE = 0.4;
/** Noise whose square is no number to divide by hides nothing. */
const SIGMA_MIN = 1e-100;

/**
 * log E_Q[(P/Q)^α] for any α > 1 as an integral: 1 + ∫ φ(x) ((1+u)^α − 1 − αu) dx with u = q (e^((2x−1)/2σ²) − 1), whose mean under Q is
 * 0. The integrand is positive, so small moments keep their digits, and smooth, so the trapezoidal rule converges exponentially; the
 * series of the paper converges slowly where q is not small.
 */
function logMomentFraction(q: number, sigma: number, alpha: number): number {
  const reach = REACH * sigma;
  let sum = -Infinity;
  if (reach > SEPARATE) {
    // The normal density asks for steps below 0.7 σ, the zeros of 1+u at imaginary part πσ² for steps below 0.49 σ², each for e^(−40).
    sum = logIntegral(
      { q, sigma, alpha },
      -reach,
      alpha + reach,
      Math.min(sigma, sigma * sigma) / 4,
    );
  } else {
    // Where noise is that small, what counts lies at 0 and at α, and the zeros of 1+u, near 1/2, are out of reach of both.
    for (const centre of [0, alpha]) {
      const part = logIntegral({ q, sigma, alpha }, centre - reach, centre + reach, sigma / 4);
      sum = logAdd(sum, part);
    }
  }
  return logAdd(0, sum);
}

interface Moment {
  readonly q: number;
  readonly sigma: number;
  readonly alpha: number;
}

/** Logarithm of the integral of φ(x) ((1+u)^α − 1 − αu) over a stretch, by the trapezoidal rule. */
function logIntegral(
  { q, sigma, alpha }: Moment,
  from: number,
  to: number,
  step: number,
): number {
  const logDensity = Math.log(step / (sigma * Math.sqrt(2 * Math.PI)));
  let sum = -Infinity;
  const steps = Math.ceil((to - from) / step);
  // Counted, because a small step added to a large number is lost.
  for (let i = 0; i <= steps; i++) {
    const x = from + i * step;
    const linear = (2 * x - 1) / (2 * sigma * sigma);
    const logRatio = linear > 30
      ? Math.log(q) + linear + Math.log1p((1 - q) / q * Math.exp(-linear))
      : Math.log1p(q * Math.expm1(linear));
    const excess = logExcess(alpha, logRatio);
    sum = logAdd(sum, logDensity - x * x / (2 * sigma * sigma) + excess);
  }
  return sum;
}

/** log((1+u)^α − 1 − αu) for log(1+u) = `logRatio`; −∞ at u = 0. */
function logExcess(alpha: number, logRatio: number): number {
  const power = alpha * logRatio;
  if (power > 40) return power;
  const u = Math.expm1(logRatio);
  if (Math.abs(u) > 0.01) return Math.log(Math.expm1(power) - alpha * u);
  // The binomial series from its third term on: (α over k) u^k, k ≥ 2.
  let term = alpha * (alpha - 1) / 2 * u * u;
  let sum = 0;
  for (let k = 2; k < 14; k++) {
    sum += term;
    term *= (alpha - k) / (k + 1) * u;
  }
  return Math.log(sum);
}
