/**
 * The training engine. A network as data (`networks.ts` has presets) is checked and followed from layer to layer (`shapes.ts`), laid out on one
 * block of WebAssembly memory (`plan.ts`), and run by an `Engine`: forward, backward, and steps of stochastic gradient descent
 * (`operations.ts`, `convolutions.ts`). The arithmetic is AssemblyScript with SIMD (`kernels.as`, `kernel_tiles.ts`), compiled by `deno task
 * build:kernels` into a module with the bytes in it (`kernels_wasm.ts`), so that one file holds a program. An engine knows batches;
 * `training_run.ts` makes batches of a job, `inline_trainer.ts` is the Trainer port on the thread that asks, and
 * `platform/worker_trainer.ts` on other cores.
 *
 * Why not a library: of those measured, the ones that run in one file are ten times slower or cannot train convolutions, and native ones
 * do not come in one file. Where the time goes: a tile of 5 × 8 sums in registers reaches nine tenths of what 128-bit instructions can do;
 * beyond that only less arithmetic helps, hence Winograd's way for wide 5×5 convolutions.
 *
 * Bits. Equal calls give equal bits on one machine, on any thread and beside whatever else: every sum is formed in the same order. Two builds of
 * the kernels exist, with fused multiply-add and without; a machine always takes the same one, but two machines may differ in last bits.
 * Initial parameters are equal everywhere.
 *
 * Without momentum and FedProx, gradients go straight into the weights and no second set of parameters exists; each layer passes the gradient on
 * before its weights change. Momentum is v ← m·v + g, w ← w − η·v; FedProx adds μ·(w − start) to g.
 */
import { invariant } from "../../platform/invariant.ts";
import type { Metric } from "../metrics.ts";
import type { Network } from "../network.ts";
import { type Parameters, tensorOf } from "../parameters.ts";
import { type KernelBuild, type Kernels, loadKernels } from "./kernels.ts";
import { Operations } from "./operations.ts";
import { type Operation, type Plan, planOf, type Weights } from "./plan.ts";
import { type ShapedNetwork, shapesOf } from "./shapes.ts";

/** Examples as the engine reads them; may be shared memory. */
export interface Examples {
  readonly exampleLength: number;
  readonly inputs: Uint8Array | Float32Array;
  readonly labels: Uint8Array | Float32Array;
}

/** One step of stochastic gradient descent. */
export interface StepOptions {
  readonly learningRate: number;
  /** In [0, 1). */
  readonly momentum: number;
  /** μ ≥ 0 of FedProx. */
  readonly proximal: number;
}

export interface EngineOptions {
  /** Most examples per step. */
  readonly batchSize: number;
  /** Whether steps will have momentum, or a proximal term. */
  readonly momentum: boolean;
  readonly proximal: boolean;
  /** For tests; the machine's own otherwise. */
  readonly build?: KernelBuild;
}

/** What an evaluation adds up, over examples. */
export interface EvaluatedSums {
  readonly loss: number;
  readonly correct: number;
  /** In the order of the metrics asked for. */
  readonly sums: readonly number[];
}

const PAGE_BYTES = 65_536;
const ACCURACY: Metric = { type: "topAccuracy", k: 1 };

/** One network in memory. Not for two users at once. */
export class Engine {
  readonly shaped: ShapedNetwork;
  readonly #network: Network;
  readonly #plan: Plan;
  readonly #kernels: Kernels;
  readonly #operations: Operations;
  readonly #bytes: Uint8Array<ArrayBuffer>;
  readonly #floats: Float32Array<ArrayBuffer>;
  readonly #words: Uint32Array<ArrayBuffer>;
  readonly #weights: readonly Weights[];

