/**
 * The privacy loss distribution accountant: composes Poisson-subsampled Gaussian rounds numerically and proves the smallest ε, tighter
 * than RDP. Losses are put on a grid by "connect the dots" (Doroshenko, Ghazi, Kamath, Kumar, Manurangsi 2022, arXiv:2207.04380), which
 * keeps the probabilities under both neighbours and so only ever overstates ε; sums of losses come from an FFT (Koskela, Jälkö, Honkela
 * 2020, arXiv:1906.03049). Before the FFT the distribution is tilted by e^(λ·loss), so that rounding errors are relative to δ and not to
 * 1: any δ of a double is as exact as 10⁻⁵.
 */
import { type Fft, fftOf } from "./fft.ts";
import { epsilonOfCurve, RDP_ORDERS, type RdpCurve, rdpSubsampledGaussian } from "./rdp.ts";
import { normalMass } from "./special.ts";

/** `steps` rounds of one Poisson-subsampled Gaussian. */
export interface GaussianSteps {
  /** Probability with which each device is drawn, from 0 to 1. */
  readonly samplingRate: number;
  /** Standard deviation of the noise ÷ sensitivity, > 0. */
  readonly noiseMultiplier: number;
  readonly steps: number;
}

/** Share of δ that may be lost beyond the grid; it is added back as if it were certain harm. */
const TAIL_SHARE = 1e-4;
const GRID_BITS_MIN = 16;
const GRID_BITS_MAX = 21;
/** Share by which splitting losses onto the grid may widen their sum's variance. */
const WIDENING_MAX = 1e-3;
/** Above this RDP tells the same story and a grid would say nothing finer. */
const EPSILON_MAX = 500;

/**
 * The smallest ε ≥ 0 for which all these rounds together are (ε, δ)-private, adding or removing one device; an upper bound. Infinity
 * when there is none. Takes about 0.1 s, up to 2 s for very many rounds.
 */
export function epsilonOfPld(parts: readonly GaussianSteps[], delta: number): number {
  const relevant = parts.filter(({ samplingRate, steps }) => samplingRate > 0 && steps > 0);
  if (relevant.length === 0) return 0;
  if (relevant.some(({ noiseMultiplier }) => noiseMultiplier === 0)) return Infinity;
  const curves = relevant.map((part) =>
    Float64Array.from(RDP_ORDERS, (order) => rdpSubsampledGaussian(part, order))
  );
  const total = Float64Array.from(
    RDP_ORDERS,
    (_, i) => curves.reduce((sum, curve, p) => sum + relevant[p]!.steps * curve[i]!, 0),
  );
  const bound = epsilonOfCurve(total, delta);
  if (bound.epsilon === 0 || bound.epsilon > EPSILON_MAX) return bound.epsilon;
  // Half of what minimises Chernoff's bound: enough for the digits, and far from where heavy tails would take over.
  const tilt = (bound.order - 1) / 2;
  const grid = gridFor(relevant, { total, delta, tilt });
  const cells = relevant.map((part) => cellsOf(part, grid, delta));
  const options = { grid, fft: fftOf(grid.length), delta, tilt };
  const remove = epsilonOfSum(relevant, cells.map((cell) => removeLosses(cell, grid)), options);
  const add = epsilonOfSum(relevant, cells.map((cell) => addLosses(cell, grid)), options);
  // Either bound is proved; the smaller counts.
  return Math.min(bound.epsilon, Math.max(remove, add));
}

/** Where losses of a sum can be: `length` multiples of `step` from `lowest` on. */
interface Grid {
  readonly step: number;
  readonly lowest: number;
  readonly length: number;
  /** The λ with which Chernoff's bound says least is beyond the upper end. */
  readonly tailTilt: number;
}

function gridFor(
  parts: readonly GaussianSteps[],
  { total, delta, tilt }: {
    readonly total: RdpCurve;
    readonly delta: number;
    readonly tilt: number;
  },
): Grid {
  const logTail = -Math.log(delta * TAIL_SHARE);
  let high = Infinity;
  let low = Infinity;
  let tailTilt = 1;
  let widest = Infinity;
  RDP_ORDERS.forEach((alpha, i) => {
    // Chernoff with E_P[e^((α−1)L)] = e^((α−1)·RDP) above, and E_P[e^(−αL)] ≤ the same below (Q against P costs no more).
    const above = total[i]! + logTail / (alpha - 1);
    if (above < high) [high, tailTilt] = [above, alpha - 1];
    low = Math.min(low, ((alpha - 1) * total[i]! + logTail) / alpha);
    // A sum beyond the upper end comes back a width lower, and untilting makes it e^(tilt·width) too large.
    if (alpha - 1 > tilt) {
      widest = Math.min(widest, ((alpha - 1) * total[i]! + logTail) / (alpha - 1 - tilt));
    }
  });
  let steps = 0;
  for (const part of parts) {
    const range = reachOf(part, delta / part.steps);
    high = Math.max(high, range.loss(range.high), -range.loss(range.low));
    low = Math.max(low, -range.loss(range.low), range.loss(range.high));
    steps += part.steps;
  }
  low = Math.max(low, widest - high);
  // About the variance of the sum, or more.
  const variance = total[RDP_ORDERS.indexOf(2)]!;
  // Splitting a loss within one cell adds at most step²/4 to its variance, step²/6 on average.
  const wanted = Math.sqrt(6 * WIDENING_MAX * variance / steps);
  const width = 1.02 * (high + low);
  const bits = Math.min(
    GRID_BITS_MAX,
    Math.max(GRID_BITS_MIN, Math.ceil(Math.log2(width / wanted))),
  );
  const length = 2 ** bits;
  const step = width / (length - 8);
  return { step, lowest: -Math.ceil(low * 1.01 / step) - 4, length, tailTilt };
}

