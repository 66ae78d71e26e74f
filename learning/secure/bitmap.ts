/** Sets of small integers as bits: i is bit i & 7 of byte i >> 3. Spare bits of the last byte are zero, so that a set has one form. */

/** Bytes for the integers below `count`. */
function bitmapBytes(count: number): number {
  return (count + 7) >> 3;
}

/** The set of all `indices`, each below `count`. */
export function bitmapOf(indices: Iterable<number>, count: number): Uint8Array<ArrayBuffer> {
  const bits = new Uint8Array(bitmapBytes(count));
  for (const index of indices) bits[index >> 3]! |= 1 << (index & 7);
  return bits;
}

/** True when `index` is in the set. */
export function hasBit(bits: Uint8Array, index: number): boolean {
  return ((bits[index >> 3] ?? 0) >> (index & 7) & 1) === 1;
}

/** What is in the set, ascending; undefined when it is not a set of integers below `count`. */
export function indicesOf(bits: Uint8Array, count: number): number[] | undefined {
  if (bits.length !== bitmapBytes(count)) return undefined;
  const indices: number[] = [];
  for (let index = 0; index < bits.length * 8; index++) {
    if (!hasBit(bits, index)) continue;
    if (index >= count) return undefined;
    indices.push(index);
  }
  return indices;
}
