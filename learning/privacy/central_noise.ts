/**
 * Gaussian noise by a trusted coordinator, on a lattice: floating-point Gaussian noise gives itself away by the digits it can and cannot
 * have (Mironov 2012), so the sum is rounded to multiples of a power of two about a millionth of σ, and discrete Gaussian multiples are
 * added exactly. What is released is then on the lattice whatever the sum was.
 */
import type { Random } from "../../platform/ports.ts";
import { exactDiscreteGaussian } from "./discrete_gaussian.ts";
import { splitNoise } from "./adaptive_clipping.ts";
import type { Mechanism } from "./mechanism.ts";

/** Lattice points in a standard deviation, as a power of two: up to twice 2^19, within what the exact sampler draws. */
const FINENESS = 2 ** 19;

/** The lattice for noise of standard deviation `deviation` > 0: a power of two. */
export function latticeStep(deviation: number): number {
  if (!(deviation > 0 && Number.isFinite(deviation))) {
    throw new RangeError(
      `Cannot add noise: its standard deviation is ${deviation}, expected a finite number > 0`,
    );
  }
  return 2 ** Math.floor(Math.log2(deviation / FINENESS));
}

/** Adds noise of standard deviation `deviation` to every number of a sum, in place. About 0.5 s for the largest CNN. */
export function addCentralNoise(sum: Float64Array, deviation: number, random: Random): void {
  const step = latticeStep(deviation);
  const noise = exactDiscreteGaussian((deviation / step) ** 2, random);
  for (let i = 0; i < sum.length; i++) {
    sum[i] = (Math.round(sum[i]! / step) + noise.draw()) * step;
  }
}

/**
 * With adaptive clipping: the lengths that updates were clipped to, and the count of those that were not longer, under one noise. The count weighs as much as one
 * more coordinate of ±W, so that the update gets noise of z_Δ · C and the count noise of σ_b, and both together cost what z alone would (`splitNoise`).
 */
export interface AdaptiveNoise {
  readonly clip: number;
  readonly noiseMultiplier: number;
  /** σ_b. */
  readonly countDeviation: number;
}

/** Adds noise to a sum in place, and to a count of `belowBit`; returns the noisy count. */
export function addAdaptiveNoise(
  sum: Float64Array,
  bits: number,
  { clip, noiseMultiplier, countDeviation }: AdaptiveNoise,
  random: Random,
): number {
  const deviation = clip * splitNoise(noiseMultiplier, countDeviation);
  // A device's bit is ± a half: as a coordinate of ± weight, it has noise of σ_b in the count.
  const weight = deviation / (2 * countDeviation);
  const joint = new Float64Array(sum.length + 1);
  joint.set(sum);
  joint[sum.length] = 2 * bits * weight;
  addCentralNoise(joint, deviation, random);
  sum.set(joint.subarray(0, sum.length));
  return joint[sum.length]! / (2 * weight);
}

/**
 * What both together cost, whatever the clipping length is: the lattice is never coarser than σ / 2^19, so that rounding `dimension` + 1 coordinates lengthens what
 * one device changes by at most that times √(d + 1).
 */
export function adaptiveMechanism(
  { noiseMultiplier, dimension }: {
    readonly noiseMultiplier: number;
    readonly dimension: number;
  },
): Mechanism {
  const rounding = Math.sqrt(dimension + 1) / FINENESS;
  return { kind: "gaussian", noiseMultiplier: 1 / (1 / noiseMultiplier + rounding) };
}

/**
 * What that costs for sums of updates clipped to `clip`: rounding may move each of `dimension` coordinates of both neighbours by half a
 * step, which lengthens their difference by at most step × √d.
 */
export function centralMechanism(
  { clip, noiseMultiplier, dimension }: {
    readonly clip: number;
    readonly noiseMultiplier: number;
    readonly dimension: number;
  },
): Mechanism {
  const deviation = clip * noiseMultiplier;
  const sensitivity = clip + latticeStep(deviation) * Math.sqrt(dimension);
  return { kind: "gaussian", noiseMultiplier: deviation / sensitivity };
}
