/**
 * Question: how many examples a second does a device learn from, and does it stay responsive? The 2NN and the CNN of McMahan et al. 2017 on
 * made-up digits (fixed seed, four fifths of the pixels black as in MNIST), on one and two workers, beside tfjs on its WebAssembly backend and
 * PyTorch on one thread, all in this run. PyTorch is taken from the Python that SUBMIND_BENCH_PYTHON names, or from python3.
 */
import { fileURLToPath } from "node:url";
import { initialParameters } from "../../learning/engine/initial.ts";
import { mcmahanCnn, mlp2nn } from "../../learning/engine/networks.ts";
import type { Network } from "../../learning/network.ts";
import type { Dataset, TrainingJob } from "../../learning/trainer.ts";
import { seededRandom } from "../../platform/seeded_random.ts";
import { WorkerTrainer } from "../../platform/worker_trainer.ts";
import { type Figure, median, ratePerSecond } from "../harness.ts";
import { askPython } from "../python_peer.ts";

interface Case {
  readonly name: "2NN" | "CNN";
  readonly network: Network;
  readonly batchSize: number;
  /** Examples per round and worker. */
  readonly samples: number;
  /** What one worker must reach, examples/s. */
  readonly limit: number;
}

const PYTHON_SCRIPT = fileURLToPath(new URL("../peers/pytorch/training.py", import.meta.url));
const WORKERS = [1, 2];
/** A timer of the asking thread may come this much late while workers train, 99 of 100 times. */
const LATE_MS_MAX = 20;
const TIMER_MS = 5;

/** Examples a second, and how late timers of the asking thread come. */
export async function run({ quick }: { readonly quick: boolean }): Promise<Figure[]> {
  const cases = ([["2NN", mlp2nn(), 12_000, 8_000], ["CNN", mcmahanCnn(), 200, 120]] as const)
    .flatMap(([name, network, samples, limit]) =>
      [10, 50].map((batchSize): Case => ({
        name,
        network,
        batchSize,
        samples: quick ? batchSize : samples,
        limit,
      }))
    );
  const rounds = quick ? 1 : 5;
  const dataset = digits(quick ? 50 : 2_000);
  const own: { readonly one: Case; readonly workers: number; readonly rate: number }[] = [];
  let lateMs = 0;
  for (const workers of WORKERS) {
    const trainer = new WorkerTrainer({ workersMax: workers });
    const stop = watchTimers();
    for (const one of cases) {
      const job = jobOf(one, dataset);
      const rate = await ratePerSecond({ operations: workers * one.samples, rounds }, async () => {
        await Promise.all(Array.from({ length: workers }, () => trainer.train(job)));
      });
      own.push({ one, workers, rate });
    }
    lateMs = Math.max(lateMs, stop());
    trainer.close();
  }
  const tfjs = quick ? null : await tfjsRates(cases);
  const pytorch = quick ? null : await pytorchRates(cases, rounds);
  const figures = own.map(({ one, workers, rate }): Figure => {
    const peer = pytorch?.rates.get(one);
    return {
      name: `training ${nameOf(one)}, ${workers} worker${workers === 1 ? "" : "s"}`,
      value: Math.round(rate),
      unit: "examples/s",
      ...(quick || workers > 1 ? {} : { limit: one.limit }),
      ...(peer === undefined || workers > 1
        ? {}
        : { ratio: rate / peer, note: "against PyTorch on one thread" }),
    };
  });
  figures.push({
    name: "timers while workers train, late p99",
    value: lateMs,
    unit: "ms",
    ...(quick ? {} : { limit: LATE_MS_MAX }),
  });
  for (const one of cases) {
    const rate = tfjs?.get(one);
    if (rate !== undefined) {
      figures.push({
        name: `training ${nameOf(one)}, tfjs wasm`,
        value: Math.round(rate),
        unit: "examples/s",
        note: rate === 0 ? "cannot: it has no gradient of a convolution's filters" : "a peer",
      });
    }
    const peer = pytorch?.rates.get(one);
    if (peer !== undefined) {
      figures.push({
        name: `training ${nameOf(one)}, PyTorch`,
        value: Math.round(peer),
        unit: "examples/s",
        note: `a peer: PyTorch ${pytorch?.version}, one thread`,
      });
    }
  }
  return figures;
}

function nameOf({ name, batchSize }: Case): string {
  return `${name}, batch ${batchSize}`;
}

function jobOf({ network, batchSize, samples }: Case, dataset: Dataset): TrainingJob {
  const seed = new Uint8Array(32);
  const share = Math.min(samples, dataset.count);
  return {
    network,
    parameters: initialParameters(network, seed),
    dataset,
    indices: Uint32Array.from({ length: share }, (_, i) => i),
    epochs: samples / share,
    batchSize,
    learningRate: 0.01,
    seed,
  };
}

