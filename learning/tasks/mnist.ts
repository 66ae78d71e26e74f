/** Which digit is in the picture: the task the papers measure themselves by, and any other set of small labelled pictures in IDX files. */
import { isGzip } from "../data/gunzip.ts";
import {
  classesOf,
  datasetOf,
  IMAGE_FOLDER,
  imageFileNames,
  type ImageSet,
  type ImageSplit,
  readImageSet,
  SET_NAME,
} from "../data/image_set.ts";
import { shareOf } from "../data/partition.ts";
import { mcmahanCnn, mlp2nn, smallResidualNet } from "../engine/networks.ts";
import { shapesOf } from "../engine/shapes.ts";
import type { Layer, Network } from "../network.ts";
import type { ExampleSource, LearningTask, NoExamples, TaskOptions } from "../task.ts";
import { TrainingError } from "../trainer.ts";
import { type OptionValues, readOptions } from "./options.ts";

/** Fewer training examples on a device are none. */
export const PICTURES_MIN = 10;
const RESIDUAL_FILTERS = 16;

const MODELS = ["2nn", "cnn", "softmax", "residual"] as const;
const CLASSES_MIN = 2;

const RULES = {
  /** 2nn and cnn are those of McMahan et al. 2017; residual is a small convolutional residual net; softmax has no hidden layer. */
  model: { type: "choice", of: MODELS, default: "2nn" },
  /** Which set of pictures, as it was called at `submind learn data import --name`. */
  set: {
    type: "text",
    pattern: SET_NAME,
    expected: "1 to 32 of a-z, 0-9 and hyphens",
    default: "mnist",
  },
  rows: { type: "integer", min: 1, max: 256, default: 28 },
  columns: { type: "integer", min: 1, max: 256, default: 28 },
  channels: { type: "integer", min: 1, max: 4, default: 1 },
  classes: { type: "integer", min: CLASSES_MIN, max: 256, default: 10 },
} as const;

type Values = OptionValues<typeof RULES>;

/** The task. */
export const mnistTask: LearningTask = {
  name: "mnist",
  title: { en: "Handwritten digits", de: "Handgeschriebene Ziffern" },
  description: {
    en:
      "Recognise the digit in a small picture; also any other set of labelled pictures in IDX files.",
    de:
      "Die Ziffer auf einem kleinen Bild erkennen; ebenso jeder andere Satz beschrifteter Bilder in IDX-Dateien.",
  },
  defaults: { rounds: 50, epochs: 1, batchSize: 10, learningRate: 0.1 },
  sizes: [{ model: "cnn" }, { model: "2nn" }, { model: "residual" }, { model: "softmax" }],
  network: (options) => networkOf(readOptions("mnist", RULES, options)),
  async examples({ source, options, share }) {
    const values = readOptions("mnist", RULES, options);
    const training = await readSplit(source, values, "train");
    if ("unavailable" in training) return training;
    const test = await readSplit(source, values, "t10k");
    const mine = share === null ? undefined : shareOf(training.labels, share);
    const dataset = datasetOf(training, mine);
    if (dataset.count < PICTURES_MIN) {
      return { unavailable: `${dataset.count} pictures are too few, at least ${PICTURES_MIN}` };
    }
    return { training: dataset, test: "unavailable" in test ? null : datasetOf(test) };
  },
};

function networkOf(values: Values): Network {
  const network = chosenNetwork(values);
  const error = misfitOf(network);
  if (error === undefined) return network;
  const others = MODELS.filter((model) =>
    misfitOf(chosenNetwork({ ...values, model })) === undefined
  );
  throw new RangeError(
    `Task "mnist": model ${values.model} does not fit pictures of ${values.rows}×${values.columns}: ${error.message}; ${
      others.length === 0 ? "no model" : `model ${others.join(" or ")}`
    } would fit`,
    { cause: error },
  );
}

/** Why a network cannot be built; undefined when it can. */
function misfitOf(network: Network): TrainingError | undefined {
  try {
    shapesOf(network);
  } catch (error) {
    if (error instanceof TrainingError) return error;
    throw error;
  }
  return undefined;
}

function chosenNetwork({ model, rows, columns, channels, classes }: Values): Network {
  const input = { rows, columns, channels };
  if (model === "residual") return smallResidualNet({ input, filters: RESIDUAL_FILTERS, classes });
  const loss = { type: "crossEntropy", classes } as const;
  if (model === "softmax") {
    return { input, layers: [{ type: "dense", name: "dense1", units: classes }], loss };
  }
  const network = model === "cnn" ? mcmahanCnn() : mlp2nn();
  const { layers } = network;
  const last = layers.length - 1;
  return {
    ...network,
    input,
    layers: layers.map((layer, i): Layer =>
      i === last && layer.type === "dense" ? { ...layer, units: classes } : layer
    ),
    loss,
  };
}

/** One half of the set, or why it cannot be had. */
async function readSplit(
  source: ExampleSource,
  values: Values,
  split: ImageSplit,
): Promise<ImageSet | NoExamples> {
  const names = imageFileNames(values.set, split);
  const images = await readEither(source, names.images);
  const labels = await readEither(source, names.labels);
  if (images === undefined || labels === undefined) {
    const missing = images === undefined ? names.images : names.labels;
    const command = values.set === "mnist"
      ? "fetch mnist"
      : `import --idx FOLDER --name ${values.set}`;
    return { unavailable: `${missing} is not here; bring it with: submind learn data ${command}` };
  }
  try {
    const set = await readImageSet({ images, labels }, names);
    const problem = problemOf(set, values, names.images);
    return problem === undefined ? set : { unavailable: problem, misfit: true };
  } catch (error) {
    if (error instanceof RangeError) return { unavailable: error.message };
    throw error;
  }
}

/** As it is or packed. */
async function readEither(
  source: ExampleSource,
  name: string,
): Promise<Uint8Array<ArrayBuffer> | undefined> {
  const plain = await source.readFile(`${IMAGE_FOLDER}/${name}`);
  if (plain !== undefined) return plain;
  const packed = await source.readFile(`${IMAGE_FOLDER}/${name}.gz`);
  return packed !== undefined && isGzip(packed) ? packed : undefined;
}

function problemOf(set: ImageSet, values: Values, what: string): string | undefined {
  const { rows, columns, channels, classes } = values;
  if (set.rows !== rows || set.columns !== columns || set.channels !== channels) {
    return `${what} has pictures of ${set.rows}×${set.columns}×${set.channels}, the plan says ${rows}×${columns}×${channels}; expected the options rows=${set.rows} columns=${set.columns} channels=${set.channels}`;
  }
  const here = classesOf(set.labels);
  return here <= classes
    ? undefined
    : `${what} has a label ${
      here - 1
    }, the plan has ${classes} classes; expected the option classes=${here} at least`;
}

/** The options with which this task learns a set of other pictures. */
export function optionsForSet(
  set: string,
  images: Pick<ImageSet, "rows" | "columns" | "channels">,
  classes: number,
): TaskOptions {
  const { rows, columns, channels } = images;
  // A device may have pictures of one class only, and another one those of the others.
  return { set, rows, columns, channels, classes: Math.max(CLASSES_MIN, classes) };
}
