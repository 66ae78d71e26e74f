/** Finds the files below a folder. Never follows symbolic links, so loops cannot happen; says what it left out and why. */
import ignore, { type Ignore } from "ignore";
import { basename, join } from "node:path";
import { errorText } from "../../platform/error_text.ts";

export interface WalkLimits {
  /** Larger files are skipped, bytes. */
  readonly fileBytesMax: number;
  /** Further files are skipped. */
  readonly filesMax: number;
  /** Deeper folders are skipped. */
  readonly depthMax: number;
}

export const DEFAULT_WALK_LIMITS: Omit<WalkLimits, "fileBytesMax"> = {
  filesMax: 100_000,
  depthMax: 64,
};

export type SkipReason =
  | "hidden"
  | "ignored"
  | "symbolicLink"
  | "tooLarge"
  | "tooMany"
  | "tooDeep"
  | "notAFile"
  | "unreadable"
  | "empty"
  | "damaged";

/** A file that will not be added. */
export interface Skipped {
  readonly type: "skipped";
  readonly path: string;
  readonly reason: SkipReason;
  readonly detail: string;
}

export interface FoundFile {
  readonly type: "file";
  /** Where to read it. */
  readonly path: string;
  /** Name below the root, with "/", starting with the root's own name. */
  readonly name: string;
  readonly sizeBytes: number;
}

export interface WalkOptions {
  readonly limits: WalkLimits;
  /** Also files and folders whose names start with a dot. */
  readonly hidden: boolean;
}

/** Folders that hold what can be made again. */
const ALWAYS_IGNORED = ["node_modules/", "__pycache__/", ".git/"];
const IGNORE_FILES = [".gitignore", ".submindignore"];
const IGNORE_FILE_BYTES_MAX = 64 * 1024;

/** Lists what is below `root` (a file or a folder), sorted by name. Throws only when `root` itself cannot be read. */
export function* walk(root: string, options: WalkOptions): Generator<FoundFile | Skipped> {
  const info = Deno.statSync(root);
  const name = basename(Deno.realPathSync(root));
  if (!info.isDirectory) {
    yield fileOrSkip({ path: root, name, info, limits: options.limits });
    return;
  }
  let files = 0;
  for (const entry of walkFolder({ path: root, name, depth: 0, rules: [], options })) {
    if (entry.type === "file" && ++files > options.limits.filesMax) {
      const detail = `expected at most ${options.limits.filesMax} files`;
      yield { type: "skipped", path: entry.path, reason: "tooMany", detail };
      return;
    }
    yield entry;
  }
}

interface Folder {
  readonly path: string;
  readonly name: string;
  readonly depth: number;
  /** Ignore rules of this folder and those above it, with the name their patterns are relative to. */
  readonly rules: readonly { readonly base: string; readonly rule: Ignore }[];
  readonly options: WalkOptions;
}

function* walkFolder(folder: Folder): Generator<FoundFile | Skipped> {
  const { path, name, depth, options } = folder;
  if (depth > options.limits.depthMax) {
    const detail = `expected at most ${options.limits.depthMax} folders inside each other`;
    yield { type: "skipped", path, reason: "tooDeep", detail };
    return;
  }
  let entries: Deno.DirEntry[];
  try {
    entries = [...Deno.readDirSync(path)].sort((a, b) => a.name < b.name ? -1 : 1);
  } catch (error) {
    yield unreadable(path, error);
    return;
  }
  const rules = [...folder.rules, { base: name, rule: rulesOf(path, depth) }];
  for (const entry of entries) {
    const child = { path: join(path, entry.name), name: `${name}/${entry.name}` };
    if (entry.isSymlink) {
      yield { type: "skipped", path: child.path, reason: "symbolicLink", detail: "" };
    } else if (entry.name.startsWith(".") && !options.hidden) {
      yield { type: "skipped", path: child.path, reason: "hidden", detail: "" };
    } else if (isIgnored(child.name, entry.isDirectory, rules)) {
      yield { type: "skipped", path: child.path, reason: "ignored", detail: "" };
    } else if (entry.isDirectory) {
      yield* walkFolder({ ...child, depth: depth + 1, rules, options });
    } else {
      yield statAndCheck(child, options.limits);
    }
  }
}

function rulesOf(path: string, depth: number): Ignore {
  const rule = ignore();
  if (depth === 0) rule.add(ALWAYS_IGNORED);
  for (const name of IGNORE_FILES) {
    try {
      const file = join(path, name);
      if (Deno.lstatSync(file).size <= IGNORE_FILE_BYTES_MAX) rule.add(Deno.readTextFileSync(file));
    } catch {
      // No such file here, or not for us: then it rules nothing.
    }
  }
  return rule;
}

function isIgnored(name: string, isDirectory: boolean, rules: Folder["rules"]): boolean {
  let ignored = false;
  for (const { base, rule } of rules) {
    const result = rule.test(name.slice(base.length + 1) + (isDirectory ? "/" : ""));
    if (result.ignored) ignored = true;
    if (result.unignored) ignored = false;
  }
  return ignored;
}

function statAndCheck(
  child: { readonly path: string; readonly name: string },
  limits: WalkLimits,
): FoundFile | Skipped {
  try {
    return fileOrSkip({ ...child, info: Deno.lstatSync(child.path), limits });
  } catch (error) {
    return unreadable(child.path, error);
  }
}

function fileOrSkip(
  found: { path: string; name: string; info: Deno.FileInfo; limits: WalkLimits },
): FoundFile | Skipped {
  const { path, name, info, limits } = found;
  if (!info.isFile) return { type: "skipped", path, reason: "notAFile", detail: "" };
  if (info.size > limits.fileBytesMax) {
    const detail = `${info.size} bytes, expected at most ${limits.fileBytesMax}`;
    return { type: "skipped", path, reason: "tooLarge", detail };
  }
  return { type: "file", path, name, sizeBytes: info.size };
}

/** A file that could not be read, with the reason in the system's words. */
export function unreadable(path: string, error: unknown): Skipped {
  const detail = errorText(error);
  return { type: "skipped", path, reason: "unreadable", detail };
}
