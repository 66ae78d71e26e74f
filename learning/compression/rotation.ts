/**
 * Randomised Hadamard rotations: signs by a seed, then the transform. Whatever a vector looks like, its rotated coordinates look like normal
 * numbers, which a few bits describe well. Ailon, Chazelle: "The Fast Johnson–Lindenstrauss Transform", SIAM Journal on Computing 2009.
 */
import { seededStream } from "../data/seeded_stream.ts";
import type { Parameters } from "../parameters.ts";
import { withKernels } from "../aggregation/vector_kernels.ts";
import { hadamard, hadamardAt, VECTOR_LENGTH_MIN } from "./hadamard.ts";

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

/** A place where one block at a time is rotated there or back. */
export interface BlockRotation {
  /** The block: up to `BLOCK_LENGTH_MAX` numbers. */
  readonly values: Float32Array<ArrayBuffer>;
  /** Σ x² of the first `length` numbers. */
  square(length: number): number;
  /** Rotates the block that begins at number `start` of the whole. Norms grow by its length. */
  rotate(start: number, length: number): void;
  /** Inverse of `rotate`, but norms grow by the length once more. */
  unrotate(start: number, length: number): void;
}

/**
 * Lends rotations of the blocks of `count` numbers: signs, transform, other signs, transform. After one transform a vector of a few large
 * numbers would still have only a few different magnitudes and the estimate a bias; after two it looks normal.
 */
export function withBlockRotation<T>(
  seed: Uint8Array,
  count: number,
  use: (rotation: BlockRotation) => T,
): T {
  const padded = paddedCount(count);
  const zerosAt = 4 * BLOCK_LENGTH_MAX;
  const firstAt = 2 * zerosAt;
  const secondAt = firstAt + padded / 8;
  return withKernels(secondAt + padded / 8, (kernels) => {
    const { memory } = kernels;
    new Float32Array(memory, zerosAt, BLOCK_LENGTH_MAX).fill(0);
    new Uint32Array(memory, firstAt, padded / 32).set(signWords(seed, "blocks", padded));
    new Uint32Array(memory, secondAt, padded / 32).set(signWords(seed, "blocks again", padded));
    return use({
      values: new Float32Array(memory, 0, BLOCK_LENGTH_MAX),
      square: (length) => kernels.squaredDistance(0, zerosAt, length),
      rotate(start, length) {
        kernels.turnSigns(0, firstAt + start / 8, length);
        kernels.hadamard(0, length);
        kernels.turnSigns(0, secondAt + start / 8, length);
        kernels.hadamard(0, length);
      },
      unrotate(start, length) {
        kernels.hadamard(0, length);
        kernels.turnSigns(0, secondAt + start / 8, length);
        kernels.hadamard(0, length);
        kernels.turnSigns(0, firstAt + start / 8, length);
      },
    });
  });
}

/**
 * Rotates the whole vector in place without padding: the first 2^m numbers, 2^m being the largest power of two not above its length, then the
 * last 2^m. Every number is then at most the norm of the vector, and spread like a normal one of deviation ≤ norm / √2^m.
 */
export function rotateWhole(values: Parameters, seed: Uint8Array): void {
  const length = wholeLength(values.length);
  rotatePart(values, 0, length, signWords(seed, "first", length), true);
  if (length === values.length) return;
  rotatePart(values, values.length - length, length, signWords(seed, "last", length), true);
}

/** Inverse of `rotateWhole`, but for rounding. */
export function unrotateWhole(values: Parameters, seed: Uint8Array): void {
  const length = wholeLength(values.length);
  if (length < values.length) {
    rotatePart(values, values.length - length, length, signWords(seed, "last", length), false);
  }
  rotatePart(values, 0, length, signWords(seed, "first", length), false);
}

/** The largest power of two ≤ count, for count ≥ 1. */
export function wholeLength(count: number): number {
  return 2 ** (31 - Math.clz32(count));
}

/** Signs, transform and division by √length of one stretch; `forward` false is the inverse. */
function rotatePart(
  values: Parameters,
  start: number,
  length: number,
  words: Uint32Array<ArrayBuffer>,
  forward: boolean,
): void {
  const part = values.subarray(start, start + length);
  const factor = 1 / Math.sqrt(length);
  if (length < VECTOR_LENGTH_MIN) {
    if (forward) turnSigns(part, words);
    hadamard(part, 0, length);
    if (!forward) turnSigns(part, words);
    for (let i = 0; i < length; i++) part[i] = part[i]! * factor;
    return;
  }
  withKernels(4 * length + length / 8, (kernels) => {
    const held = new Float32Array(kernels.memory, 0, length);
    held.set(part);
    new Uint32Array(kernels.memory, 4 * length, length / 32).set(words);
    if (forward) kernels.turnSigns(0, 4 * length, length);
    hadamardAt(kernels, 0, length);
    if (!forward) kernels.turnSigns(0, 4 * length, length);
    for (let i = 0; i < length; i++) part[i] = held[i]! * factor;
  });
}

/** Turns the signs of numbers whose bit is 1. */
function turnSigns(values: Parameters, words: Uint32Array<ArrayBuffer>): void {
  for (let i = 0; i < values.length; i++) {
    if (((words[i >>> 5]! >>> (i & 31)) & 1) === 1) values[i] = -values[i]!;
  }
}
