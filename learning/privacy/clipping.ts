/** Clipping: what one device can change is bounded before any noise is chosen. Without it no amount of noise promises anything. */
import { invariant } from "../../platform/invariant.ts";
import type { Parameters } from "../parameters.ts";

/** What clipping found. */
export interface Clipped {
  /** Length of the update before, L2. Stays on the device: it is not private. */
  readonly norm: number;
  /** What it was multiplied with, in [0, 1]. */
  readonly factor: number;
}

/** A 32-bit float may be rounded up by 2^−24 of itself: what was clipped is shortened by a little more, so that the bound holds exactly. */
const ROUNDING = 1 - 2 ** -22;

/** Euclidean length, summed up in doubles. */
export function lengthOf(values: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += values[i]! * values[i]!;
  return Math.sqrt(sum);
}

/**
 * Shortens `update` in place to length `clip` > 0 (McMahan, Ramage, Talwar, Zhang 2018, arXiv:1710.06963, flat clipping). Throws a
 * `RangeError` when it holds NaN or infinities: such an update is not sent.
 */
export function clipFlat(update: Parameters, clip: number): Clipped {
  invariant(
    clip > 0 && Number.isFinite(clip),
    () => `Cannot clip: the length is ${clip}, expected a finite number > 0`,
  );
  const norm = lengthOf(update);
  if (!Number.isFinite(norm)) {
    throw new RangeError(`Cannot clip an update: its length is ${norm}, expected a finite number`);
  }
  if (norm <= clip) return { norm, factor: 1 };
  const factor = clip / norm * ROUNDING;
  for (let i = 0; i < update.length; i++) update[i] = update[i]! * factor;
  return { norm, factor };
}
