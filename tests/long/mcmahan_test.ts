/**
 * The FedAvg paper's rounds, on all of MNIST: the cells that a machine with two cores does in half an hour. `deno task reproduce mcmahan` does the others.
 */
import assert from "node:assert/strict";
import { type CellResult, type CellRun, runCell } from "../../bench/reproduce/run_cell.ts";
import {
  cellName,
  learningRateOf,
  paperRounds,
  paperTarget,
  parseCell,
} from "../../bench/reproduce/cells.ts";
import { createTrainer } from "../../bench/reproduce/trainer.ts";
import { mnistPackageFolder, readMnistFolder } from "../../cli/learning_data/mnist.ts";
import { readImageSet } from "../../learning/data/image_set.ts";
import { strategyOf } from "../../learning/strategies/strategy.ts";
import { systemClock } from "../../platform/system_clock.ts";
import { skipped } from "../skipped.ts";

const found = await mnistPackageFolder().then(
  (folder) => ({ folder, reason: null }),
  (error: Error) => ({ folder: "", reason: error.message }),
);
const ignore = skipped("the FedAvg paper's rounds on MNIST", found.reason);

/** Runs a cell from the start until it is at its target or out of rounds. */
async function play(
  name: string,
  options: Partial<Pick<CellRun, "strategy" | "initial" | "roundsMax">> = {},
): Promise<CellResult> {
  const files = await readMnistFolder(found.folder);
  const half = (split: string) => {
    const [images, labels] = [`${split}-images-idx3-ubyte`, `${split}-labels-idx1-ubyte`];
    return readImageSet(
      { images: files.get(images)!, labels: files.get(labels)! },
      { images, labels },
    );
  };
  const cell = parseCell(name);
  assert.equal(cellName(cell), name);
  const clock = systemClock();
  const trainer = createTrainer(Math.min(2, navigator.hardwareConcurrency));
  const resultsFolder = await Deno.makeTempDir({ prefix: "submind_mcmahan_" });
  try {
    return await runCell({
      cell,
      target: paperTarget(cell.model),
      learningRate: learningRateOf(cell),
      strategy: { name: "fedAvg", numbers: { serverRate: 1 } },
      initial: null,
      seed: "1",
      roundsMax: Math.ceil(Math.max(...paperRounds(cell)) * 1.12),
      ...options,
    }, {
      training: await half("train"),
      test: await half("t10k"),
      trainer,
      parallel: 2,
      resultsFolder,
      nowMs: () => clock.monotonicMs(),
      endMs: Infinity,
      signal: new AbortController().signal,
      onRound: () => undefined,
    });
  } finally {
    trainer.close();
    await Deno.remove(resultsFolder, { recursive: true });
  }
}

for (
  const name of [
    "2nn,iid,C=0.1,E=1,B=10",
    "2nn,noniid,C=0.1,E=1,B=10",
    "2nn,iid,C=0.2,E=1,B=10",
    "cnn,iid,C=0.1,E=1,B=10",
    "cnn,iid,C=0.1,E=5,B=10",
  ]
) {
  Deno.test({
    name: `${name} needs no more rounds than the paper, but for the 12 % between its own tables`,
    ignore,
    async fn() {
      const result = await play(name);
      assert.equal(result.withinPaper, true, JSON.stringify(result));
    },
  });
}

Deno.test({
  name: "the CNN learns two digits a client to 99 % in fewer than 100 rounds by FedYogi",
  ignore,
  async fn() {
    const { name, ...numbers } = strategyOf({ name: "fedYogi", numbers: { serverRate: 0.01 } });
    const result = await play("cnn,noniid,C=0.1,E=1,B=10", {
      strategy: { name, numbers },
      initial: "heUniform",
      roundsMax: 99,
    });
    assert.equal(result.ended, "target", JSON.stringify(result));
  },
});
