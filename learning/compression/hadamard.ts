/** The Walsh–Hadamard transform in place, in passes of radix 4 that stay in the first cache as long as they can. */

/** Numbers of a block that stays in the first cache: 16 KiB. */
const CACHED = 4_096;

/**
 * Replaces `length` numbers (a power of two) from `start` on by their Walsh–Hadamard transform in natural order, not divided by
 * anything: twice is `length` times the start. Every pass works in double precision and rounds to 32 bits when it stores.
 */
export function hadamard(values: Float32Array<ArrayBuffer>, start: number, length: number): void {
  const cached = Math.min(length, CACHED);
  for (let block = start; block < start + length; block += cached) {
    passes(values, block, cached, 1, cached);
  }
  passes(values, start, length, cached, length);
}

/** The passes over distances `from`, 4·from, … below `to`, after one over `from` alone when their number is odd. */
function passes(
  values: Float32Array<ArrayBuffer>,
  start: number,
  length: number,
  from: number,
  to: number,
): void {
  let distance = from;
  if ((31 - Math.clz32(to / from)) % 2 === 1) {
    pass2(values, start, length, distance);
    distance *= 2;
  }
  for (; distance < to; distance *= 4) pass4(values, start, length, distance);
}

function pass2(
  values: Float32Array<ArrayBuffer>,
  start: number,
  length: number,
  distance: number,
): void {
  for (let group = start; group < start + length; group += 2 * distance) {
    for (let i = group; i < group + distance; i++) {
      const [a, b] = [values[i]!, values[i + distance]!];
      values[i] = a + b;
      values[i + distance] = a - b;
    }
  }
}

function pass4(
  values: Float32Array<ArrayBuffer>,
  start: number,
  length: number,
  distance: number,
): void {
  const [second, third, fourth] = [distance, 2 * distance, 3 * distance];
  for (let group = start; group < start + length; group += 4 * distance) {
    for (let i = group; i < group + distance; i++) {
      const a = values[i]!;
      const b = values[i + second]!;
      const c = values[i + third]!;
      const d = values[i + fourth]!;
      const [ab, a_b, cd, c_d] = [a + b, a - b, c + d, c - d];
      values[i] = ab + cd;
      values[i + second] = a_b + c_d;
      values[i + third] = ab - cd;
      values[i + fourth] = a_b - c_d;
    }
  }
}
