/**
 * Part of `deno task build:kernels`: compiles `learning/aggregation/vector_kernels.as` into a module with the bytes in it, so that a
 * program in one file needs no other.
 */
import { fileURLToPath } from "node:url";
import { base64Literal, compileKernels, writeModule } from "./compile_kernels.ts";

const SOURCE = fileURLToPath(
  new URL("../learning/aggregation/vector_kernels.as", import.meta.url),
);
/** What the task writes. */
export const VECTOR_KERNELS_MODULE = fileURLToPath(
  new URL("../learning/aggregation/vector_kernels_wasm.ts", import.meta.url),
);

/** The text of the module. Throws with the compiler's messages when it does not compile. */
export async function vectorKernelsModule(): Promise<string> {
  const source = await Deno.readTextFile(SOURCE);
  const bytes = await compileKernels({ name: "vector_kernels.as", source });
  return [
    "/** Made by `deno task build:kernels` from vector_kernels.as; do not edit. WebAssembly as base64. */",
    `export const VECTOR_KERNELS =${base64Literal(bytes)};`,
    "",
  ].join("\n");
}

if (import.meta.main) await writeModule(VECTOR_KERNELS_MODULE, await vectorKernelsModule());
