/**
 * `deno task compile`: one executable with everything in it, in `dist/`. Needs `denort`, the runtime that is put in front of the program: Deno
 * fetches it from its own host, or takes the file that DENORT_BIN names.
 */
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
/** What the program reads at run time without importing it: the pages, the workers, and the documents of the demo. */
const INCLUDED = [
  "gateway/page",
  "platform/checkpoint_worker.ts",
  "platform/crypto_worker.ts",
  "platform/sign_worker.ts",
  "platform/training_worker.ts",
  "platform/mask_worker.ts",
  "platform/paillier_worker.ts",
  "platform/watchdog_worker.ts",
  "docs",
];
/** Folders of packages that hold no code of theirs. The test data of bintrees makes the compiler overflow its stack. */
const EXCLUDED_OF_PACKAGES = [{ name: "bintrees", folder: "test" }];

export interface CompileOptions {
  /** The file to write. */
  readonly output: string;
  /** As `deno compile --target`; null for this machine. */
  readonly target: string | null;
}

/** Compiles. Resolves with the exit status of the compiler, whose messages go to the terminal. */
export async function compile(options: CompileOptions): Promise<number> {
  const command = new Deno.Command(Deno.execPath(), {
    args: [
      "compile",
      "--allow-all",
      "--no-check",
      "--exclude-unused-npm",
      ...INCLUDED.flatMap((path) => ["--include", path]),
      ...(await excludedFolders()).flatMap((path) => ["--exclude", path]),
      ...(options.target === null ? [] : ["--target", options.target]),
      "--output",
      options.output,
      "cli/main.ts",
    ],
    cwd: ROOT,
    stdout: "inherit",
    stderr: "inherit",
  });
  return (await command.spawn().status).code;
}

/** Where the excluded folders lie in the cache of packages, in every version that is there. */
async function excludedFolders(): Promise<readonly string[]> {
  const { stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["info", "--json"],
    cwd: ROOT,
    stderr: "inherit",
  }).output();
  const { npmCache } = JSON.parse(new TextDecoder().decode(stdout)) as { npmCache: string };
  const folders: string[] = [];
  for (const registry of namesIn(npmCache)) {
    for (const { name, folder } of EXCLUDED_OF_PACKAGES) {
      const versions = join(npmCache, registry, name);
      folders.push(...namesIn(versions).map((version) => join(versions, version, folder)));
    }
  }
  return folders;
}

function namesIn(folder: string): readonly string[] {
  try {
    return [...Deno.readDirSync(folder)].filter((entry) => entry.isDirectory)
      .map((entry) => entry.name);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) {
      return [];
    }
    throw error;
  }
}

/** The value behind `--name` among the arguments. */
function argument(name: string): string | null {
  const at = Deno.args.indexOf(name);
  return at === -1 ? null : Deno.args[at + 1] ?? null;
}

if (import.meta.main) {
  const target = argument("--target");
  const suffix = (target ?? Deno.build.target).includes("windows") ? ".exe" : "";
  const output = argument("--output") ?? join(ROOT, "dist", `submind${suffix}`);
  const code = await compile({ output, target });
  if (code !== 0 && Deno.env.get("DENORT_BIN") === undefined) {
    console.error(
      "Where Deno's own host cannot be reached, name a denort of the same version: DENORT_BIN=/path/to/denort deno task compile",
    );
  }
  Deno.exit(code);
}
