/** What every adapter of the Trainer port does. Run by its own test with each adapter. */
import assert from "node:assert/strict";
import { initialParameters } from "../../learning/engine/initial.ts";
import { regression, softmaxRegression } from "../../learning/engine/networks.ts";
import type { Network } from "../../learning/network.ts";
import {
  type Dataset,
  type Trainer,
  TrainingError,
  type TrainingJob,
} from "../../learning/trainer.ts";
import { seededRandom } from "../../platform/seeded_random.ts";

/** Three arms of a spiral in the plane, which no straight line divides. */
export function spirals(perArm: number): Dataset {
  const random = seededRandom("spirals");
  const count = 3 * perArm;
  const inputs = new Float32Array(2 * count);
  const labels = new Uint8Array(count);
  for (let i = 0; i < count; i++) {
    const arm = i % 3;
    const radius = Math.floor(i / 3) / perArm;
    const angle = 4 * radius + 2 * Math.PI * arm / 3 + 0.3 * (random.float() - 0.5);
    inputs[2 * i] = radius * Math.cos(angle);
    inputs[2 * i + 1] = radius * Math.sin(angle);
    labels[i] = arm;
  }
  return { exampleLength: 2, count, inputs, labels };
}

const SPIRAL_NETWORK: Network = {
  input: { rows: 1, columns: 1, channels: 2 },
  layers: [
    { type: "dense", name: "dense1", units: 32 },
    { type: "relu" },
    { type: "dense", name: "dense2", units: 32 },
    { type: "relu" },
    { type: "dense", name: "dense3", units: 3 },
  ],
  loss: { type: "crossEntropy", classes: 3 },
};

/** A job on spirals; 99 examples, of which ten at a time. */
export function spiralJob(change: Partial<TrainingJob> = {}): TrainingJob {
  return {
    network: SPIRAL_NETWORK,
    parameters: initialParameters(SPIRAL_NETWORK, new Uint8Array(32)),
    dataset: spirals(33),
    epochs: 3,
    batchSize: 10,
    learningRate: 0.1,
    seed: new Uint8Array(32).fill(7),
    ...change,
  };
}

/** A job that takes a while: whoever wants to end it does so before it has ended by itself. */
export function longJob(): TrainingJob {
  return spiralJob({ dataset: spirals(1_000), epochs: 200 });
}

/** The error's reason, of a job that must fail with a TrainingError. */
export async function failure(job: Promise<unknown>): Promise<TrainingError> {
  const error = await job.then(() => "it was done", (error) => error);
  assert.ok(error instanceof TrainingError, String(error));
  return error;
}

