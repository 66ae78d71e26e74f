/** Committed kernels against their source. */
import assert from "node:assert/strict";
import { basename } from "node:path";
import { skipped } from "../skipped.ts";

/** A test that a committed module is what its source compiles to. */
export async function committedKernels(
  name: string,
  module: string,
  compiled: () => Promise<string>,
): Promise<void> {
  const compiler = await import("assemblyscript/asc").then(() => true, () => false);
  const reason = compiler ? null : "the AssemblyScript compiler is not there";
  Deno.test({
    name: `the committed ${name} are what their source compiles to`,
    ignore: skipped(`${name} are not compiled anew`, reason),
    fn: async () => {
      assert.ok(
        await compiled() === await Deno.readTextFile(module),
        `${basename(module)} is not what the source compiles to: run deno task build:kernels`,
      );
    },
  });
}
