/**
 * What each operation of a plan does, forward and backward, with the kernels. The gradient of a layer's input comes before that of its weights,
 * because without a second set of parameters the latter changes the weights.
 */
import { Convolutions, type Target } from "./convolutions.ts";
import type { Kernels } from "./kernels.ts";
import type { Operation, Slot, Weights } from "./plan.ts";

/** Rows of a dense layer's weights per turn: their panel stays in the first-level cache while all examples pass. */
const DENSE_ROWS = 512;

/** Runs operations on one block of memory. */
export class Operations {
  readonly #kernels: Kernels;
  readonly #convolutions: Convolutions;
  readonly #floats: Float32Array;

  /** `floats` is the memory the kernels work on. */
  constructor(kernels: Kernels, floats: Float32Array) {
    this.#kernels = kernels;
    this.#convolutions = new Convolutions(kernels, floats);
    this.#floats = floats;
  }

  /** Computes every output from its input. */
  forward(operations: readonly Operation[], count: number): void {
    for (const operation of operations) this.#forwardOne(operation, count);
  }

  #forwardOne(operation: Operation, count: number): void {
    const { input, output } = operation;
    const { rows, columns } = input.extent;
    const kernels = this.#kernels;
    switch (operation.type) {
      case "dense": {
        const { weight, bias, panels, panelBytes } = operation.weights;
        const [inRow, outRow] = [input.length * 4, output.length * 4];
        for (let from = 0; from < input.length; from += DENSE_ROWS) {
          const run = Math.min(DENSE_ROWS, input.length - from);
          const [start, startRow] = from === 0 ? [bias, 0] : [output.values, outRow];
          kernels.forward(
            ...[input.values + from * 4, 0, inRow, 1, count, 1, run, 0],
            ...[weight + from * 32, panelBytes, panels, start, 0, startRow],
            ...[output.values, 0, outRow],
          );
        }
        break;
      }
      case "conv":
        this.#convolutions.forward(operation, count);
        break;
      case "relu":
        if (input !== output) this.#copy(input.values, output.values, count * input.length);
        kernels.relu(output.values, count * output.length);
        break;
      case "maxPool":
        kernels.maxPool(input.values, output.values, count, rows, columns, input.channels * 4);
        break;
      case "globalMean":
        kernels.mean(input.values, output.values, count, rows * columns, input.channels * 4);
        break;
      case "residual":
        this.forward(operation.operations, count);
        this.#copy(operation.last.values, output.values, count * output.length);
        kernels.add(input.values, output.values, count * output.length);
        break;
    }
  }

  /** Computes the derivatives by inputs and weights from those by outputs, last operation first. */
  backward(operations: readonly Operation[], count: number, target: Target): void {
    for (let i = operations.length - 1; i >= 0; i--) {
      this.#backwardOne(operations[i]!, count, target);
    }
  }

  /** The gradient of the input first, then of the weights: it is computed with the weights before the step. */
  #backwardOne(operation: Operation, count: number, target: Target): void {
    const { input, output } = operation;
    if (output.gradient === 0) return;
    const { rows, columns } = input.extent;
    const kernels = this.#kernels;
    switch (operation.type) {
      case "dense":
        this.#backwardDense(operation.weights, input, output, count, target);
        break;
      case "conv":
        this.#convolutions.backward(operation, count, target);
        break;
      case "relu":
        kernels.reluBackward(output.gradient, output.values, count * output.length);
        if (input !== output) this.#copy(output.gradient, input.gradient, count * output.length);
        break;
      case "maxPool":
        kernels.maxPoolBackward(
          ...[input.values, output.values, input.gradient, output.gradient],
          ...[count, rows, columns, input.channels * 4],
        );
        break;
      case "globalMean":
        kernels.meanBackward(
          ...[input.gradient, output.gradient, count, rows * columns, input.channels * 4],
        );
        break;
      case "residual":
        this.#copy(output.gradient, operation.last.gradient, count * output.length);
        this.backward(operation.operations, count, target);
        if (input.gradient !== 0) {
          kernels.add(output.gradient, input.gradient, count * output.length);
        }
        break;
    }
  }

  #backwardDense(weights: Weights, input: Slot, output: Slot, count: number, target: Target): void {
    const { weight, bias, panels, panelBytes } = weights;
    const [inRow, outRow] = [input.length * 4, output.length * 4];
    if (input.gradient !== 0) {
      this.#kernels.backward(
        ...[output.gradient, outRow, count, weight, panelBytes, panels],
        ...[input.length, input.gradient, inRow],
      );
    }
    this.#kernels.gradient(
      ...[input.values, 0, inRow, 1, input.length, 0, output.gradient, 0, outRow, 1, count],
      ...[weight + target.offset, panelBytes, panels, target.by],
    );
    this.#kernels.biasGradient(
      ...[output.gradient, count, output.channels, bias + target.offset, target.by],
    );
  }

  #copy(from: number, to: number, numbers: number): void {
    this.#floats.copyWithin(to / 4, from / 4, from / 4 + numbers);
  }
}
