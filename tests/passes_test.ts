/** Nothing is run twice or left out, and what cannot share a process has its own. */
import assert from "node:assert/strict";
import { dirname, join, normalize, relative } from "node:path";
import { allPasses, LONG, OWN_PROCESS } from "./passes.ts";

const ROOT = normalize(join(import.meta.dirname!, ".."));

/** Whoever imports one of these loads the WebRTC addon sooner or later. */
const LOADS_THE_ADDON: ReadonlySet<string> = new Set([
  "platform/webrtc_library.ts",
  "bench/list.ts",
]);

function testFiles(folder: string): readonly string[] {
  return [...Deno.readDirSync(join(ROOT, folder))].flatMap(({ name, isDirectory }) => {
    const path = `${folder}/${name}`;
    return isDirectory ? testFiles(path) : path.endsWith("_test.ts") ? [path] : [];
  });
}

/** What a file imports when it is loaded, without types. */
function importsOf(path: string): readonly string[] {
  const text = Deno.readTextFileSync(join(ROOT, path));
  return [...text.matchAll(/^(?:import|export)\s+(type\s)?[^"';]*?from\s+"(\.[^"]+)"/gm)]
    .filter(([, type]) => type === undefined)
    .map(([, , to = ""]) => relative(ROOT, normalize(join(ROOT, dirname(path), to))));
}

function loadsTheAddon(path: string): boolean {
  const seen = new Set([path]);
  for (const one of seen) {
    if (LOADS_THE_ADDON.has(one)) return true;
    for (const next of importsOf(one)) seen.add(next);
  }
  return false;
}

Deno.test("a test file that loads the WebRTC addon has a process of its own", () => {
  assert.deepEqual(testFiles("tests").filter(loadsTheAddon).toSorted(), OWN_PROCESS.toSorted());
});

Deno.test("every test file runs once, and what takes long only when asked for", () => {
  const under = (path: string, folders: readonly string[]) =>
    folders.some((folder) => path === folder || path.startsWith(`${folder.replace(/\/$/, "")}/`));
  for (const long of [false, true]) {
    for (const file of testFiles("tests")) {
      const times = allPasses(long).filter(({ paths, without }) =>
        under(file, paths) && !under(file, without)
      )
        .length;
      assert.equal(times, !long && under(file, [LONG]) ? 0 : 1, file);
    }
  }
});
