/**
 * Gaussian noise by a trusted coordinator, on a lattice: floating-point Gaussian noise gives itself away by the digits it can and cannot
 * have (Mironov 2012), so the sum is rounded to multiples of a power of two about a millionth of σ, and discrete Gaussian multiples are
 * added exactly. What is released is then on the lattice whatever the sum was.
 */
import type { Random } from "../../platform/ports.ts";
import { exactDiscreteGaussian } from "./discrete_gaussian.ts";
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