/** The loss of removing a device at x, log P/Q, its inverse, and where x can be but for `tail`. */
function reachOf({ samplingRate: q, noiseMultiplier: sigma }: GaussianSteps, tail: number) {
  // P(|X| > z σ) ≤ 2 e^(−z²/2).
  const reach = sigma * Math.sqrt(2 * Math.log(2 / (tail * TAIL_SHARE)));
  const linear = (x: number) => (2 * x - 1) / (2 * sigma * sigma);
  return {
    low: -reach,
    high: 1 + reach,
    loss(x: number): number {
      const l = linear(x);
      if (q === 1) return l;
      return l > 30
        ? Math.log(q) + l + Math.log1p((1 - q) / q * Math.exp(-l))
        : Math.log1p(q * Math.expm1(l));
    },
    /** −∞ where no x has so small a loss. */
    inverse(loss: number): number {
      if (q === 1) return sigma * sigma * loss + 0.5;
      const ratio = Math.expm1(loss) / q;
      return ratio <= -1 ? -Infinity : sigma * sigma * Math.log1p(ratio) + 0.5;
    },
  };
}

/** How likely the loss of one round falls between multiples of the step, with the device (p) and without (q). */
interface Cells {
  /** Cell i is (first + i, first + i + 1] × step; what is below lies in `below`, what is above in `above`. */
  readonly first: number;
  readonly p: Float64Array;
  readonly q: Float64Array;
  readonly below: { readonly p: number; readonly q: number };
  readonly above: { readonly p: number; readonly q: number };
}

function cellsOf(part: GaussianSteps, grid: Grid, delta: number): Cells {
  const { samplingRate, noiseMultiplier: sigma } = part;
  const reach = reachOf(part, delta / part.steps);
  const first = Math.floor(reach.loss(reach.low) / grid.step);
  const last = Math.ceil(reach.loss(reach.high) / grid.step);
  const count = Math.max(1, last - first);
  const p = new Float64Array(count);
  const q = new Float64Array(count);
  const mass = (low: number, high: number) => {
    const without = normalMass(low, high, 0, sigma);
    const shifted = normalMass(low, high, 1, sigma);
    return { p: (1 - samplingRate) * without + samplingRate * shifted, q: without };
  };
  let left = reach.inverse(first * grid.step);
  const below = mass(-Infinity, left);
  for (let i = 0; i < count; i++) {
    const right = reach.inverse((first + i + 1) * grid.step);
    const cell = mass(left, right);
    p[i] = cell.p;
    q[i] = cell.q;
    left = right;
  }
  return { first, p, q, below, above: mass(left, Infinity) };
}

/** Probabilities of losses: `mass[i]` at (first + i) × step, and `infinite` of a loss without bound. */
interface Losses {
  readonly first: number;
  readonly mass: Float64Array;
  readonly infinite: number;
}

/** Loss log P/Q under P: every cell is split between its two ends so that its mass under P and under Q stays what it is. */
function removeLosses({ first, p, q, below, above }: Cells, grid: Grid): Losses {
  const mass = new Float64Array(p.length + 1);
  const full = -Math.expm1(-grid.step);
  mass[0] = below.p;
  for (let i = 0; i < p.length; i++) {
    // p_low e^(−a) + p_high e^(−b) = q and p_low + p_high = p, for the ends a < b.
    const low = (q[i]! * Math.exp((first + i) * grid.step) - p[i]! * Math.exp(-grid.step)) / full;
    const bounded = Math.min(p[i]!, Math.max(0, low));
    mass[i] = mass[i]! + bounded;
    mass[i + 1] = mass[i + 1]! + p[i]! - bounded;
  }
  return { first, mass, infinite: above.p };
}

/** Loss log Q/P under Q: the same cells read from the other side. */
function addLosses({ first, p, q, below, above }: Cells, grid: Grid): Losses {
  const count = p.length;
  const mass = new Float64Array(count + 1);
  const full = -Math.expm1(-grid.step);
  mass[0] = above.q;
  for (let i = 0; i < count; i++) {
    // Cell (a, b] of log P/Q is [−b, −a) of log Q/P; counted from the top its lower end is −b.
    const at = count - 1 - i;
    const lower = -(first + i + 1) * grid.step;
    const low = (p[i]! * Math.exp(lower) - q[i]! * Math.exp(-grid.step)) / full;
    const bounded = Math.min(q[i]!, Math.max(0, low));
    mass[at] = mass[at]! + bounded;
    mass[at + 1] = mass[at + 1]! + q[i]! - bounded;
  }
  return { first: -(first + count), mass, infinite: below.q };
}