  /** Throws a `TrainingError` when the network is impossible. */
  constructor(network: Network, options: EngineOptions) {
    this.#network = network;
    this.shaped = shapesOf(network);
    this.#plan = planOf(network, this.shaped, {
      batchSize: options.batchSize,
      gradients: options.momentum || options.proximal,
      start: options.proximal,
    });
    const pages = Math.ceil(this.#plan.bytes / PAGE_BYTES);
    const memory = new WebAssembly.Memory({ initial: pages, maximum: pages });
    this.#kernels = loadKernels(memory, options.build);
    const buffer = memory.buffer as ArrayBuffer;
    this.#bytes = new Uint8Array(buffer);
    this.#floats = new Float32Array(buffer);
    this.#words = new Uint32Array(buffer);
    this.#operations = new Operations(this.#kernels, this.#floats);
    this.#weights = weightsOf(this.#plan.operations);
  }

  /** Takes parameters over, as where training begins; velocity becomes zero. */
  load(parameters: Parameters): void {
    const { parameters: address, parameterCount, gradients, start } = this.#plan;
    this.#fill(address, parameterCount);
    for (const weights of this.#weights) {
      const tensor = tensorOf(parameters, this.shaped.layout, weights.tensor);
      visitWeights(weights, (parameter, number) => {
        this.#floats[number] = tensor[parameter]!;
      });
      const bias = tensorOf(parameters, this.shaped.layout, weights.tensor + 1);
      this.#floats.set(bias, weights.bias / 4);
    }
    if (gradients !== 0) this.#fill(gradients, parameterCount);
    if (start !== 0) this.#copy(address, start, parameterCount);
  }

  /** The parameters as they are now. */
  read(): Parameters {
    return this.#read(0);
  }

  /** The gradients of the last step (with momentum, the velocity). Only with a second set of parameters: momentum or proximal. */
  readGradients(): Parameters {
    const { gradients, parameters } = this.#plan;
    invariant(gradients !== 0, "Cannot read gradients: this engine keeps none");
    return this.#read(gradients - parameters);
  }

  /**
   * One step over the examples `order[from..to)`. Returns the sum of their losses before the step, which is not finite when the numbers have
   * left the finite ones.
   */
  step(
    examples: Examples,
    order: Uint32Array,
    from: number,
    to: number,
    options: StepOptions,
  ): number {
    const { gradients, parameters, parameterCount, start, capacity } = this.#plan;
    const kernels = this.#kernels;
    const kept = gradients !== 0;
    if (kept) {
      if (options.momentum === 0) this.#fill(gradients, parameterCount);
      else kernels.scale(gradients, parameterCount, options.momentum);
    }
    const target = kept
      ? { offset: gradients - parameters, by: 1 }
      : { offset: 0, by: -options.learningRate };
    let loss = 0;
    for (let at = from; at < to; at += capacity) {
      const count = Math.min(capacity, to - at);
      this.#stage(examples, order, at, count);
      this.#operations.forward(this.#plan.operations, count);
      loss += this.#lossOf(count, 1 / (to - from));
      this.#operations.backward(this.#plan.operations, count, target);
    }
    if (kept) {
      if (options.proximal > 0) {
        kernels.pull(gradients, parameters, start, parameterCount, options.proximal);
      }
      kernels.step(parameters, gradients, parameterCount, -options.learningRate);
    }
    return loss;
  }

  /**
   * The sum of the losses over `order[from..to)`, how many are right (0 for squared error), and the sums of the metrics, which must go with the
   * network. At most `batchSize` at once.
   */
  evaluate(
    examples: Examples,
    order: Uint32Array,
    from: number,
    to: number,
    metrics: readonly Metric[] = [],
  ): EvaluatedSums {
    const { capacity } = this.#plan;
    const sums = metrics.map(() => 0);
    let [loss, correct] = [0, 0];
    for (let at = from; at < to; at += capacity) {
      const count = Math.min(capacity, to - at);
      this.#stage(examples, order, at, count);
      this.#operations.forward(this.#plan.operations, count);
      // The loss comes last: it leaves the derivative where the outputs were.
      if (this.#network.loss.type === "crossEntropy") correct += this.#sumOf(ACCURACY, count);
      for (const [i, metric] of metrics.entries()) sums[i]! += this.#sumOf(metric, count);
      loss += this.#lossOf(count, 1);
    }
    return { loss, correct, sums };
  }

  /** The sum of a metric over the examples that have just gone through. */
  #sumOf(metric: Metric, count: number): number {
    const { output, labels } = this.#plan;
    const { loss } = this.#network;
    const outputs = loss.type === "crossEntropy" ? loss.classes : loss.outputs;
    const where = [output.values, output.length * 4, labels, count, outputs];
    switch (metric.type) {
      case "topAccuracy":
        return this.#kernels.countCorrect(...where, metric.k);
      case "meanAbsoluteError":
        return this.#kernels.absoluteError(...where);
      default:
        return metric satisfies never;
    }
  }

  /** Copies examples and labels to where the first and the last layer expect them. */
  #stage(
    { exampleLength, inputs, labels }: Examples,
    order: Uint32Array,
    at: number,
    count: number,
  ) {
    const { input, stagedBytes, stagedFloats, labels: labelAddress } = this.#plan;
    if (inputs instanceof Uint8Array) {
      for (let i = 0; i < count; i++) {
        const example = order[at + i]! * exampleLength;
        const to = stagedBytes + i * exampleLength;
        this.#bytes.set(inputs.subarray(example, example + exampleLength), to);
      }
      this.#kernels.floatsOfBytes(stagedBytes, stagedFloats, count * exampleLength);
    } else {
      for (let i = 0; i < count; i++) {
        const example = order[at + i]! * exampleLength;
        const to = stagedFloats / 4 + i * exampleLength;
        this.#floats.set(inputs.subarray(example, example + exampleLength), to);
      }
    }
    if (stagedFloats !== input.values) {
      const { rows, columns, channels } = input.extent;
      const pixels = count * rows * columns;
      this.#kernels.widen(stagedFloats, input.values, pixels, channels, input.channels);
    }
    const { loss } = this.#network;
    if (loss.type === "crossEntropy") {
      for (let i = 0; i < count; i++) {
        this.#words[labelAddress / 4 + i] = labels[order[at + i]!]!;
      }
      return;
    }
    for (let i = 0; i < count; i++) {
      const from = order[at + i]! * loss.outputs;
      for (let k = 0; k < loss.outputs; k++) {
        this.#floats[labelAddress / 4 + i * loss.outputs + k] = labels[from + k]!;
      }
    }
  }

  /** The sum of the losses; the output becomes their derivative, times `share`. */
  #lossOf(count: number, share: number): number {
    const { output, labels } = this.#plan;
    const { loss } = this.#network;
    const rowBytes = output.length * 4;
    // The derivative is written where the values were; what fills the columns up is not touched and stays zero.
    const sum = loss.type === "crossEntropy"
      ? this.#kernels.crossEntropy(output.values, rowBytes, labels, count, loss.classes, share)
      : this.#kernels.squaredError(output.values, rowBytes, labels, count, loss.outputs, share);
    if (output.gradient !== 0) this.#copy(output.values, output.gradient, count * output.length);
    return sum;
  }

  #read(offset: number): Parameters {
    const { layout } = this.shaped;
    const parameters: Parameters = new Float32Array(layout.count);
    for (const weights of this.#weights) {
      const tensor = tensorOf(parameters, layout, weights.tensor);
      visitWeights(weights, (parameter, number) => {
        tensor[parameter] = this.#floats[number + offset / 4]!;
      });
      const bias = (weights.bias + offset) / 4;
      tensorOf(parameters, layout, weights.tensor + 1)
        .set(this.#floats.subarray(bias, bias + weights.columns));
    }
    return parameters;
  }

  #fill(address: number, numbers: number): void {
    this.#floats.fill(0, address / 4, address / 4 + numbers);
  }

  #copy(from: number, to: number, numbers: number): void {
    this.#floats.copyWithin(to / 4, from / 4, from / 4 + numbers);
  }
}

function weightsOf(operations: readonly Operation[]): Weights[] {
  return operations.flatMap((operation) => {
    if (operation.type === "residual") return weightsOf(operation.operations);
    return operation.type === "dense" || operation.type === "conv" ? [operation.weights] : [];
  });
}

/** Tells for each number of a weight its index in the tensor, and in memory. */
function visitWeights(
  { weight, places, channels, channelsWide, columns, panels, panelBytes }: Weights,
  visit: (parameter: number, number: number) => void,
): void {
  for (let panel = 0; panel < panels; panel++) {
    const width = Math.min(8, columns - panel * 8);
    for (let place = 0; place < places; place++) {
      for (let channel = 0; channel < channels; channel++) {
        const parameter = (place * channels + channel) * columns + panel * 8;
        const number = (weight + panel * panelBytes) / 4 + (place * channelsWide + channel) * 8;
        for (let k = 0; k < width; k++) visit(parameter + k, number + k);
      }
    }
  }
}
