/** The pictures of the demo: MNIST if this person's data folder has it, else the sample that comes with the source. */
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import {
  IMAGE_FOLDER,
  imageFileNames,
  type ImageSplit,
  readImageSet,
} from "../../learning/data/image_set.ts";
import { type CommandContext, dataDirectoryOf } from "../command.ts";
import { CliError, EXIT } from "../exit_codes.ts";
import { exists } from "../folder.ts";

const SPLITS: readonly ImageSplit[] = ["train", "t10k"];

export interface DemoPictures {
  readonly source: "sample" | "full";
  readonly training: number;
  readonly test: number;
  /** Puts the four files where a node with this data folder looks for them. */
  giveTo(dataDirectory: string): void;
}

/** Finds the pictures. Throws a `CliError` that says how to get some when there are none. */
export async function demoPictures(context: CommandContext): Promise<DemoPictures> {
  const own = join(dataDirectoryOf(context), "learning", IMAGE_FOLDER);
  const sample = fileURLToPath(new URL("../../tests/fixtures/learning/mnist", import.meta.url));
  for (const [source, folder] of [["full", own], ["sample", sample]] as const) {
    const files = filesIn(folder);
    if (files === null) continue;
    const count = async (split: ImageSplit) => {
      const { images, labels } = imageFileNames("mnist", split);
      const bytes = (name: string) => Deno.readFileSync(files.get(name)!);
      const set = await readImageSet({ images: bytes(images), labels: bytes(labels) }, {
        images,
        labels,
      });
      return set.count;
    };
    return {
      source,
      training: await count("train"),
      test: await count("t10k"),
      giveTo(dataDirectory) {
        const target = join(dataDirectory, "learning", IMAGE_FOLDER);
        Deno.mkdirSync(target, { recursive: true, mode: 0o700 });
        for (const path of files.values()) {
          Deno.copyFileSync(path, join(target, path.split(/[\\/]/).at(-1)!));
        }
      },
    };
  }
  throw new CliError(context.texts.demoLearn.noData, {
    code: "notFound",
    exitCode: EXIT.failed,
    hint: context.texts.demoLearn.noDataHint,
  });
}

/** The four files by their plain names, packed or not; null unless all are there. */
function filesIn(folder: string): ReadonlyMap<string, string> | null {
  const found = new Map<string, string>();
  for (const split of SPLITS) {
    const { images, labels } = imageFileNames("mnist", split);
    for (const name of [images, labels]) {
      const path = [name, `${name}.gz`].map((file) => join(folder, file)).find(exists);
      if (path === undefined) return null;
      found.set(name, path);
    }
  }
  return found;
}
