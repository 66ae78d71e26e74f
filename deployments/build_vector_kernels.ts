/**
 * Part of `deno task build:kernels`: compiles `learning/aggregation/vector_kernels.as` into a module with the bytes in it, so that a
 * program in one file needs no other.
 */
import { fileURLToPath } from "node:url";

const SOURCE = fileURLToPath(
  new URL("../learning/aggregation/vector_kernels.as", import.meta.url),
);
/** What the task writes. */
export const VECTOR_KERNELS_MODULE = fileURLToPath(
  new URL("../learning/aggregation/vector_kernels_wasm.ts", import.meta.url),
);

/** The text of the module. Throws with the compiler's messages when it does not compile. */
export async function vectorKernelsModule(): Promise<string> {
  const { default: asc } = await import("assemblyscript/asc");
  const source = await Deno.readTextFile(SOURCE);
  let bytes: Uint8Array | undefined;
  const { error, stderr } = await asc.main([
    "kernels.ts",
    "--outFile=kernels.wasm",
    ...["-O3", "--converge", "--noAssert", "--runtime=stub", "--importMemory", "--use=abort="],
    "--enable=simd,bulk-memory",
  ], {
    readFile: (name) => name === "kernels.ts" ? source : null,
    writeFile: (name, contents) => {
      if (name === "kernels.wasm") bytes = new Uint8Array(contents as Uint8Array);
    },
    listFiles: () => [],
  });
  if (error !== null || bytes === undefined) {
    throw new Error(`Cannot compile vector_kernels.as: ${stderr.toString()}`, { cause: error });
  }
  const lines = bytes.toBase64().match(/.{1,200}/g) ?? [];
  return [
    "/** Made by `deno task build:kernels` from vector_kernels.as; do not edit. WebAssembly as base64. */",
    `export const VECTOR_KERNELS =\n  ${lines.map((line) => `"${line}"`).join(" +\n  ")};`,
    "",
  ].join("\n");
}

if (import.meta.main) {
  const text = await vectorKernelsModule();
  await Deno.writeTextFile(VECTOR_KERNELS_MODULE, text);
  console.log(`${VECTOR_KERNELS_MODULE}: ${text.length} characters`);
}
