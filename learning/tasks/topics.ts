/** Which topic a text belongs to, learned from blocks that people filed under one: so that what comes without a topic can be filed too. */
import { softmaxRegression } from "../engine/networks.ts";
import type { ExampleSource, LearningTask, TaskBlock } from "../task.ts";
import type { Dataset } from "../trainer.ts";
import { type OptionValues, readOptions } from "./options.ts";
import { fnv1a, writeHashedWords } from "./words.ts";

/** Fewer training blocks on a device are none. */
const EXAMPLES_MIN = 10;
const CLASSES_MAX = 64;
/** Most numbers one device's examples take: 64 MiB. */
const NUMBERS_MAX = 16 * 1024 * 1024;
/** One block in this many is for testing; which ones follows from their ids, so that a block never changes sides. */
const TEST_EVERY = 5;

const RULES = {
  /** Topics to tell apart, separated by commas; each stands for itself and what lies below it ("garden" for "garden/tomatoes"). */
  classes: {
    type: "text",
    pattern: /^[^,\p{Cc}]+(,[^,\p{Cc}]+)+$/u,
    expected: `2 to ${CLASSES_MAX} topics separated by commas, for example classes=garden,kitchen`,
    default: "",
  },
  /** Places that words are hashed to. */
  features: {
    type: "choice",
    of: ["256", "512", "1024", "2048", "4096", "8192", "16384"],
    default: "1024",
  },
  /** Blocks of each class that are used. */
  blocks: { type: "integer", min: 10, max: 10_000, default: 2_000 },
} as const;

type Values = OptionValues<typeof RULES> & { readonly topics: readonly string[] };

/** The task. */
export const topicsTask: LearningTask = {
  name: "topics",
  title: { en: "Topics of texts", de: "Themen von Texten" },
  description: {
    en: "Tell by its words which topic a text belongs to, from the blocks this device holds.",
    de:
      "An den Wörtern erkennen, zu welchem Thema ein Text gehört, anhand der Blöcke auf diesem Gerät.",
  },
  defaults: { rounds: 20, epochs: 2, batchSize: 16, learningRate: 0.5 },
  ownDataOnly: true,
  sizes: [{ features: "512" }, { features: "256" }],
  network(options) {
    const { features, topics } = valuesOf(options);
    return softmaxRegression({ inputs: Number(features), classes: topics.length });
  },
  async examples({ source, options, share }) {
    const values = valuesOf(options);
    if (share !== null) {
      return { unavailable: "blocks are where they are; they are not shared out" };
    }
    const training = new Examples(Number(values.features));
    const test = new Examples(Number(values.features));
    for await (const { block, label } of labelled(source, values)) {
      const side = isForTest(block) ? test : training;
      side.add(decoder.decode(block.body), label);
    }
    if (training.count < EXAMPLES_MIN) {
      return {
        unavailable:
          `${training.count} texts with these topics are too few, at least ${EXAMPLES_MIN}`,
      };
    }
    return { training: training.dataset(), test: test.count === 0 ? null : test.dataset() };
  },
};

const decoder = new TextDecoder();

function valuesOf(options: Parameters<LearningTask["network"]>[0]): Values {
  const values = readOptions("topics", RULES, options);
  const topics = values.classes.split(",").map((topic) => topic.trim());
  const twice = topics.find((topic, i) => topic === "" || topics.indexOf(topic) !== i);
  if (twice !== undefined || topics.length > CLASSES_MAX) {
    const problem = twice === undefined
      ? `there are ${topics.length}`
      : `"${twice}" is empty or comes twice`;
    throw new RangeError(`Task "topics": classes: ${problem}, expected ${RULES.classes.expected}`);
  }
  return { ...values, topics };
}

/** Text blocks with the class they belong to: the longest topic that fits. */
async function* labelled(
  source: ExampleSource,
  { topics, blocks, features }: Values,
): AsyncGenerator<{ readonly block: TaskBlock; readonly label: number }> {
  const numbersEach = Math.floor(NUMBERS_MAX / Number(features) / topics.length);
  const limit = Math.min(blocks, numbersEach);
  for (let label = 0; label < topics.length; label++) {
    // What is near a class only by its name must not use up the blocks of the class.
    const wanted = ({ topic, mediaType }: Pick<TaskBlock, "topic" | "mediaType">) =>
      mediaType.startsWith("text/") && classOf(topic, topics) === label;
    for await (const block of source.blocks({ wanted, limit })) yield { block, label };
  }
}

function classOf(topic: string, topics: readonly string[]): number | undefined {
  let best: number | undefined;
  topics.forEach((candidate, i) => {
    if (topic !== candidate && !topic.startsWith(`${candidate}/`)) return;
    if (best === undefined || candidate.length > topics[best]!.length) best = i;
  });
  return best;
}

function isForTest({ id }: TaskBlock): boolean {
  return fnv1a(id) % TEST_EVERY === 0;
}

/** Collects examples without knowing how many come. */
class Examples {
  readonly #rows: Float32Array[] = [];
  readonly #labels: number[] = [];

  constructor(readonly features: number) {}

  get count(): number {
    return this.#rows.length;
  }

  add(text: string, label: number): void {
    const row = new Float32Array(this.features);
    if (!writeHashedWords(text, row)) return;
    this.#rows.push(row);
    this.#labels.push(label);
  }

  dataset(): Dataset {
    const inputs = new Float32Array(this.count * this.features);
    this.#rows.forEach((row, i) => inputs.set(row, i * this.features));
    return {
      exampleLength: this.features,
      count: this.count,
      inputs,
      labels: Uint8Array.from(this.#labels),
    };
  }
}
