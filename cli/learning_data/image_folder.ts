/** Finds the four files of a labelled picture set in somebody's folder, by what is in them and by "train", "test" or "t10k" in their names. */
import { join } from "node:path";
import { isGzip } from "../../learning/data/gunzip.ts";
import { type IdxFile, readIdx } from "../../learning/data/idx.ts";
import { classesOf, type ImageSet, type ImageSplit } from "../../learning/data/image_set.ts";
import { DataError } from "./mnist.ts";
import { readPictureFile } from "./read_file.ts";

/** Files looked at; a folder with more is none of a picture set. */
const FILES_MAX = 64;

/** A set as found. */
export interface FoundSet {
  readonly training: ImageSet;
  /** Null when the folder has no pictures for testing. */
  readonly test: ImageSet | null;
  readonly classes: number;
}

/** A file as it was found. */
interface FoundFile {
  readonly path: string;
  readonly file: IdxFile;
}

/** What a folder holds of a set. */
interface Found {
  /** By half and what it is, as "train labels". */
  readonly files: Map<string, FoundFile>;
  /** Why files of a half could not be read. What looks like IDX and is none matters; notes and tables that lie beside matter only where something is missing. */
  readonly failures: {
    readonly split: ImageSplit;
    readonly looksRight: boolean;
    readonly error: DataError;
  }[];
}

/** Reads a folder. Rejects with a `DataError` that says what is missing or does not fit. */
export async function readImageFolder(folder: string): Promise<FoundSet> {
  const names = listFolder(folder).filter((name) => splitOf(name) !== undefined).sort();
  if (names.length > FILES_MAX) {
    throw new DataError(
      "missing",
      `${folder} has ${names.length} files with train or test in their names, expected at most ${FILES_MAX}`,
    );
  }
  const found: Found = { files: new Map(), failures: [] };
  for (const name of names) await readInto(found, join(folder, name), splitOf(name)!);
  const training = together(found, "train", folder);
  const isTested = ["t10k pictures", "t10k labels"].some((key) => found.files.has(key)) ||
    found.failures.some(({ split, looksRight }) => split === "t10k" && looksRight);
  const test = isTested ? together(found, "t10k", folder) : null;
  if (test !== null && sizeOf(test) !== sizeOf(training)) {
    throw new DataError(
      "damaged",
      `Pictures for training are ${sizeOf(training)}, for testing ${sizeOf(test)}`,
    );
  }
  const classes = Math.max(classesOf(training.labels), test === null ? 0 : classesOf(test.labels));
  return { training, test, classes };
}

async function readInto({ files, failures }: Found, path: string, split: ImageSplit) {
  let looksRight = false;
  let file: IdxFile;
  try {
    const bytes = await readPictureFile(path);
    looksRight = isGzip(bytes) || (bytes[0] === 0 && bytes[1] === 0);
    file = await readIdx(bytes, path);
  } catch (cause) {
    if (!(cause instanceof RangeError)) throw cause;
    failures.push({ split, looksRight, error: new DataError("damaged", cause.message, { cause }) });
    return;
  }
  const key = `${split} ${file.extents.length === 1 ? "labels" : "pictures"}`;
  const other = files.get(key);
  if (other !== undefined) {
    // A file and the same one packed are one.
    if (equalFiles(other.file, file)) return;
    throw new DataError(
      "damaged",
      `Both ${other.path} and ${path} hold ${key}; expected one set in a folder`,
    );
  }
  files.set(key, { path, file });
}

function equalFiles(a: IdxFile, b: IdxFile): boolean {
  return a.extents.join() === b.extents.join() &&
    a.values.every((value, i) => value === b.values[i]);
}

/** Which half a file is of, by its name. */
function splitOf(name: string): ImageSplit | undefined {
  if (/train/i.test(name)) return "train";
  return /t10k|test/i.test(name) ? "t10k" : undefined;
}

function together({ files, failures }: Found, split: ImageSplit, folder: string): ImageSet {
  const pictures = files.get(`${split} pictures`);
  const labels = files.get(`${split} labels`);
  if (pictures === undefined || labels === undefined) {
    const ofSplit = failures.filter((failure) => failure.split === split);
    const failure = ofSplit.find(({ looksRight }) => looksRight) ?? ofSplit[0];
    if (failure !== undefined) throw failure.error;
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
