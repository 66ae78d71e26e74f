/** The vector kernels as functions, each set with a memory of its own. What each does is said in vector_kernels.as. */
import { VECTOR_KERNELS } from "./vector_kernels_wasm.ts";

/** Addresses are bytes, lengths are numbers and multiples of 4. */
export interface VectorKernels {
  readonly memory: ArrayBuffer;
  flip(at: number, length: number): void;
  exchange(a: number, b: number, length: number): void;
  squaredDistance(a: number, b: number, length: number): number;
  accumulate(sum: number, values: number, factor: number, length: number): void;
  finiteness(values: number, length: number): number;
  turnSigns(values: number, words: number, length: number): void;
  hadamard(at: number, length: number): void;
  hadamardFrom(at: number, length: number, from: number): void;
}

const PAGE_BYTES = 65_536;
let module: WebAssembly.Module | undefined;

/** Kernels over `bytes` bytes from address 0 on, all zero. */
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

/** The next multiple of 4: rows begin and end at whole vectors. */
export function wholeVectors(length: number): number {
  return (length + 3) & ~3;
}
