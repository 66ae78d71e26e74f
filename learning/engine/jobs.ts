/** What a job must be like before anything is computed. Jobs come from a run's plan and a task's data, so from code of ours and of others. */
import { SEED_BYTES } from "../data/seeded_stream.ts";
import { problemOfMetrics } from "../metrics.ts";
import { isFinite } from "../parameters.ts";
import { type EvaluationJob, TrainingError, type TrainingJob } from "../trainer.ts";
import { type ShapedNetwork, shapesOf } from "./shapes.ts";

/** Most examples a data set may have, and steps a job may take. */
const EXAMPLES_MAX = 2 ** 31 - 1;
const STEPS_MAX = 2 ** 31 - 1;

/** Which examples a job is over: its own list, or all of them. A copy. */
export function examplesOf({ dataset, indices }: EvaluationJob): Uint32Array<ArrayBuffer> {
  return indices?.slice() ?? Uint32Array.from({ length: dataset.count }, (_, index) => index);
}

/** Throws a `TrainingError` ("impossible") that says what is wrong with a training job. Returns the network's shapes. */
export function checkTraining(job: TrainingJob): ShapedNetwork {
  const doing = "train";
  const shaped = checkExamples(job, doing);
  const { epochs, batchSize, learningRate, momentum = 0, proximal = 0, seed } = job;
  checkRange(doing, "epochs", epochs, Number.isInteger(epochs) && epochs >= 1 && epochs <= 1_000, {
    expected: "an integer from 1 to 1000",
  });
  checkRange(
    doing,
    "batchSize",
    batchSize,
    Number.isInteger(batchSize) && batchSize >= 1 && batchSize <= 1_024,
    { expected: "an integer from 1 to 1024" },
  );
  checkRange(doing, "learningRate", learningRate, learningRate > 0 && learningRate < Infinity, {
    expected: "a number above 0",
  });
  checkRange(doing, "momentum", momentum, momentum >= 0 && momentum < 1, {
    expected: "a number from 0 to below 1",
  });
  checkRange(doing, "proximal", proximal, proximal >= 0 && proximal < Infinity, {
    expected: "a number from 0",
  });
  checkRange(doing, "seed", seed.length, seed.length === SEED_BYTES, {
    expected: `${SEED_BYTES} bytes`,
  });
  const steps = epochs * Math.ceil((job.indices?.length ?? job.dataset.count) / batchSize);
  checkRange(doing, "steps", steps, steps <= STEPS_MAX, { expected: `at most ${STEPS_MAX}` });
  return shaped;
}

/** Throws a `TrainingError` ("impossible") that says what is wrong with an evaluation. Returns the network's shapes. */
export function checkEvaluation(job: EvaluationJob): ShapedNetwork {
  const shaped = checkExamples(job, "evaluate");
  const problem = problemOfMetrics(job.network, job.metrics ?? []);
  if (problem !== undefined) throw new TrainingError(`Cannot evaluate: ${problem}`, "impossible");
  return shaped;
}

function checkExamples(job: EvaluationJob, doing: string): ShapedNetwork {
  const { network, parameters, dataset, indices } = job;
  const shaped = shapesOf(network);
  const check = (what: string, value: unknown, right: boolean, expected: string) =>
    checkRange(doing, what, value, right, { expected });
  const { count, exampleLength, inputs, labels } = dataset;
  const wanted = shaped.layout.count;
  check("number of parameters", parameters.length, parameters.length === wanted, `${wanted}`);
  check("parameters", "NaN or infinite somewhere", isFinite(parameters), "finite numbers");
  check(
    "exampleLength of the data set",
    exampleLength,
    exampleLength === shaped.exampleLength,
    `${shaped.exampleLength}, what the network's input has`,
  );
  const isCount = Number.isInteger(count) && count >= 1 && count <= EXAMPLES_MAX;
  check("count of the data set", count, isCount, "an integer above 0");
  const numbers = count * exampleLength;
  check("length of inputs", inputs.length, inputs.length === numbers, `${numbers}`);
  const { loss } = network;
  const perExample = loss.type === "crossEntropy" ? 1 : loss.outputs;
  const labelled = labels.length === count * perExample;
  check("length of labels", labels.length, labelled, `${count * perExample}`);
  if (indices !== undefined) {
    check("number of indices", indices.length, indices.length >= 1, "at least 1");
    const beyond = indices.find((index) => index >= count);
    check("an index", beyond, beyond === undefined, `below ${count}, the examples there are`);
  }
  const { length } = indices ?? inputs;
  const examples = indices === undefined ? count : length;
  for (let i = 0; i < examples; i++) {
    const from = (indices?.[i] ?? i) * perExample;
    for (let k = from; k < from + perExample; k++) {
      const label = labels[k]!;
      if (loss.type === "squaredError") {
        if (!Number.isFinite(label)) {
          check(`label of example ${from / perExample}`, label, false, "a finite number");
        }
      } else if (!Number.isInteger(label) || label < 0 || label >= loss.classes) {
        const expected = `a class number below ${loss.classes}`;
        check(`label of example ${from}`, label, false, expected);
      }
    }
  }
  return shaped;
}

function checkRange(
  doing: string,
  what: string,
  value: unknown,
  right: boolean,
  { expected }: { readonly expected: string },
): void {
  if (right) return;
  throw new TrainingError(
    `Cannot ${doing}: ${what} is ${value}, expected ${expected}`,
    "impossible",
  );
}
