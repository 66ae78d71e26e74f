/** Finds the four files of a labelled picture set in somebody's folder, by what is in them and by "train", "test" or "t10k" in their names. */
import { join } from "node:path";
import { type IdxFile, readIdx } from "../../learning/data/idx.ts";
import { classesOf, type ImageSet, type ImageSplit } from "../../learning/data/image_set.ts";
import { DataError } from "./mnist.ts";

/** Files looked at; a folder with more is none of a picture set. */
const FILES_MAX = 64;

/** A set as found. */
export interface FoundSet {
  readonly training: ImageSet;
  /** Null when the folder has no pictures for testing. */
  readonly test: ImageSet | null;
  readonly classes: number;
}

/** Reads a folder. Rejects with a `DataError` that says what is missing or does not fit. */
export async function readImageFolder(folder: string): Promise<FoundSet> {
  const found = new Map<string, { readonly path: string; readonly file: IdxFile }>();
  const names = listFolder(folder).filter((name) => splitOf(name) !== undefined).sort();
  if (names.length > FILES_MAX) {
    throw new DataError("missing", `${folder} has ${names.length} files that may be it`);
  }
  for (const name of names) {
    const path = join(folder, name);
    const file = await readIdx(await Deno.readFile(path), path).catch((cause: unknown) => {
      throw new DataError("damaged", (cause as Error).message, { cause });
    });
    const key = `${splitOf(name)} ${file.extents.length === 1 ? "labels" : "pictures"}`;
    const other = found.get(key);
    if (other !== undefined) {
      throw new DataError("damaged", `Both ${other.path} and ${path} hold ${key}`);
    }
    found.set(key, { path, file });
  }
  const training = together(found, "train", folder);
  const test = ["t10k pictures", "t10k labels"].some((key) => found.has(key))
    ? together(found, "t10k", folder)
    : null;
  if (test !== null && sizeOf(test) !== sizeOf(training)) {
    throw new DataError(
      "damaged",
      `Pictures for training are ${sizeOf(training)}, for testing ${sizeOf(test)}`,
    );
  }
  const classes = Math.max(classesOf(training.labels), test === null ? 0 : classesOf(test.labels));
  return { training, test, classes };
}

/** Which half a file is of, by its name. */
function splitOf(name: string): ImageSplit | undefined {
  if (/train/i.test(name)) return "train";
  return /t10k|test/i.test(name) ? "t10k" : undefined;
}

function together(
  found: ReadonlyMap<string, { readonly path: string; readonly file: IdxFile }>,
  split: ImageSplit,
  folder: string,
): ImageSet {
  const pictures = found.get(`${split} pictures`);
  const labels = found.get(`${split} labels`);
  if (pictures === undefined || labels === undefined) {
    const what = `${pictures === undefined ? "pictures" : "labels"} for ${
      split === "train" ? "training" : "testing"
    }`;
    throw new DataError("missing", `Cannot find ${what} in ${folder}`);
  }
  const [count = 0, rows = 0, columns = 0, channels = 1] = pictures.file.extents;
  if (labels.file.values.length !== count) {
    throw new DataError(
      "damaged",
      `${labels.path} has ${labels.file.values.length} labels, ${pictures.path} ${count} pictures`,
    );
  }
  return {
    count,
    rows,
    columns,
    channels,
    pixels: pictures.file.values,
    labels: labels.file.values,
  };
}

function sizeOf({ rows, columns, channels }: ImageSet): string {
  return `${rows}×${columns}×${channels}`;
}

function listFolder(folder: string): readonly string[] {
  try {
    return [...Deno.readDirSync(folder)].filter(({ isFile, isSymlink }) => isFile || isSymlink)
      .map(({ name }) => name);
  } catch (cause) {
    throw new DataError("missing", `Cannot read the folder ${folder}`, { cause });
  }
}