/** log E[e^(tilt·loss)] over the finite losses. */
function logMoment({ first, mass }: Losses, step: number, tilt: number): number {
  let largest = -Infinity;
  for (let i = 0; i < mass.length; i++) {
    if (mass[i]! > 0) largest = Math.max(largest, Math.log(mass[i]!) + tilt * (first + i) * step);
  }
  let sum = 0;
  for (let i = 0; i < mass.length; i++) {
    if (mass[i]! > 0) sum += Math.exp(Math.log(mass[i]!) + tilt * (first + i) * step - largest);
  }
  return largest + Math.log(sum);
}

function epsilonOfSum(
  parts: readonly GaussianSteps[],
  losses: readonly Losses[],
  { grid, fft, delta, tilt }: {
    readonly grid: Grid;
    readonly fft: Fft;
    readonly delta: number;
    readonly tilt: number;
  },
): number {
  const { step, lowest, length, tailTilt } = grid;
  const highest = (lowest + length - 1) * step;
  const moments = losses.map((loss) => logMoment(loss, step, tilt));
  const logTotal = moments.reduce((sum, moment, i) => sum + moment * parts[i]!.steps, 0);
  // What wraps around the end of the grid would be missed: it counts as certain harm, by Chernoff's bound on this very distribution.
  let wrapped = Infinity;
  for (const lambda of [tailTilt, tilt, (tailTilt + tilt) / 2]) {
    const log = losses.reduce(
      (sum, loss, i) => sum + parts[i]!.steps * logMoment(loss, step, lambda),
      -lambda * highest,
    );
    wrapped = Math.min(wrapped, Math.exp(log));
  }
  const infinite = losses.reduce((sum, loss, i) => sum + parts[i]!.steps * loss.infinite, 0);
  const certain = Math.min(1, infinite + wrapped);
  if (certain >= delta) return Infinity;
  const sums = tiltedSum(parts, losses, { grid, fft, tilt, moments });
  return epsilonFrom(sums, { grid, delta: delta - certain, tilt, logTotal });
}

/** The distribution of the sum of all rounds' losses, tilted and normalised, at index (loss/step mod length). */
function tiltedSum(
  parts: readonly GaussianSteps[],
  losses: readonly Losses[],
  { grid: { step, length }, fft, tilt, moments }: {
    readonly grid: Grid;
    readonly fft: Fft;
    readonly tilt: number;
    readonly moments: readonly number[];
  },
): Float64Array {
  // The product of all transforms, as logarithm of the size and angle. Of real numbers: the upper half mirrors the lower.
  const half = length / 2;
  const logSize = new Float64Array(half + 1);
  const angle = new Float64Array(half + 1);
  const re = new Float64Array(length);
  const im = new Float64Array(length);
  losses.forEach(({ first, mass }, part) => {
    re.fill(0);
    im.fill(0);
    for (let i = 0; i < mass.length; i++) {
      if (mass[i]! <= 0) continue;
      const at = (((first + i) % length) + length) % length;
      re[at] = re[at]! +
        Math.exp(Math.log(mass[i]!) + tilt * (first + i) * step - moments[part]!);
    }
    fft.forward(re, im);
    const { steps } = parts[part]!;
    for (let k = 0; k <= half; k++) {
      logSize[k] = logSize[k]! + steps * 0.5 * Math.log(re[k]! * re[k]! + im[k]! * im[k]!);
      angle[k] = angle[k]! + steps * Math.atan2(im[k]!, re[k]!);
    }
  });
  for (let k = 0; k <= half; k++) {
    const size = Math.exp(logSize[k]!);
    const [x, y] = [size * Math.cos(angle[k]!), size * Math.sin(angle[k]!)];
    re[k] = x;
    im[k] = y;
    if (k === 0 || k === half) continue;
    re[length - k] = x;
    im[length - k] = -y;
  }
  fft.inverse(re, im);
  return re;
}

/** Walks from the largest loss down until δ(ε) = Σ_{s>ε} P(s)(1 − e^(ε−s)) reaches δ, and solves for ε within the last step. */
function epsilonFrom(
  sums: Float64Array,
  { grid: { step, lowest, length }, delta, tilt, logTotal }: {
    readonly grid: Grid;
    readonly delta: number;
    readonly tilt: number;
    readonly logTotal: number;
  },
): number {
  const decay = Math.exp(-step);
  // Mass above the present loss, and the same weighted with e^(present loss − loss).
  let above = 0;
  let weighted = 0;
  for (let k = lowest + length - 1; k >= 0; k--) {
    const loss = k * step;
    if (above - weighted > delta) {
      // Between this loss and the next one up δ(ε) = above − e^(ε−loss) · weighted.
      return loss + Math.log((above - delta) / weighted);
    }
    const tilted = sums[((k % length) + length) % length]!;
    if (tilted > 0) {
      const mass = Math.exp(Math.log(tilted) + logTotal - tilt * loss);
      above += mass;
      weighted += mass;
    }
    weighted *= decay;
  }
  return 0;
}