/** Registers the suite. `make` gives a trainer, which the suite closes. */
export function trainerContract(name: string, make: () => Trainer): void {
  const test = (behaviour: string, body: (trainer: Trainer) => Promise<void>) =>
    Deno.test(`${name} ${behaviour}`, async () => {
      const trainer = make();
      try {
        await body(trainer);
      } finally {
        trainer.close();
      }
    });

  test("learns what no straight line divides", async (trainer) => {
    const dataset = spirals(100);
    const job = spiralJob({ dataset, epochs: 60, momentum: 0.9, learningRate: 0.05 });
    const before = await trainer.evaluate(job);
    const { parameters, loss } = await trainer.train(job);
    const after = await trainer.evaluate({ ...job, parameters });
    assert.ok(before.accuracy! < 0.6, `accuracy was ${before.accuracy}`);
    assert.ok(after.accuracy! > 0.97, `accuracy is ${after.accuracy}`);
    assert.ok(after.loss < before.loss && loss < before.loss);
    assert.equal(after.examples, 300);
  });

  test("gives equal bits for equal jobs, whatever runs beside them", async (trainer) => {
    const job = spiralJob({ momentum: 0.5, proximal: 0.1 });
    const first = await trainer.train(job);
    const outcomes = await Promise.all([
      trainer.train(job),
      trainer.train(spiralJob({ learningRate: 0.2 })),
      trainer.train(job),
    ]);
    assert.deepEqual(outcomes[0], first);
    assert.deepEqual(outcomes[2], first);
    assert.notDeepEqual(outcomes[1]!.parameters, first.parameters);
    const other = await trainer.train({ ...job, seed: new Uint8Array(32).fill(8) });
    assert.notDeepEqual(other.parameters, first.parameters);
  });

  test("takes what is left in the last step of an epoch, and counts", async (trainer) => {
    const told: (readonly [number, number])[] = [];
    const { steps, examples } = await trainer.train(spiralJob(), {
      onProgress: (done, total) => told.push([done, total]),
    });
    assert.equal(steps, 30);
    assert.equal(examples, 99);
    assert.deepEqual(told.at(-1), [30, 30]);
    assert.ok(told.every(([done], i) => i === 0 || done > told[i - 1]![0]));
  });

  test("changes nothing of a job", async (trainer) => {
    const job = spiralJob({ indices: Uint32Array.from({ length: 50 }, (_, i) => i) });
    const { parameters } = await trainer.train(job);
    assert.deepEqual(job, spiralJob({ indices: Uint32Array.from({ length: 50 }, (_, i) => i) }));
    assert.notDeepEqual(parameters, job.parameters);
  });

  test("trains on the examples named only", async (trainer) => {
    const dataset = spirals(33);
    const indices = Uint32Array.from({ length: 40 }, (_, i) => 2 * i);
    const some = await trainer.train(spiralJob({ dataset, indices }));
    // What is not named may be anything.
    const inputs = dataset.inputs.slice() as Float32Array<ArrayBuffer>;
    const labels = dataset.labels.slice();
    for (let i = 1; i < 99; i += 2) {
      inputs[2 * i] = NaN;
      labels[i] = 200;
    }
    const others = { ...dataset, inputs, labels };
    assert.deepEqual(await trainer.train(spiralJob({ dataset: others, indices })), some);
    assert.equal(some.examples, 40);
  });

  test("reads bytes as 255th parts", async (trainer) => {
    const network = softmaxRegression({ inputs: 5, classes: 3 });
    const parameters = initialParameters(network, new Uint8Array(32));
    const random = seededRandom("bytes");
    const bytes = random.bytes(5 * 23);
    const labels = Uint8Array.from({ length: 23 }, () => random.below(3));
    const job = spiralJob({ network, parameters, batchSize: 4 });
    const dataset = { exampleLength: 5, count: 23, inputs: bytes, labels };
    const floats = { ...dataset, inputs: Float32Array.from(bytes, (byte) => byte / 255) };
    assert.deepEqual(
      await trainer.train({ ...job, dataset }),
      await trainer.train({ ...job, dataset: floats }),
    );
  });

  test("fits numbers, and says no accuracy of them", async (trainer) => {
    const network = regression({ inputs: 1, hidden: [], outputs: 2 });
    const inputs = Float32Array.from({ length: 50 }, (_, i) => i / 25 - 1);
    const labels = Float32Array.from({ length: 100 }, (_, k) => {
      const x = inputs[k >> 1]!;
      return k % 2 === 0 ? 2 * x + 1 : -x;
    });
    const dataset = { exampleLength: 1, count: 50, inputs, labels };
    const job = spiralJob({
      network,
      parameters: initialParameters(network, new Uint8Array(32)),
      dataset,
      epochs: 100,
    });
    const { parameters } = await trainer.train(job);
    for (const [i, wanted] of [2, -1, 1, 0].entries()) {
      assert.ok(Math.abs(parameters[i]! - wanted) < 1e-3, `${parameters}`);
    }
    const metrics = [{ type: "meanAbsoluteError" }] as const;
    const { loss, accuracy, measured } = await trainer.evaluate({ ...job, parameters, metrics });
    assert.ok(loss < 1e-6);
    assert.equal(accuracy, null);
    assert.ok(measured!.meanAbsoluteError! < 1e-3 && measured!.meanAbsoluteError! ** 2 <= loss);
  });

  test("measures what a job asks for by name", async (trainer) => {
    const metrics = [1, 2, 3].map((k) => ({ type: "topAccuracy", k }) as const);
    const { accuracy, measured } = await trainer.evaluate({ ...spiralJob(), metrics });
    assert.deepEqual(Object.keys(measured!), ["top1Accuracy", "top2Accuracy", "top3Accuracy"]);
    assert.equal(measured!.top1Accuracy, accuracy);
    assert.ok(measured!.top2Accuracy! > accuracy!);
    assert.equal(measured!.top3Accuracy, 1);
  });

  test("stays near to where it began with a proximal term", async (trainer) => {
    const distance = async (proximal: number) => {
      const job = spiralJob({ proximal, epochs: 20 });
      const { parameters } = await trainer.train(job);
      return Math.hypot(...parameters.map((value, i) => value - job.parameters[i]!));
    };
    const [free, near, nearer] = [await distance(0), await distance(0.3), await distance(3)];
    assert.ok(nearer < 0.7 * near && near < 0.7 * free, `${free}, ${near}, ${nearer}`);
  });

  const dataset = spirals(33);
  const impossible: readonly (readonly [string, Partial<TrainingJob>, RegExp])[] = [
    ["no epochs", { epochs: 0 }, /epochs is 0/],
    ["half a batch", { batchSize: 0.5 }, /batchSize is 0\.5/],
    ["too large a batch", { batchSize: 1_025 }, /batchSize is 1025/],
    ["no learning rate", { learningRate: 0 }, /learningRate is 0/],
    ["NaN as learning rate", { learningRate: NaN }, /learningRate is NaN/],
    ["a momentum of one", { momentum: 1 }, /momentum is 1/],
    ["a negative proximal term", { proximal: -1 }, /proximal is -1/],
    ["a short seed", { seed: new Uint8Array(31) }, /seed is 31, expected 32 bytes/],
    ["missing parameters", { parameters: new Float32Array(5) }, /number of parameters is 5/],
    [
      "NaN among the parameters",
      { parameters: spiralJob().parameters.map((value, i) => i === 3 ? NaN : value) },
      /parameters is NaN/,
    ],
    ["no examples", { indices: new Uint32Array() }, /number of indices is 0/],
    ["an example that is not there", { indices: Uint32Array.of(3, 99) }, /an index is 99/],
    ["inputs of another length", { dataset: { ...dataset, count: 98 } }, /length of inputs is 198/],
    ["missing labels", { dataset: { ...dataset, labels: new Uint8Array(3) } }, /labels is 3/],
    [
      "examples of another network",
      { dataset: { ...dataset, exampleLength: 1, inputs: new Float32Array(99) } },
      /exampleLength of the data set is 1/,
    ],
    [
      "a label that is no class",
      { dataset: { ...dataset, labels: dataset.labels.map((label, i) => i === 5 ? 3 : label) } },
      /label of example 5 is 3, expected a class number below 3/,
    ],
    [
      "half a label",
      { dataset: { ...dataset, labels: new Float32Array(99).fill(0.5) } },
      /label of example 0 is 0\.5/,
    ],
    ["a network that does not fit", { network: { ...SPIRAL_NETWORK, layers: [] } }, /layers is/],
  ];
  test("refuses what is impossible, saying why, and goes on", async (trainer) => {
    for (const [what, change, problem] of impossible) {
      const { reason, message } = await failure(trainer.train(spiralJob(change)));
      assert.equal(reason, "impossible", what);
      assert.match(message, problem);
    }
    const { reason } = await failure(
      trainer.evaluate(spiralJob({ indices: Uint32Array.of(3, 99) })),
    );
    assert.equal(reason, "impossible");
    assert.equal((await trainer.train(spiralJob())).steps, 30);
  });

  test("says when the numbers left the finite ones, and goes on", async (trainer) => {
    const before = await trainer.train(spiralJob());
    const high = await failure(trainer.train(spiralJob({ learningRate: 1e30 })));
    assert.equal(high.reason, "diverged");
    assert.match(high.message, /learning rate is 1e\+30/);
    const inputs = spirals(33).inputs.map((value, i) => i === 7 ? NaN : value) as Float32Array<
      ArrayBuffer
    >;
    const nan = await failure(trainer.train(spiralJob({ dataset: { ...dataset, inputs } })));
    assert.equal(nan.reason, "diverged");
    const evaluated = await failure(
      trainer.evaluate(spiralJob({ dataset: { ...dataset, inputs } })),
    );
    assert.equal(evaluated.reason, "diverged");
    assert.deepEqual(await trainer.train(spiralJob()), before);
  });

  test("ends a job that nobody wants any more, and goes on", async (trainer) => {
    const abort = new AbortController();
    let told = 0;
    const job = trainer.train(longJob(), {
      signal: abort.signal,
      onProgress: () => {
        told++;
        abort.abort();
      },
    });
    assert.equal((await failure(job)).reason, "aborted");
    assert.equal(told, 1);
    const late = await failure(trainer.train(spiralJob(), { signal: abort.signal }));
    assert.equal(late.reason, "aborted");
    assert.equal((await trainer.train(spiralJob())).steps, 30);
  });

  test("rejects its jobs when it is closed", async (trainer) => {
    const begun = Promise.withResolvers<void>();
    const jobs = [
      trainer.train(longJob(), { onProgress: () => begun.resolve() }),
      trainer.train(longJob()),
      trainer.train(longJob()),
    ].map(failure);
    await begun.promise;
    trainer.close();
    for (const { reason } of await Promise.all(jobs)) assert.equal(reason, "closed");
    assert.equal((await failure(trainer.train(spiralJob()))).reason, "closed");
    assert.equal((await failure(trainer.evaluate(spiralJob()))).reason, "closed");
    trainer.close();
  });
}
