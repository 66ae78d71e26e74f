/** Public chance: a shuffle that follows from a seed, the same on every machine. */
import { invariant } from "../../platform/invariant.ts";
import type { MaskStream } from "../../platform/ports.ts";

/**
 * 0 … count − 1 in the order of Fisher and Yates' shuffle by the words of the mask stream under a 32-byte key, a word that would prefer
 * some places being skipped. count ≤ 2^15.
 */
export function shuffledIndices(seed: Uint8Array, count: number, masks: MaskStream): Uint32Array {
  const words = new Uint32Array(2 * count + 64);
  masks.apply({ key: seed, target: words, sign: 1 });
  const order = new Uint32Array(count).map((_, index) => index);
  let used = 0;
  for (let last = count - 1; last > 0; last--) {
    const usable = 2 ** 32 - 2 ** 32 % (last + 1);
    while (words[used]! >= usable) used++;
    // Each word is skipped with a chance below 2^-17: half of them never are.
    invariant(used < words.length, "Cannot shuffle: the words ran out");
    const other = words[used++]! % (last + 1);
    [order[last], order[other]] = [order[other]!, order[last]!];
  }
  return order;
}
