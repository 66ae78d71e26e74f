/**
 * Fast noise for rounding: xoshiro128** 1.1 (Blackman, Vigna), its 16 bytes of state drawn from the device's own chance. Not for keys or
 * for privacy noise: it only decides which of two neighbouring levels a number becomes.
 */
import type { Random } from "../../platform/ports.ts";

/** Makes a function that fills the first `length` words. */
export function roundingNoise(
  random: Random,
): (words: Uint32Array, length: number) => void {
  let [a, b, c, d] = [random.uint32(), random.uint32(), random.uint32(), random.uint32() | 1];
  return (words, length) => {
    let [w, x, y, z] = [a, b, c, d];
    for (let i = 0; i < length; i++) {
      const five = Math.imul(x, 5);
      words[i] = Math.imul((five << 7) | (five >>> 25), 9);
      const t = x << 9;
      y ^= w;
      z ^= x;
      x ^= y;
      w ^= z;
      y ^= t;
      z = (z << 11) | (z >>> 21);
    }
    [a, b, c, d] = [w, x, y, z];
  };
}
