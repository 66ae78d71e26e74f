/** The 2NN of McMahan et al. 2017, trained in one place on all of MNIST: it learns what such networks are known to learn. */
import assert from "node:assert/strict";
import { mnistPackageFolder, readMnistFolder } from "../../cli/learning_data/mnist.ts";
import { datasetOf, readImageSet } from "../../learning/data/image_set.ts";
import { initialParameters } from "../../learning/engine/initial.ts";
import { mlp2nn } from "../../learning/engine/networks.ts";
import { WorkerTrainer } from "../../platform/worker_trainer.ts";
import { skipped } from "../skipped.ts";

const EPOCHS = 4;
const ACCURACY_MIN = 0.97;

const found = await mnistPackageFolder().then(
  (folder) => ({ folder, reason: null }),
  (error: Error) => ({ folder: "", reason: error.message }),
);

Deno.test({
  name: `the 2NN reaches ${100 * ACCURACY_MIN} % on MNIST's test digits after ${EPOCHS} epochs`,
  ignore: skipped("the training engine on MNIST", found.reason),
  fn: async () => {
    const files = await readMnistFolder(found.folder);
    const half = async (split: string) => {
      const [images, labels] = [`${split}-images-idx3-ubyte`, `${split}-labels-idx1-ubyte`];
      return datasetOf(
        await readImageSet(
          { images: files.get(images)!, labels: files.get(labels)! },
          { images, labels },
        ),
      );
    };
    const network = mlp2nn();
    const seed = new Uint8Array(32);
    const trainer = new WorkerTrainer({ workersMax: 1 });
    try {
      const { parameters, loss, steps } = await trainer.train({
        network,
        parameters: initialParameters(network, seed),
        dataset: await half("train"),
        epochs: EPOCHS,
        batchSize: 10,
        learningRate: 0.1,
        seed,
      });
      const tested = await trainer.evaluate({ network, parameters, dataset: await half("t10k") });
      console.log(
        `training loss ${loss.toFixed(4)}, test accuracy ${tested.accuracy}, ${steps} steps`,
      );
      assert.equal(tested.examples, 10_000);
      assert.ok(tested.accuracy! > ACCURACY_MIN, `accuracy is ${tested.accuracy}`);
    } finally {
      trainer.close();
    }
  },
});
