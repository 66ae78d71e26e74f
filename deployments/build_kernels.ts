/**
 * `deno task build:kernels`: compiles the kernels of the training engine from AssemblyScript into `learning/engine/kernels_wasm.ts`, a module
 * with the bytes in it, so that a program in one file needs no other. Twice: with fused multiply-add (relaxed SIMD), and without it.
 */
import { fileURLToPath } from "node:url";
import { TILE_ROWS_MAX, tileSource } from "../learning/engine/kernel_tiles.ts";

const SOURCE = fileURLToPath(new URL("../learning/engine/kernels.as", import.meta.url));
/** What the task writes. */
export const KERNELS_MODULE = fileURLToPath(
  new URL("../learning/engine/kernels_wasm.ts", import.meta.url),
);

/** The text of the module. Throws with the compiler's messages when it does not compile. */
export async function kernelsModule(): Promise<string> {
  const relaxed = await compileKernels({ relaxed: true });
  const plain = await compileKernels({ relaxed: false });
  return [
    "/** Made by `deno task build:kernels` from kernels.as and kernel_tiles.ts; do not edit. WebAssembly as base64. */",
    "",
    "/** With fused multiply-add (relaxed SIMD). */",
    `export const RELAXED_KERNELS =${literal(relaxed)};`,
    "",
    "/** With SIMD only: where relaxed SIMD is not known. */",
    `export const PLAIN_KERNELS =${literal(plain)};`,
    "",
  ].join("\n");
}

/** The kernels as a WebAssembly module, for processors that fuse multiplication and addition, or for any. */
export async function compileKernels(
  { relaxed }: { readonly relaxed: boolean },
): Promise<Uint8Array<ArrayBuffer>> {
  const { default: asc } = await import("assemblyscript/asc");
  const source = [
    await Deno.readTextFile(SOURCE),
    `const TILE_ROWS_MAX: i32 = ${TILE_ROWS_MAX};`,
    tileSource(),
  ].join("\n");
  let bytes: Uint8Array<ArrayBuffer> | undefined;
  const { error, stderr } = await asc.main([
    "kernels.ts",
    "--outFile=kernels.wasm",
    "-O3",
    "--converge",
    "--noAssert",
    "--runtime=stub",
    "--importMemory",
    "--use=abort=",
    "--enable=simd,bulk-memory",
    ...(relaxed ? ["--enable=relaxed-simd", "--use=RELAXED=1"] : []),
  ], {
    readFile: (name) => name === "kernels.ts" ? source : null,
    writeFile: (name, contents) => {
      if (name === "kernels.wasm") bytes = new Uint8Array(contents as Uint8Array);
    },
    listFiles: () => [],
  });
  if (error !== null || bytes === undefined) {
    throw new Error(`Cannot compile kernels.as: ${stderr.toString()}`, { cause: error });
  }
  return bytes;
}

/** A string over several lines, none of which is longer than what an editor shows. */
function literal(bytes: Uint8Array): string {
  const text = bytes.toBase64();
  const lines = text.match(/.{1,200}/g) ?? [];
  return `\n  ${lines.map((line) => `"${line}"`).join(" +\n  ")}`;
}

if (import.meta.main) {
  const text = await kernelsModule();
  await Deno.writeTextFile(KERNELS_MODULE, text);
  console.log(`${KERNELS_MODULE}: ${text.length} characters`);
}
