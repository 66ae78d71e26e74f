/**
 * Randomised Hadamard rotations: signs by a seed, then the transform. Whatever a vector looks like, its rotated coordinates look like normal
 * numbers, which a few bits describe well. Ailon, Chazelle: "The Fast Johnson–Lindenstrauss Transform", SIAM Journal on Computing 2009.
 */
import { seededStream } from "../data/seeded_stream.ts";
import type { Parameters } from "../parameters.ts";
import { hadamard } from "./hadamard.ts";

/** Longest block: fits the first cache, and is long enough that a scale per block costs little. */
export const BLOCK_LENGTH_MAX = 4_096;
/** Shortest block: at most 63 numbers are padding, whatever the length. */
export const BLOCK_LENGTH_MIN = 64;

/** Lengths of the blocks that cover `count` numbers: as many of 4,096 as fit, then falling powers of two, the last one padded. */
export function blockLengths(count: number): readonly number[] {
  const lengths = new Array<number>(Math.floor(count / BLOCK_LENGTH_MAX)).fill(BLOCK_LENGTH_MAX);
  let rest = count % BLOCK_LENGTH_MAX;
  for (let length = BLOCK_LENGTH_MAX / 2; length >= BLOCK_LENGTH_MIN; length /= 2) {
    if (rest < length) continue;
    lengths.push(length);
    rest -= length;
  }
  if (rest > 0) lengths.push(BLOCK_LENGTH_MIN);
  return lengths;
}

/** Sum of the lengths. */
export function paddedCount(count: number): number {
  return Math.ceil(count / BLOCK_LENGTH_MIN) * BLOCK_LENGTH_MIN;
}

/**
 * One bit per number, 32 to a word, least significant first; 1 turns the sign. The keystream of ChaCha20 under SHA-256(seed ‖ label).
 */
export function signWords(
  seed: Uint8Array,
  label: string,
  count: number,
): Uint32Array<ArrayBuffer> {
  const stream = seededStream(seed).fork(label);
  const words = new Uint32Array(Math.ceil(count / 32));
  for (let i = 0; i < words.length; i++) words[i] = stream.uint32();
  return words;
}

/** Turns the signs of `length` numbers from `start` on, by bits from the first on. Twice changes nothing. */
export function turnSigns(
  values: Parameters,
  words: Uint32Array<ArrayBuffer>,
  start: number,
  length: number,
): void {
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
  for (let i = 0; i < length; i += 32) {
    let word = words[i >>> 5]!;
    const end = start + Math.min(length, i + 32);
    for (let k = start + i; k < end; k++, word >>>= 1) {
      // Only the sign bit of the float is touched.
      bits[k] = bits[k]! ^ (word << 31);
    }
  }
}

/** Both sign patterns of the blocks of `count` numbers. */
export interface BlockSigns {
  readonly first: Uint32Array<ArrayBuffer>;
  readonly second: Uint32Array<ArrayBuffer>;
}

/** The patterns that follow from a seed, for all blocks one after another. */
export function blockSigns(seed: Uint8Array, count: number): BlockSigns {
  const padded = paddedCount(count);
  return {
    first: signWords(seed, "blocks", padded),
    second: signWords(seed, "blocks again", padded),
  };
}

/**
 * Rotates one block in place: signs, transform, other signs, transform. After one transform a vector of a few large numbers would still have
 * only a few different magnitudes and the estimate a bias; after two it looks normal. Norms grow by the block's length.
 */
export function rotateBlock(
  values: Parameters,
  { first, second }: BlockSigns,
  start: number,
  length: number,
): void {
  turnSigns(values, first.subarray(start / 32), start, length);
  hadamard(values, start, length);
  turnSigns(values, second.subarray(start / 32), start, length);
  hadamard(values, start, length);
}

/** Inverse of `rotateBlock`, but norms grow by the block's length once more. */
export function unrotateBlock(
  values: Parameters,
  { first, second }: BlockSigns,
  start: number,
  length: number,
): void {
  hadamard(values, start, length);
  turnSigns(values, second.subarray(start / 32), start, length);
  hadamard(values, start, length);
  turnSigns(values, first.subarray(start / 32), start, length);
}

/** The update with zeros behind it up to whole blocks; a copy. */
export function padded(update: Parameters): Parameters {
  const values = new Float32Array(paddedCount(update.length));
  values.set(update);
  return values;
}

/**
 * Rotates the whole vector in place without padding: the first 2^m numbers, 2^m being the largest power of two not above its length, then the
 * last 2^m. Every number is then at most the norm of the vector, and spread like a normal one of deviation ≤ norm / √2^m.
 */
export function rotateWhole(values: Parameters, seed: Uint8Array): void {
  const length = wholeLength(values.length);
  const shift = 1 / Math.sqrt(length);
  const step = (label: string, start: number) => {
    turnSigns(values, signWords(seed, label, length), start, length);
    hadamard(values, start, length);
    scale(values, start, length, shift);
  };
  step("first", 0);
  if (length < values.length) step("last", values.length - length);
}

/** Inverse of `rotateWhole`, but for rounding. */
export function unrotateWhole(values: Parameters, seed: Uint8Array): void {
  const length = wholeLength(values.length);
  const shift = 1 / Math.sqrt(length);
  const step = (label: string, start: number) => {
    hadamard(values, start, length);
    scale(values, start, length, shift);
    turnSigns(values, signWords(seed, label, length), start, length);
  };
  if (length < values.length) step("last", values.length - length);
  step("first", 0);
}

/** The largest power of two ≤ count, for count ≥ 1. */
export function wholeLength(count: number): number {
  return 2 ** (31 - Math.clz32(count));
}

function scale(values: Parameters, start: number, length: number, factor: number): void {
  for (let i = start; i < start + length; i++) values[i] = values[i]! * factor;
}
