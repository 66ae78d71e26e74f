/** The vector kernels as functions, each set with a memory of its own. What each does is said in vector_kernels.as. */
import { VECTOR_KERNELS } from "./vector_kernels_wasm.ts";

/** Addresses are bytes, lengths are numbers and multiples of 4. */
export interface VectorKernels {
  readonly memory: ArrayBuffer;
  flip(at: number, length: number): void;
  exchange(a: number, b: number, length: number): void;
  squaredDistance(a: number, b: number, length: number): number;
  pairDistances(tile: number, stride: number, rows: number, length: number, matrix: number): void;
  accumulate(sum: number, values: number, factor: number, length: number): void;
  addWords(target: number, words: number, length: number): void;
  subtractWords(target: number, words: number, length: number): void;
  finiteness(values: number, length: number): number;
  turnSigns(values: number, words: number, length: number): void;
  hadamard(at: number, length: number): void;
  hadamardFrom(at: number, length: number, from: number): void;
}

const PAGE_BYTES = 65_536;
let module: WebAssembly.Module | undefined;

/** Kernels with a memory of `bytes` bytes of their own, all zero: for sums that live long. Engines reserve much address space for each. */
export function vectorKernels(bytes: number): VectorKernels {
  module ??= new WebAssembly.Module(Uint8Array.fromBase64(VECTOR_KERNELS));
  const pages = Math.max(1, Math.ceil(bytes / PAGE_BYTES));
  const memory = new WebAssembly.Memory({ initial: pages, maximum: pages });
  const { exports } = new WebAssembly.Instance(module, { env: { memory } });
  return {
    ...exports as unknown as Omit<VectorKernels, "memory">,
    memory: memory.buffer as ArrayBuffer,
  };
}

/** Memories kept for the next who asks: few, and of a size that most ask for. */
const KEPT_MAX = 4;
const KEPT_BYTES = 2 * 1024 * 1024;
const kept: VectorKernels[] = [];

/**
 * Lends kernels with at least `bytes` bytes for as long as `use` runs. What stands in the memory is left from others. May be nested: each
 * gets a memory of its own.
 */
export function withKernels<T>(bytes: number, use: (kernels: VectorKernels) => T): T {
  const kernels = borrowKernels(bytes);
  try {
    return use(kernels);
  } finally {
    returnKernels(kernels);
  }
}

/** Lends kernels for work that goes on later, until `returnKernels`; who never returns them only makes the next ones dearer. */
export function borrowKernels(bytes: number): VectorKernels {
  return bytes > KEPT_BYTES ? vectorKernels(bytes) : kept.pop() ?? vectorKernels(KEPT_BYTES);
}

/** They are somebody else's from here on. */
export function returnKernels(kernels: VectorKernels): void {
  if (kept.length < KEPT_MAX && kernels.memory.byteLength === KEPT_BYTES) kept.push(kernels);
}

/** The next multiple of 4: rows begin and end at whole vectors. */
export function wholeVectors(length: number): number {
  return (length + 3) & ~3;
}
