/** What the tasks are for: models trained on their examples are better than knowing nothing. */
import assert from "node:assert/strict";
import { initialParameters } from "../../learning/engine/initial.ts";
import { InlineTrainer } from "../../learning/engine/inline_trainer.ts";
import type { ExampleSource, LearningTask, TaskBlock, TaskOptions } from "../../learning/task.ts";
import { mnistTask } from "../../learning/tasks/mnist.ts";
import { lastValueLoss, sensorsTask } from "../../learning/tasks/sensors.ts";
import { topicsTask } from "../../learning/tasks/topics.ts";
import { fnv1a } from "../../learning/tasks/words.ts";
import { seededRandom } from "../../platform/seeded_random.ts";
import { officeTemperatures, smallMnistFiles, sourceOf } from "./data_fixtures.ts";

const SEED = new Uint8Array(32).fill(3);

/** Trains on one device's examples with the task's own numbers, as one round would, `epochs` long. */
async function trained(
  task: LearningTask,
  source: ExampleSource,
  options: TaskOptions,
  epochs: number,
) {
  const examples = await task.examples({ source, options, share: null });
  assert.ok(!("unavailable" in examples));
  const network = task.network(options);
  const trainer = new InlineTrainer();
  const { parameters } = await trainer.train({
    network,
    parameters: initialParameters(network, SEED),
    dataset: examples.training,
    ...task.defaults,
    epochs,
    seed: SEED,
  });
  assert.ok(examples.test !== null);
  const evaluation = await trainer.evaluate({ network, parameters, dataset: examples.test });
  trainer.close();
  return { evaluation, test: examples.test };
}

Deno.test("sensors: forecasts of an office's temperature are better than that it stays as it is", async () => {
  const source = sourceOf({ series: { "office/temperature": await officeTemperatures() } });
  const options = { centre: 72, spread: 5, window: 24 };
  const { evaluation, test } = await trained(sensorsTask, source, options, 5);
  const baseline = lastValueLoss(test);
  assert.ok(
    evaluation.loss < 0.95 * baseline,
    `mean squared error ${evaluation.loss}, that of the last value ${baseline}`,
  );
});

Deno.test("mnist: 500 pictures are enough for four digits of five", async () => {
  const source = sourceOf({ files: await smallMnistFiles() });
  const { evaluation } = await trained(mnistTask, source, { model: "softmax" }, 20);
  assert.ok(evaluation.accuracy! >= 0.75, `${evaluation.accuracy}`);
});

// Words of two topics, and words that both have.
const VOCABULARY = {
  garden: "tomato soil seed water shovel compost bed beet bloom harvest frost pot".split(" "),
  kitchen: "salt pan oven flour butter knife stove pot water boil spoon plate".split(" "),
  both: "today the and we have little more house table evening children good".split(" "),
};

function madeUpBlocks(count: number): readonly TaskBlock[] {
  const random = seededRandom("topics");
  return Array.from({ length: count }, (_, i) => {
    const topic = i % 2 === 0 ? "garden" : "kitchen";
    const word = (list: readonly string[]) => list[random.below(list.length)]!;
    const text = Array.from(
      { length: 20 },
      () => random.below(3) === 0 ? word(VOCABULARY[topic]) : word(VOCABULARY.both),
    ).join(" ");
    return {
      id: fnv1a(`${i}`).toString(16).padStart(64, "0"),
      author: "a",
      topic,
      tags: [],
      mediaType: "text/markdown",
      timeMs: i,
      body: new TextEncoder().encode(text),
    };
  });
}

Deno.test("topics: texts are filed by their words", async () => {
  const source = sourceOf({ blocks: madeUpBlocks(400) });
  const { evaluation } = await trained(topicsTask, source, { classes: "garden,kitchen" }, 5);
  assert.ok(evaluation.examples > 40);
  assert.ok(evaluation.accuracy! >= 0.95, `${evaluation.accuracy}`);
});
