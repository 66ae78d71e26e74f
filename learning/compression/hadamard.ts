/**
 * The Walsh–Hadamard transform in natural order, not divided by anything: twice is the length times the start. Each pass rounds to single
 * precision, the same on every machine.
 */
import type { VectorKernels } from "../aggregation/vector_kernels.ts";

/** Numbers of a stretch that stays in the first cache: 16 KiB. */
const CACHED = 4_096;

/** Shortest length that vector instructions take. */
export const VECTOR_LENGTH_MIN = 64;

/** Transforms `length` numbers (a power of two, at least `VECTOR_LENGTH_MIN`) from byte `at` of the kernels' memory on. */
export function hadamardAt(kernels: VectorKernels, at: number, length: number): void {
  const cached = Math.min(length, CACHED);
  for (let start = 0; start < length; start += cached) {
    kernels.hadamard(at + 4 * start, cached);
  }
  if (length > cached) kernels.hadamardFrom(at, length, cached);
}

/** Transforms `length` numbers (any power of two) from `start` on, one pair at a time: for what is too short for vectors. */
export function hadamard(values: Float32Array<ArrayBuffer>, start: number, length: number): void {
  for (let distance = 1; distance < length; distance *= 2) {
    for (let group = start; group < start + length; group += 2 * distance) {
      for (let i = group; i < group + distance; i++) {
        const [a, b] = [values[i]!, values[i + distance]!];
        values[i] = a + b;
        values[i + distance] = a - b;
      }
    }
  }
}
