/** Imports point down, adapters are known to composition roots only, and no file has grown past its subject. */
import assert from "node:assert/strict";
import { dirname, join, normalize, relative } from "node:path";

const ROOT = normalize(join(import.meta.dirname!, ".."));

// A file in a folder may import files of its own rank only in its own folder, and anything of a lower rank.
const RANKS: readonly (readonly [prefix: string, rank: number])[] = [
  ["cli/", 9],
  ["deployments/", 8],
  ["mod.ts", 8],
  ["gateway/", 7],
  ["simulation/", 7],
  ["actors/kernel/", 4],
  ["actors/", 5],
  ["store/", 3],
  ["learning/", 3],
  ["inference/", 3],
  ["protocols/", 2],
  ["platform/", 1],
];

// Ports and helpers without effects: everything else in platform/ and store/ is an adapter.
const PORTS =
  /^(platform\/(ports|transport|path_events|discovery|broker|group_crypto|invariant|error_text)|store\/(store|mail|mail_rows|mail_tables|readings|search_query|searchable_text|limits))\.ts$/;
const COMPOSITION_ROOTS = /^(deployments\/|simulation\/|cli\/|mod\.ts|gateway\/)/;

/** Contracts that views and actors share; they stand in actors/ but import nothing that runs. */
const SIBLINGS_ALLOWED = /^actors\/(events|handle|refs|node|node_handle|block_views)\.ts$/;

interface Import {
  readonly from: string;
  readonly to: string;
  readonly typeOnly: boolean;
}

// Adapters stand above the protocols whose bytes they carry, whatever folder their port is in.
const ADAPTER_RANK = 3;

function rankOf(path: string): number | undefined {
  if (isAdapter(path)) return ADAPTER_RANK;
  return RANKS.find(([prefix]) => path.startsWith(prefix))?.[1];
}

function isAdapter(path: string): boolean {
  return /^(platform|store)\//.test(path) && !PORTS.test(path);
}

/** What is not product; at the root only, because tests mirror its folders. */
const BESIDE = /^(tests|bench|docs)$/;

function* sourceFiles(folder: string): Generator<string> {
  for (const entry of Deno.readDirSync(join(ROOT, folder))) {
    const path = folder === "." ? entry.name : `${folder}/${entry.name}`;
    if (entry.isDirectory) {
      if (
        !/^(node_modules|\..*)$/.test(entry.name) && !BESIDE.test(path)
      ) yield* sourceFiles(path);
    } else if (/\.tsx?$/.test(entry.name)) yield path;
  }
}

function importsOf(path: string): readonly Import[] {
  const text = Deno.readTextFileSync(join(ROOT, path));
  const imports: Import[] = [];
  for (
    const match of text.matchAll(
      /^(?:import|export)\s+(type\s)?[^"';]*?from\s+"(\.[^"]+)"|import\("(\.[^"]+)"\)/gm,
    )
  ) {
    const specifier = match[2] ?? match[3]!;
    const to = relative(ROOT, normalize(join(ROOT, dirname(path), specifier)));
    imports.push({ from: path, to, typeOnly: match[1] !== undefined });
  }
  return imports;
}

const files = [...sourceFiles(".")];
const imports = files.flatMap(importsOf);

Deno.test("imports point down", () => {
  const wrong = imports.filter(({ from, to }) => {
    const [a, b] = [rankOf(from), rankOf(to)];
    return a !== undefined && b !== undefined && b > a;
  });
  assert.deepEqual(wrong.map(({ from, to }) => `${from} imports ${to}`), []);
});

Deno.test("an actor imports other actors' commands, never their behaviours", () => {
  const wrong = imports.filter(({ from, to }) => {
    const [a, b] = [/^actors\/([a-z]+)\//.exec(from)?.[1], /^actors\/([a-z]+)\//.exec(to)?.[1]];
    if (
      a === undefined || b === undefined || a === b || b === "kernel" || SIBLINGS_ALLOWED.test(from)
    ) return false;
    return !to.endsWith("/commands.ts");
  });
  assert.deepEqual(wrong.map(({ from, to }) => `${from} imports ${to}`), []);
});

Deno.test("adapters are imported by composition roots only", () => {
  const wrong = imports.filter(({ from, to, typeOnly }) => {
    return !typeOnly && isAdapter(to) && !isAdapter(from) && !COMPOSITION_ROOTS.test(from);
  });
  assert.deepEqual(wrong.map(({ from, to }) => `${from} imports ${to}`), []);
});

Deno.test("every source file, test and bench is shorter than 400 lines", () => {
  const all = [...files, ...sourceFiles("tests"), ...sourceFiles("bench")];
  const long = all.filter((path) =>
    Deno.readTextFileSync(join(ROOT, path)).split("\n").length > 400
  );
  assert.deepEqual(long, []);
});

Deno.test("no file names a package host", () => {
  const hosts =
    /registry\.npmjs\.org|deno\.land|jsr\.io|esm\.sh|unpkg\.com|jsdelivr\.net|pypi\.org|crates\.io|proxy\.golang\.org/;
  const own = relative(ROOT, import.meta.filename!);
  const named = [...files, "deno.json", "README.md"].filter((path) => {
    try {
      return path !== own && hosts.test(Deno.readTextFileSync(join(ROOT, path)));
    } catch {
      return false;
    }
  });
  assert.deepEqual(named, []);
});
