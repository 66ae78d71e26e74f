/** The committed kernels are what the committed source compiles to, and the engine finds the build for this machine. */
import assert from "node:assert/strict";
import { KERNELS_MODULE, kernelsModule } from "../../deployments/build_kernels.ts";
import { kernelBuild, loadKernels, MEMORY_START } from "../../learning/engine/kernels.ts";
import { committedKernels } from "./committed_kernels.ts";

await committedKernels("kernels", KERNELS_MODULE, kernelsModule);

Deno.test("kernels keep to the memory below the plan's", () => {
  const memory = new WebAssembly.Memory({ initial: 2 });
  for (const build of ["relaxed", "plain"] as const) loadKernels(memory, build);
  const above = new Uint8Array(memory.buffer, MEMORY_START);
  assert.ok(above.every((byte) => byte === 0));
  const below = new Uint8Array(memory.buffer, 0, MEMORY_START);
  assert.ok(below.subarray(MEMORY_START / 2).every((byte) => byte === 0));
});

Deno.test("relaxed kernels are chosen where the engine knows relaxed SIMD", () => {
  assert.equal(kernelBuild(), "relaxed");
});
