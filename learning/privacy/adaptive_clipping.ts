/**
 * Adaptive clipping (Andrew, Thakkar, McMahan, Ramaswamy 2021, arXiv:1905.03871): the clipping length follows a quantile of the devices'
 * update lengths, learned from a noisy count of how many were clipped. The count costs privacy too: it rides in the same sum as one
 * more coordinate (`ReleasePlan.countDeviation`, `addAdaptiveNoise`), and `splitNoise` says how much noise is left for the update.
 */

export interface AdaptiveClipping {
  /** γ: share of devices whose updates shall be shorter than the clipping length, in (0, 1); 0.5 in the paper. */
  readonly quantile: number;
  /** η: how fast the logarithm of the length moves, > 0; 0.2 in the paper. */
  readonly rate: number;
  /** σ_b: standard deviation of the noise on the count of devices below; a twentieth of the participants in the paper. */
  readonly countDeviation: number;
  /** The length never leaves these bounds, both > 0. */
  readonly least: number;
  readonly most: number;
}

/** What a device adds to the count: +½ when its update is no longer than the clipping length, else −½. Centred, so that it weighs half. */
export function belowBit(norm: number, clip: number): number {
  return norm <= clip ? 0.5 : -0.5;
}

/**
 * The next clipping length: C · e^(−η (b − γ)) with b the noisy share of devices below. `bits` is the noisy sum of `belowBit`. Everybody
 * computes it from what was released, so it costs nothing more. A count beyond what is possible (noise) is taken as it is: that keeps
 * the estimate unbiased.
 */
export function nextClip(
  clip: number,
  { bits, participants }: { readonly bits: number; readonly participants: number },
  options: AdaptiveClipping,
): number {
  const below = bits / participants + 0.5;
  // One bad count must not throw the length across all its range.
  const moved = exponential(-options.rate * Math.max(-2, Math.min(2, below - options.quantile)));
  return Math.min(options.most, Math.max(options.least, clip * moved));
}

/** Terms of the series: with |x| ≤ 1/8 the last one is below the last digit. */
const TERMS = 14;

/**
 * e^x for |x| ≤ 2, by nothing but additions, multiplications and divisions: those have the same last digit on every machine, which `Math.exp` has not, and
 * all devices must come to the same length.
 */
export function exponential(x: number): number {
  const part = x / 16;
  let sum = 1;
  for (let k = TERMS; k >= 1; k--) sum = 1 + sum * part / k;
  for (let i = 0; i < 4; i++) sum *= sum;
  return sum;
}

/**
 * z_Δ: the noise multiplier left for the update when update and count together shall cost what z alone would:
 * z_Δ = (z^(−2) − (2σ_b)^(−2))^(−1/2) (theorem 1 of the paper). Throws a `RangeError` when the count alone costs more: 2σ_b must
 * exceed z.
 */
export function splitNoise(noiseMultiplier: number, countDeviation: number): number {
  if (noiseMultiplier === 0) return 0;
  // Products, not powers: those may differ between machines in the last digit.
  const left = 1 / (noiseMultiplier * noiseMultiplier) - 1 / (4 * countDeviation * countDeviation);
  if (!(left > 0)) {
    throw new RangeError(
      `Cannot clip adaptively: the count's noise is ${countDeviation}, expected more than half of the ` +
        `noise multiplier, ${noiseMultiplier / 2}`,
    );
  }
  return 1 / Math.sqrt(left);
}

/**
 * How heavy the bit weighs as one more coordinate of an integer vector of length `sensitivity`, in integers: a device adds ±W, so that
 * sum/2W is Σ `belowBit`. Noise of standard deviation σ on every coordinate is then noise of σ/2W ≥ σ_b on the count (unless even W = 1
 * is heavier), and the vector's length grows to √(Δ² + W²), with σ = z √(Δ² + W²): the split of `splitNoise`.
 */
export function bitWeight(
  options: {
    readonly sensitivity: number;
    readonly noiseMultiplier: number;
    readonly countDeviation: number;
  },
): number {
  const { sensitivity, noiseMultiplier, countDeviation } = options;
  const forUpdate = splitNoise(noiseMultiplier, countDeviation);
  return Math.max(1, Math.floor(forUpdate * sensitivity / (2 * countDeviation)));
}
