/**
 * Sketches of updates: 1,024 numbers whose products are the products of the updates, but for an error of about 1/√1024 of their norms. With
 * them directions can be compared without keeping updates. Charikar, Chen, Farach-Colton: "Finding Frequent Items in Data Streams",
 * ICALP 2002. The seed is the coordinator's own and drawn anew each round: who knew it could hide in a sketch.
 */
import { signWords } from "../compression/rotation.ts";
import type { Parameters } from "../parameters.ts";

/** Numbers of a sketch: 4 KiB. */
export const SKETCH_LENGTH = 1_024;

/** What is kept of an update. */
export interface UpdateSketch {
  /** Euclidean norm of the update, exact. */
  readonly norm: number;
  /** `SKETCH_LENGTH` numbers, of the update divided by its norm; zeros for a zero update. */
  readonly direction: Float32Array<ArrayBuffer>;
}

/** Makes a function that sketches updates of `count` numbers; `seed` is 32 bytes. One pass over the update. */
export function sketcher(
  seed: Uint8Array,
  count: number,
): (update: Parameters) => UpdateSketch {
  const words = signWords(seed, "sketch", count);
  const sums = new Float64Array(SKETCH_LENGTH);
  return (update) => {
    sums.fill(0);
    let square = 0;
    for (let i = 0; i < count; i++) {
      const value = update[i]!;
      const sign = 1 - 2 * ((words[i >>> 5]! >>> (i & 31)) & 1);
      const place = i & (SKETCH_LENGTH - 1);
      sums[place] = sums[place]! + sign * value;
      square += value * value;
    }
    const norm = Math.sqrt(square);
    return { norm, direction: Float32Array.from(sums, (sum) => norm > 0 ? sum / norm : 0) };
  };
}
