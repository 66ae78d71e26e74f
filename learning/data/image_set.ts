/** A labelled set of pictures in the IDX files of the MNIST family: which files, and what must fit between them. */
import type { Dataset } from "../trainer.ts";
import { type IdxImages, imagesOf, labelsOf, readIdx } from "./idx.ts";

/** Where pictures lie among the files that tasks read (`ExampleSource.readFile`): the folder of the task "mnist". */
export const IMAGE_FOLDER = "mnist";

/** The two halves of a set. */
export type ImageSplit = "train" | "t10k";

/** Pictures with their labels. */
export interface ImageSet extends IdxImages {
  readonly labels: Uint8Array<ArrayBuffer>;
}

/** Names of a set: 1–32 of a–z, 0–9 and hyphens, first a letter. */
export const SET_NAME = /^[a-z][a-z0-9-]{0,31}$/;

/** The names a set's files have in the task's folder; `.gz` may follow. */
export function imageFileNames(
  set: string,
  split: ImageSplit,
): { readonly images: string; readonly labels: string } {
  return {
    images: `${set}-${split}-images-idx3-ubyte`,
    labels: `${set}-${split}-labels-idx1-ubyte`,
  };
}

/**
 * Pictures and labels together. Throws a `RangeError` when a file is no IDX file, or when there are not as many labels as pictures.
 */
export async function readImageSet(
  files: { readonly images: Uint8Array<ArrayBuffer>; readonly labels: Uint8Array<ArrayBuffer> },
  what: { readonly images: string; readonly labels: string },
): Promise<ImageSet> {
  const images = imagesOf(await readIdx(files.images, what.images), what.images);
  const labels = labelsOf(await readIdx(files.labels, what.labels), what.labels);
  if (labels.length !== images.count) {
    throw new RangeError(
      `Cannot use ${what.labels} with ${what.images}: ${labels.length} labels for ${images.count} pictures`,
    );
  }
  return { ...images, labels };
}

/** Classes of a set: the largest label and one more. */
export function classesOf(labels: Uint8Array): number {
  return labels.reduce((most, label) => Math.max(most, label), 0) + 1;
}

/** The set as the engine wants it, all of it or the examples named. Copies when examples are named. */
export function datasetOf(set: ImageSet, examples?: Uint32Array): Dataset {
  const exampleLength = set.rows * set.columns * set.channels;
  if (examples === undefined) {
    return { exampleLength, count: set.count, inputs: set.pixels, labels: set.labels };
  }
  const inputs = new Uint8Array(examples.length * exampleLength);
  const labels = new Uint8Array(examples.length);
  examples.forEach((example, i) => {
    const start = example * exampleLength;
    inputs.set(set.pixels.subarray(start, start + exampleLength), i * exampleLength);
    labels[i] = set.labels[example]!;
  });
  return { exampleLength, count: examples.length, inputs, labels };
}
