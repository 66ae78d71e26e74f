/** Codes of 1 to 8 bits without gaps, least significant bit first; the number of codes is a multiple of 8, so no bits are spare. */

/** Bytes of `count` codes. */
export function packedCodeBytes(count: number, bits: number): number {
  return count * bits / 8;
}

/** Writes `count` codes into `bytes` from `at` on. */
export function packCodes(options: {
  readonly codes: Uint8Array;
  readonly count: number;
  readonly bits: number;
  readonly bytes: Uint8Array;
  readonly at: number;
}): void {
  const { codes, count, bits, bytes } = options;
  let at = options.at;
  if (bits === 8) {
    bytes.set(codes.subarray(0, count), at);
    return;
  }
  let [held, have] = [0, 0];
  for (let i = 0; i < count; i++) {
    held |= codes[i]! << have;
    have += bits;
    if (have >= 8) {
      bytes[at++] = held;
      held >>>= 8;
      have -= 8;
    }
  }
}

/** Reads `count` codes from `at` on and writes each one's value from `table` into `values`. */
export function unpackCodes(options: {
  readonly bytes: Uint8Array;
  readonly at: number;
  readonly count: number;
  readonly bits: number;
  readonly table: Float64Array;
  readonly values: Float32Array<ArrayBuffer>;
}): void {
  const { bytes, count, bits, table, values } = options;
  const mask = (1 << bits) - 1;
  let at = options.at;
  if (8 % bits === 0) {
    // No code crosses a byte.
    for (let i = 0; i < count;) {
      const end = i + 8 / bits;
      for (let byte = bytes[at++]!; i < end; byte >>>= bits) values[i++] = table[byte & mask]!;
    }
    return;
  }
  let [held, have] = [0, 0];
  for (let i = 0; i < count; i++) {
    if (have < bits) {
      held |= bytes[at++]! << have;
      have += 8;
    }
    values[i] = table[held & mask]!;
    held >>>= bits;
    have -= bits;
  }
}