/** Images with as much black as MNIST's, and labels that have nothing to do with them. */
function digits(count: number): Dataset {
  const random = seededRandom("training bench");
  return {
    exampleLength: 784,
    count,
    inputs: Uint8Array.from(
      { length: 784 * count },
      () => random.below(5) === 0 ? random.below(256) : 0,
    ),
    labels: Uint8Array.from({ length: count }, () => random.below(10)),
  };
}

/** Sets a timer again and again; the function returned ends that and says how late they came, ms, 99 of 100. */
function watchTimers(): () => number {
  const late: number[] = [];
  let dueMs = performance.now() + TIMER_MS;
  const timer = setInterval(() => {
    const nowMs = performance.now();
    late.push(nowMs - dueMs);
    dueMs = nowMs + TIMER_MS;
  }, TIMER_MS);
  return () => {
    clearInterval(timer);
    return late.toSorted((a, b) => a - b)[Math.floor(0.99 * late.length)] ?? 0;
  };
}

/** Examples a second with tfjs; 0 for what its WebAssembly backend cannot do. Null when tfjs cannot be loaded. */
async function tfjsRates(cases: readonly Case[]): Promise<Map<Case, number> | null> {
  try {
    const tf = await import("@tensorflow/tfjs-core");
    await import("@tensorflow/tfjs-backend-wasm");
    // For the gradients that it brings along; tfjs-core has none by itself.
    await import("@tensorflow/tfjs-layers");
    await tf.setBackend("wasm");
    await tf.ready();
    const rates = new Map<Case, number>();
    for (const one of cases) {
      try {
        rates.set(one, tfjsRate(tf, one));
      } catch (error) {
        if (!/Conv2DBackpropFilter/.test(String(error))) throw error;
        rates.set(one, 0);
      }
    }
    return rates;
  } catch (error) {
    console.error(`tfjs is not measured: ${error}`);
    return null;
  }
}

function tfjsRate(
  tf: typeof import("@tensorflow/tfjs-core"),
  { name, batchSize }: Case,
): number {
  const weight = (...shape: number[]) =>
    tf.variable(tf.randomUniform(shape, -0.05, 0.05)) as unknown as never;
  const x = tf.randomUniform([batchSize, 28, 28, 1]);
  const y = tf.oneHot(tf.randomUniform([batchSize], 0, 10, "int32"), 10);
  const [w1, w2, w3] = [weight(784, 200), weight(200, 200), weight(200, 10)];
  const [b1, b2, b3] = [weight(200), weight(200), weight(10)];
  const [f1, f2, d1, d2] = [
    weight(5, 5, 1, 32),
    weight(5, 5, 32, 64),
    weight(3136, 512),
    weight(512, 10),
  ];
  const output = () => {
    if (name === "2NN") {
      const first = tf.relu(tf.add(tf.matMul(tf.reshape(x, [batchSize, 784]), w1), b1));
      return tf.add(tf.matMul(tf.relu(tf.add(tf.matMul(first, w2), b2)), w3), b3);
    }
    const pooled = (from: typeof x, filter: never) =>
      tf.maxPool(tf.relu(tf.conv2d(from as never, filter, 1, "same")) as never, 2, 2, "valid");
    const images = pooled(pooled(x, f1) as never, f2);
    return tf.matMul(tf.relu(tf.matMul(tf.reshape(images, [batchSize, 3136]), d1)), d2);
  };
  const optimizer = tf.train.sgd(0.01);
  const steps = 60;
  const train = () => {
    for (let step = 0; step < steps; step++) {
      optimizer.minimize(() => tf.losses.softmaxCrossEntropy(y, output()) as never);
    }
  };
  train();
  const rates = Array.from({ length: 3 }, () => {
    const startedMs = performance.now();
    train();
    return steps * batchSize / (performance.now() - startedMs) * 1_000;
  });
  tf.disposeVariables();
  return median(rates);
}

/** Examples a second with PyTorch; null, and a line that says so, where no Python has it. */
async function pytorchRates(
  cases: readonly Case[],
  rounds: number,
): Promise<{ readonly version: string; readonly rates: Map<Case, number> } | null> {
  const question = {
    cases: cases.map(({ name, batchSize, samples }) => [name, batchSize, samples]),
    rounds,
  };
  const answer = await askPython<{ readonly version: string; readonly rates: number[] }>({
    script: PYTHON_SCRIPT,
    what: "PyTorch",
    question,
  });
  if (answer === null) return null;
  const { version, rates } = answer;
  return { version, rates: new Map(cases.map((one, i) => [one, rates[i]!])) };
}
