/** Compiles kernels from AssemblyScript, and writes them as text of a module: what the tasks under `build:kernels` share. */

/** The WebAssembly of a source. `name` is that of its file, for people; `flags` beside those that all kernels have. Throws with the compiler's messages. */
export async function compileKernels(
  { name, source, flags = [] }: {
    readonly name: string;
    readonly source: string;
    readonly flags?: readonly string[];
  },
): Promise<Uint8Array<ArrayBuffer>> {
  const { default: asc } = await import("assemblyscript/asc");
  let bytes: Uint8Array<ArrayBuffer> | undefined;
  const { error, stderr } = await asc.main([
    "kernels.ts",
    "--outFile=kernels.wasm",
    ...["-O3", "--converge", "--noAssert", "--runtime=stub", "--importMemory", "--use=abort="],
    "--enable=simd,bulk-memory",
    ...flags,
  ], {
    readFile: (path) => path === "kernels.ts" ? source : null,
    writeFile: (path, contents) => {
      if (path === "kernels.wasm") bytes = new Uint8Array(contents as Uint8Array);
    },
    listFiles: () => [],
  });
  if (error !== null || bytes === undefined) {
    throw new Error(`Cannot compile ${name}: ${stderr.toString()}`, { cause: error });
  }
  return bytes;
}

/** Bytes as base64: a string over several lines, none of which is longer than what an editor shows. */
export function base64Literal(bytes: Uint8Array): string {
  const lines = bytes.toBase64().match(/.{1,200}/g) ?? [];
  return `\n  ${lines.map((line) => `"${line}"`).join(" +\n  ")}`;
}

/** Writes a module that was made, and says so. */
export async function writeModule(path: string, text: string): Promise<void> {
  await Deno.writeTextFile(path, text);
  console.log(`${path}: ${text.length} characters`);
}
