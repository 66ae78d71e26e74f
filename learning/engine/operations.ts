/**
 * What each operation of a plan does, forward and backward, with the kernels. The gradient of a layer's input comes before that of its weights,
 * because without a second set of parameters the latter changes the weights.
 *
 * Convolutions copy nothing apart: an image with a border of zeros, seen from one pixel, shows the filter's rows as runs of neighbouring numbers,
 * so the same multiplication serves dense layers (one run) and convolutions (one run per row of the filter). The way back is a convolution too,
 * with turned weights.
 */
import type { Kernels } from "./kernels.ts";
import type { Operation, Slot, Weights } from "./plan.ts";

/** Where the gradients of weights go: at `offset` bytes from the weights, added after multiplication by `by`. */
export interface Target {
  readonly offset: number;
  readonly by: number;
}

/** Rows of a dense layer's weights per turn: their panel stays in the first-level cache while all examples pass. */
const DENSE_ROWS = 512;

/** Runs operations on one block of memory. */
export class Operations {
  readonly #kernels: Kernels;
  readonly #floats: Float32Array;

  /** `floats` is the memory the kernels work on. */
  constructor(kernels: Kernels, floats: Float32Array) {
    this.#kernels = kernels;
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
      case "conv": {
        const { weights, size, bordered } = operation;
        const pixelBytes = output.channels * 4;
        if (size > 1) {
          kernels.inset(
            ...[input.values, bordered.address + bordered.insideBytes, count, rows],
            ...[columns * bordered.pixelBytes, bordered.rowBytes, bordered.imageBytes],
          );
        }
        for (let i = 0; i < count; i++) {
          kernels.forward(
            ...[bordered.address + i * bordered.imageBytes, bordered.rowBytes],
            ...[bordered.pixelBytes, rows, columns, size, size * input.channels],
            ...[bordered.rowBytes, weights.weight, weights.panelBytes, weights.panels],
            ...[weights.bias, 0, 0, output.values + i * output.length * 4],
            ...[columns * pixelBytes, pixelBytes],
          );
        }
        break;
      }
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
        this.#backwardConv(operation, count, target);
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

  #backwardConv(
    { input, output, weights, size, bordered, back }: Extract<Operation, { type: "conv" }>,
    count: number,
    target: Target,
  ): void {
    const { rows, columns } = input.extent;
    const kernels = this.#kernels;
    const outPixel = output.channels * 4;
    const [inBytes, outBytes] = [input.length * 4, output.length * 4];
    if (back !== null) {
      const { turned, bordered: { address, rowBytes, pixelBytes, imageBytes, insideBytes } } = back;
      kernels.turn(weights.weight, turned, size ** 2, input.channels, output.channels);
      for (let i = 0; i < count; i++) {
        const gradient = output.gradient + i * outBytes;
        if (size > 1) {
          kernels.inset(
            ...[gradient, address + insideBytes, 1, rows, columns * outPixel, rowBytes, imageBytes],
          );
        }
        kernels.forward(
          ...[size > 1 ? address : gradient, rowBytes, pixelBytes, rows, columns],
          ...[size, size * output.channels, rowBytes],
          ...[turned, size ** 2 * outPixel * 8, input.channels / 8, 0, 0, 0],
          ...[input.gradient + i * inBytes, columns * bordered.pixelBytes, bordered.pixelBytes],
        );
      }
    }
    for (let i = 0; i < count; i++) {
      const gradient = output.gradient + i * outBytes;
      kernels.gradient(
        ...[bordered.address + i * bordered.imageBytes, bordered.rowBytes, bordered.pixelBytes],
        ...[size, size * input.channels, bordered.rowBytes],
        ...[gradient, columns * outPixel, outPixel, rows, columns],
        ...[weights.weight + target.offset, weights.panelBytes, weights.panels, target.by],
      );
      kernels.biasGradient(
        ...[gradient, rows * columns, output.channels, weights.bias + target.offset, target.by],
      );
    }
  }

  #copy(from: number, to: number, numbers: number): void {
    this.#floats.copyWithin(to / 4, from / 4, from / 4 + numbers);
  }
}
