/** A few hundred real digits are enough to see that networks with convolutions learn, too (the small sample of MNIST in tests/fixtures). */
import assert from "node:assert/strict";
import { datasetOf, readImageSet } from "../../learning/data/image_set.ts";
import { initialParameters } from "../../learning/engine/initial.ts";
import { InlineTrainer } from "../../learning/engine/inline_trainer.ts";
import { mlp2nn, smallResidualNet } from "../../learning/engine/networks.ts";

const FOLDER = new URL("../fixtures/learning/mnist/", import.meta.url);

async function digits(split: string) {
  const images = `mnist-${split}-images-idx3-ubyte.gz`;
  const labels = `mnist-${split}-labels-idx1-ubyte.gz`;
  const files = {
    images: await Deno.readFile(new URL(images, FOLDER)),
    labels: await Deno.readFile(new URL(labels, FOLDER)),
  };
  return datasetOf(await readImageSet(files, { images, labels }));
}

const input = { rows: 28, columns: 28, channels: 1 };
const NETWORKS = {
  "the 2NN": { network: mlp2nn(), epochs: 20, momentum: 0.5, accuracyMin: 0.8 },
  "the small residual net": {
    network: smallResidualNet({ input, filters: 8, classes: 10 }),
    epochs: 8,
    momentum: 0.5,
    accuracyMin: 0.5,
  },
};

for (const [name, { network, epochs, momentum, accuracyMin }] of Object.entries(NETWORKS)) {
  Deno.test(`${name} learns digits from a few hundred of them`, async () => {
    const trainer = new InlineTrainer();
    const seed = new Uint8Array(32);
    const dataset = await digits("train");
    const { parameters } = await trainer.train({
      network,
      parameters: initialParameters(network, seed),
      dataset,
      epochs,
      batchSize: 10,
      learningRate: 0.05,
      momentum,
      seed,
    });
    const { accuracy } = await trainer.evaluate({
      network,
      parameters,
      dataset: await digits("t10k"),
    });
    assert.ok(accuracy! > accuracyMin, `accuracy is ${accuracy} after ${dataset.count} digits`);
    trainer.close();
  });
}
