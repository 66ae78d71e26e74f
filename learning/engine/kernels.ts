/** The compiled kernels as functions, and which of the two builds this machine runs. What each does is said in kernels.as. */
import { PLAIN_KERNELS, RELAXED_KERNELS } from "./kernels_wasm.ts";

/** Relaxed: fused multiply-add. The two builds differ in the last bits, so one machine always takes the same. */
export type KernelBuild = "relaxed" | "plain";

type Kernel = (...numbers: number[]) => void;

/** Signatures are those of kernels.as. */
export interface Kernels {
  readonly forward: Kernel;
  readonly gradient: Kernel;
  readonly backward: Kernel;
  readonly turn: Kernel;
  readonly inset: Kernel;
  readonly relu: Kernel;
  readonly reluBackward: Kernel;
  readonly add: Kernel;
  readonly biasGradient: Kernel;
  readonly maxPool: Kernel;
  readonly maxPoolBackward: Kernel;
  readonly mean: Kernel;
  readonly meanBackward: Kernel;
  readonly crossEntropy: (...numbers: number[]) => number;
  readonly countCorrect: (...numbers: number[]) => number;
  readonly squaredError: (...numbers: number[]) => number;
  readonly absoluteError: (...numbers: number[]) => number;
  readonly floatsOfBytes: Kernel;
  readonly widen: Kernel;
  readonly scale: Kernel;
  readonly pull: Kernel;
  readonly step: Kernel;
  readonly winogradInputs: Kernel;
  readonly winogradDerivatives: Kernel;
  readonly winogradOutputs: Kernel;
  readonly winogradWeights: Kernel;
  readonly winogradGradient: Kernel;
  readonly winogradForward: Kernel;
  readonly winogradBackward: Kernel;
}

/** The first address the kernels leave to us: below it stand their constants. */
export const MEMORY_START = 65_536;

let chosen: KernelBuild | undefined;
const modules: Partial<Record<KernelBuild, WebAssembly.Module>> = {};

/** The build for this machine: relaxed where the engine knows it. */
export function kernelBuild(): KernelBuild {
  return chosen ??= WebAssembly.validate(Uint8Array.fromBase64(RELAXED_KERNELS))
    ? "relaxed"
    : "plain";
}

/** Kernels that work on `memory`. */
export function loadKernels(
  memory: WebAssembly.Memory,
  build: KernelBuild = kernelBuild(),
): Kernels {
  const module = modules[build] ??= new WebAssembly.Module(
    Uint8Array.fromBase64(build === "relaxed" ? RELAXED_KERNELS : PLAIN_KERNELS),
  );
  const instance = new WebAssembly.Instance(module, { env: { memory } });
  return instance.exports as unknown as Kernels;
}
