/** Real samples for tests of learning: 500 + 100 pictures of MNIST, and an office's temperature by the hour. */
import { gunzip } from "../../learning/data/gunzip.ts";
import { type ImageSet, type ImageSplit, readImageSet } from "../../learning/data/image_set.ts";
import type { ExampleSource, TaskBlock, TaskReading } from "../../learning/task.ts";

const FOLDER = new URL("../fixtures/learning/", import.meta.url);

/** One file of the fixtures. */
export function readFixture(path: string): Promise<Uint8Array<ArrayBuffer>> {
  return Deno.readFile(new URL(path, FOLDER));
}

/** 500 training or 100 test pictures of MNIST, real ones. */
export async function smallMnist(split: ImageSplit): Promise<ImageSet> {
  const [images, labels] = [
    `mnist-${split}-images-idx3-ubyte.gz`,
    `mnist-${split}-labels-idx1-ubyte.gz`,
  ];
  return await readImageSet({
    images: await readFixture(`mnist/${images}`),
    labels: await readFixture(`mnist/${labels}`),
  }, { images, labels });
}

/** 2,000 hourly temperatures of an office, °F, with gaps. */
export async function officeTemperatures(): Promise<readonly TaskReading[]> {
  const packed = await readFixture("sensors/ambient_temperature.csv.gz");
  const text = new TextDecoder().decode(
    await gunzip(packed, { bytesMax: 1_000_000, what: "ambient_temperature.csv.gz" }),
  );
  return text.trim().split("\n").slice(1).map((line) => {
    const [time = "", value = ""] = line.split(",");
    return { timeMs: Date.parse(`${time.replace(" ", "T")}Z`), value: Number(value) };
  });
}

/** A source that holds what a test gives it. */
export function sourceOf(held: {
  readonly files?: Readonly<Record<string, Uint8Array<ArrayBuffer>>>;
  readonly blocks?: readonly TaskBlock[];
  readonly series?: Readonly<Record<string, readonly TaskReading[]>>;
}): ExampleSource {
  return {
    readFile: (name) => Promise.resolve(held.files?.[name]),
    async *blocks({ wanted = () => true, limit }) {
      yield* await Promise.resolve((held.blocks ?? []).filter(wanted).slice(-limit));
    },
    series: () => Promise.resolve(Object.keys(held.series ?? {})),
    readings: (series, limit) => Promise.resolve((held.series?.[series] ?? []).slice(-limit)),
  };
}

/** The four files of the small MNIST under the names a device has them. */
export async function smallMnistFiles(): Promise<Record<string, Uint8Array<ArrayBuffer>>> {
  const names = ["train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1"];
  const files = await Promise.all(
    names.map(async (name) =>
      [`mnist/mnist-${name}-ubyte.gz`, await readFixture(`mnist/mnist-${name}-ubyte.gz`)] as const
    ),
  );
  return Object.fromEntries(files);
}
