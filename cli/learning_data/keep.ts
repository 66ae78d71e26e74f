/** Puts a picture set where a device's tasks look for it: `<data directory>/learning/mnist/`. */
import { join } from "node:path";
import { writeIdx } from "../../learning/data/idx.ts";
import {
  classesOf,
  IMAGE_FOLDER,
  imageFileNames,
  type ImageSet,
  readImageSet,
  SET_NAME,
} from "../../learning/data/image_set.ts";
import { exists } from "../folder.ts";
import { readPictureFile } from "./read_file.ts";

/** What a device has of one set. */
export interface KeptSet {
  readonly name: string;
  readonly folder: string;
  readonly training: number;
  readonly test: number;
  readonly rows: number;
  readonly columns: number;
  readonly channels: number;
  readonly classes: number;
}

/** As `learningDataDirectory` of deployments/learning.ts, which would load all of learning with it; a test reads what was brought here through that one. */
const LEARNING_FOLDER = "learning";

/** The folder of the task whose examples are pictures. */
export function imageFolder(dataDirectory: string): string {
  return join(dataDirectory, LEARNING_FOLDER, IMAGE_FOLDER);
}

/** Writes a set's files, each whole or not at all; an older set of the name is replaced. */
export async function keepImageSet(
  folder: string,
  name: string,
  set: { readonly training: ImageSet; readonly test: ImageSet | null },
): Promise<KeptSet> {
  Deno.mkdirSync(folder, { recursive: true, mode: 0o700 });
  const halves = [["train", set.training], ["t10k", set.test]] as const;
  for (const [split, images] of halves) {
    const names = imageFileNames(name, split);
    if (images === null) {
      for (const file of [names.images, names.labels]) {
        removeIfThere(join(folder, file));
        removeIfThere(join(folder, `${file}.gz`));
      }
      continue;
    }
    const { count, rows, columns, channels, pixels, labels } = images;
    const extents = channels === 1 ? [count, rows, columns] : [count, rows, columns, channels];
    await writeWhole(join(folder, names.images), writeIdx(extents, pixels));
    await writeWhole(join(folder, names.labels), writeIdx([count], labels));
  }
  return describe(folder, name, set.training, set.test);
}

/** The sets a device has, by name. Files that cannot be read are left out. */
export async function keptImageSets(folder: string): Promise<readonly KeptSet[]> {
  const found: KeptSet[] = [];
  for (const name of namesIn(folder)) {
    const training = await readHalf(folder, name, "train");
    if (training === null) continue;
    found.push(describe(folder, name, training, await readHalf(folder, name, "t10k")));
  }
  return found;
}

function namesIn(folder: string): readonly string[] {
  if (!exists(folder)) return [];
  return [...Deno.readDirSync(folder)].flatMap(({ name }) => {
    const [, set] = /^(.+)-train-images-idx3-ubyte(?:\.gz)?$/.exec(name) ?? [];
    return set !== undefined && SET_NAME.test(set) ? [set] : [];
  }).sort().filter((name, index, all) => name !== all[index - 1]);
}

async function readHalf(
  folder: string,
  name: string,
  split: "train" | "t10k",
): Promise<ImageSet | null> {
  const names = imageFileNames(name, split);
  try {
    return await readImageSet({
      images: await readPacked(join(folder, names.images)),
      labels: await readPacked(join(folder, names.labels)),
    }, names);
  } catch (error) {
    if (error instanceof RangeError) return null;
    throw error;
  }
}

function describe(
  folder: string,
  name: string,
  training: ImageSet,
  test: ImageSet | null,
): KeptSet {
  const { rows, columns, channels } = training;
  const classes = Math.max(classesOf(training.labels), test === null ? 0 : classesOf(test.labels));
  return {
    name,
    folder,
    training: training.count,
    test: test?.count ?? 0,
    rows,
    columns,
    channels,
    classes,
  };
}

/** The file, else the same with `.gz`, as the task looks for them. */
async function readPacked(path: string): Promise<Uint8Array<ArrayBuffer>> {
  return await readPictureFile(exists(path) ? path : `${path}.gz`);
}

async function writeWhole(path: string, bytes: Uint8Array): Promise<void> {
  const beside = `${path}.new`;
  try {
    await Deno.writeFile(beside, bytes, { mode: 0o600 });
    await Deno.rename(beside, path);
  } catch (error) {
    // Half a file on a full disk would only take the room that is missing.
    removeIfThere(beside);
    throw error;
  }
}

function removeIfThere(path: string): void {
  if (exists(path)) Deno.removeSync(path);
}
