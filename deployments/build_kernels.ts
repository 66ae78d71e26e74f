/**
 * `deno task build:kernels`: compiles the kernels of the training engine from AssemblyScript into `learning/engine/kernels_wasm.ts`, a module
 * with the bytes in it, so that a program in one file needs no other. Twice: with fused multiply-add (relaxed SIMD), and without it.
 */
import { fileURLToPath } from "node:url";
import { TILE_ROWS_MAX, tileSource } from "../learning/engine/kernel_tiles.ts";
import { base64Literal, compileKernels, writeModule } from "./compile_kernels.ts";

const SOURCE = fileURLToPath(new URL("../learning/engine/kernels.as", import.meta.url));
/** What the task writes. */
export const KERNELS_MODULE = fileURLToPath(
  new URL("../learning/engine/kernels_wasm.ts", import.meta.url),
);

/** The text of the module. Throws with the compiler's messages when it does not compile. */
export async function kernelsModule(): Promise<string> {
  const relaxed = await compiled({ relaxed: true });
  const plain = await compiled({ relaxed: false });
  return [
    "/** Made by `deno task build:kernels` from kernels.as and kernel_tiles.ts; do not edit. WebAssembly as base64. */",
    "",
    "/** With fused multiply-add (relaxed SIMD). */",
    `export const RELAXED_KERNELS =${base64Literal(relaxed)};`,
    "",
    "/** With SIMD only: where relaxed SIMD is not known. */",
    `export const PLAIN_KERNELS =${base64Literal(plain)};`,
    "",
  ].join("\n");
}

/** The kernels as a WebAssembly module, for processors that fuse multiplication and addition, or for any. */
async function compiled({ relaxed }: { readonly relaxed: boolean }): Promise<Uint8Array> {
  const source = [
    await Deno.readTextFile(SOURCE),
    `const TILE_ROWS_MAX: i32 = ${TILE_ROWS_MAX};`,
    tileSource(),
  ].join("\n");
  const flags = relaxed ? ["--enable=relaxed-simd", "--use=RELAXED=1"] : [];
  return await compileKernels({ name: "kernels.as", source, flags });
}

if (import.meta.main) await writeModule(KERNELS_MODULE, await kernelsModule());
