/**
 * Golomb–Rice coding of ascending places: of each gap the low bits as they are, the rest as so many ones and a zero. R. F. Rice, "Some
 * Practical Universal Noiseless Coding Techniques", JPL Publication 79-22, 1979. Bits go least significant first.
 */

/** The low bits kept as they are when `chosen` of `count` places are taken: ⌊log₂(0.693 · count / chosen)⌋, at least 0. Whole numbers only. */
function riceBits(count: number, chosen: number): number {
  let bits = 0;
  while (2 ** (bits + 1) * 1_000 * chosen <= 693 * count) bits++;
  return bits;
}

/** Most bytes of `chosen` coded places below `count`. */
export function riceBytesMax(count: number, chosen: number): number {
  const bits = riceBits(count, chosen);
  return Math.ceil((chosen * (bits + 1) + Math.floor(count / 2 ** bits)) / 8);
}

/** Codes the places; the result has no byte more than needed. */
export function riceEncode(places: Uint32Array, count: number): Uint8Array<ArrayBuffer> {
  const bits = riceBits(count, places.length);
  const bytes = new Uint8Array(riceBytesMax(count, places.length));
  let [at, next] = [0, 0];
  for (let i = 0; i < places.length; i++) {
    const gap = places[i]! - next;
    next = places[i]! + 1;
    for (let ones = gap >>> bits; ones > 0; ones--, at++) bytes[at >>> 3]! |= 1 << (at & 7);
    at++;
    for (let k = 0; k < bits; k++, at++) bytes[at >>> 3]! |= ((gap >>> k) & 1) << (at & 7);
  }
  return bytes.slice(0, (at + 7) >>> 3);
}

/** The places; undefined unless the bytes are exactly what `riceEncode` writes for so many ascending places below `count`. */
export function riceDecode(
  bytes: Uint8Array,
  options: { readonly count: number; readonly chosen: number },
): Uint32Array<ArrayBuffer> | undefined {
  const { count, chosen } = options;
  const bits = riceBits(count, chosen);
  const end = bytes.length * 8;
  const places = new Uint32Array(chosen);
  let [at, next] = [0, 0];
  for (let i = 0; i < chosen; i++) {
    let high = 0;
    while (at < end && ((bytes[at >>> 3]! >>> (at & 7)) & 1) === 1) {
      high++;
      at++;
    }
    if (at + 1 + bits > end) return undefined;
    at++;
    let low = 0;
    for (let k = 0; k < bits; k++, at++) low |= ((bytes[at >>> 3]! >>> (at & 7)) & 1) << k;
    const place = next + high * 2 ** bits + low;
    if (place >= count) return undefined;
    places[i] = place;
    next = place + 1;
  }
  if (end - at >= 8) return undefined;
  for (; at < end; at++) if (((bytes[at >>> 3]! >>> (at & 7)) & 1) === 1) return undefined;
  return places;
}
