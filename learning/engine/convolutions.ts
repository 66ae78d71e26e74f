/**
 * Convolutions, forward and backward, in one of two ways.
 *
 * The direct one unfolds nothing: an image with a border of zeros, seen from one pixel, shows the filter's rows as runs of neighbouring numbers,
 * so the multiplication that serves dense layers (one run) serves convolutions too (one run per row of the filter). The way back is a
 * convolution with turned weights.
 *
 * Winograd's does with 36 multiplications what takes 100 directly, at the price of sums before and after, and of a digit or so of the
 * result's accuracy. It is taken for 5×5 filters between layers of enough channels.
 */
import type { Kernels } from "./kernels.ts";
import type { Operation, Winograd } from "./plan.ts";

/** Where the gradients of weights go: at `offset` bytes from the weights, added after multiplication by `by`. */
export interface Target {
  readonly offset: number;
  readonly by: number;
}

type Convolution = Extract<Operation, { type: "conv" }>;

/** Runs convolutions on one block of memory. */
export class Convolutions {
  readonly #kernels: Kernels;
  readonly #floats: Float32Array;

  /** `floats` is the memory the kernels work on. */
  constructor(kernels: Kernels, floats: Float32Array) {
    this.#kernels = kernels;
    this.#floats = floats;
  }

  /** Outputs of `count` examples from their inputs. */
  forward(operation: Convolution, count: number): void {
    const { input, output, weights, size, bordered, winograd } = operation;
    const { rows, columns } = input.extent;
    const kernels = this.#kernels;
    const pixelBytes = output.channels * 4;
    if (size > 1) {
      kernels.inset(
        ...[input.values, bordered.address + bordered.insideBytes, count, rows],
        ...[columns * bordered.pixelBytes, bordered.rowBytes, bordered.imageBytes],
      );
    }
    if (winograd !== null) return this.#forwardWinograd(operation, winograd, count);
    for (let i = 0; i < count; i++) {
      kernels.forward(
        ...[bordered.address + i * bordered.imageBytes, bordered.rowBytes],
        ...[bordered.pixelBytes, rows, columns, size, size * input.channels],
        ...[bordered.rowBytes, weights.weight, weights.panelBytes, weights.panels],
        ...[weights.bias, 0, 0, output.values + i * output.length * 4],
        ...[columns * pixelBytes, pixelBytes],
      );
    }
  }

  /** The gradients of inputs, where they are needed, and of weights. */
  backward(operation: Convolution, count: number, target: Target): void {
    const { input, output, weights, winograd } = operation;
    const { rows, columns } = input.extent;
    this.#backwardInputs(operation, count);
    for (let i = 0; i < count; i++) {
      this.#kernels.biasGradient(
        ...[output.gradient + i * output.length * 4, rows * columns, output.channels],
        ...[weights.bias + target.offset, target.by],
      );
    }
    if (winograd !== null) this.#weightsWinograd(operation, winograd, count, target);
    else this.#weightsDirect(operation, count, target);
  }

  #backwardInputs(
    { input, output, weights, size, bordered, back, winograd }: Convolution,
    count: number,
  ): void {
    if (back === null) return;
    const { rows, columns } = input.extent;
    const kernels = this.#kernels;
    const outPixel = output.channels * 4;
    const { turned, bordered: { address, rowBytes, pixelBytes, imageBytes, insideBytes } } = back;
    kernels.turn(weights.weight, turned, size ** 2, input.channels, output.channels);
    const inPanels = input.channels / 8;
    const points = winograd?.back ?? null;
    const turnedPoint = input.channels * output.channels * 4;
    if (points !== null) {
      kernels.winogradWeights(turned, output.channels, inPanels, points.weights, turnedPoint);
    }
    for (let i = 0; i < count; i++) {
      const gradient = output.gradient + i * output.length * 4;
      const to = input.gradient + i * input.length * 4;
      if (size > 1) {
        kernels.inset(
          ...[gradient, address + insideBytes, 1, rows, columns * outPixel, rowBytes, imageBytes],
        );
      }
      if (winograd !== null && points !== null) {
        const { tilesDown, tilesAcross } = winograd;
        const tiles = tilesDown * tilesAcross;
        kernels.winogradInputs(
          ...[address, rowBytes, pixelBytes, tilesDown, tilesAcross],
          ...[points.inputs, tiles * outPixel],
        );
        kernels.winogradForward(
          ...[points.inputs, tiles, output.channels, points.weights, inPanels, points.outputs],
        );
        kernels.winogradOutputs(
          ...[points.outputs, tiles * bordered.pixelBytes, 0, to],
          ...[columns * bordered.pixelBytes, bordered.pixelBytes, tilesDown, tilesAcross],
        );
        continue;
      }
      kernels.forward(
        ...[size > 1 ? address : gradient, rowBytes, pixelBytes, rows, columns],
        ...[size, size * output.channels, rowBytes],
        ...[turned, size ** 2 * outPixel * 8, inPanels, 0, 0, 0],
        ...[to, columns * bordered.pixelBytes, bordered.pixelBytes],
      );
    }
  }

  #weightsDirect(
    { input, output, weights, size, bordered }: Convolution,
    count: number,
    target: Target,
  ): void {
    const { rows, columns } = input.extent;
    const outPixel = output.channels * 4;
    for (let i = 0; i < count; i++) {
      this.#kernels.gradient(
        ...[bordered.address + i * bordered.imageBytes, bordered.rowBytes, bordered.pixelBytes],
        ...[size, size * input.channels, bordered.rowBytes],
        ...[output.gradient + i * output.length * 4, columns * outPixel, outPixel, rows, columns],
        ...[weights.weight + target.offset, weights.panelBytes, weights.panels, target.by],
      );
    }
  }

  #forwardWinograd(
    { input, output, weights, bordered }: Convolution,
    { tilesDown, tilesAcross, inputs, inputBytes, outputs, weights: points }: Winograd,
    count: number,
  ): void {
    const kernels = this.#kernels;
    const tiles = tilesDown * tilesAcross;
    const pixelBytes = output.channels * 4;
    const weightPoint = input.channels * pixelBytes;
    kernels.winogradWeights(weights.weight, input.channels, weights.panels, points, weightPoint);
    for (let i = 0; i < count; i++) {
      const own = inputs + i * inputBytes;
      kernels.winogradInputs(
        ...[bordered.address + i * bordered.imageBytes, bordered.rowBytes, bordered.pixelBytes],
        ...[tilesDown, tilesAcross, own, tiles * bordered.pixelBytes],
      );
      kernels.winogradForward(own, tiles, input.channels, points, weights.panels, outputs);
      kernels.winogradOutputs(
        ...[outputs, tiles * pixelBytes, weights.bias, output.values + i * output.length * 4],
        ...[output.extent.columns * pixelBytes, pixelBytes, tilesDown, tilesAcross],
      );
    }
  }

  #weightsWinograd(
    { input, output, weights }: Convolution,
    { tilesDown, tilesAcross, inputs, inputBytes, outputs, gradient }: Winograd,
    count: number,
    target: Target,
  ): void {
    const kernels = this.#kernels;
    const tiles = tilesDown * tilesAcross;
    const pixelBytes = output.channels * 4;
    const weightPoint = input.channels * pixelBytes;
    this.#floats.fill(0, gradient / 4, gradient / 4 + 9 * weightPoint);
    for (let i = 0; i < count; i++) {
      kernels.winogradDerivatives(
        ...[output.gradient + i * output.length * 4, output.extent.columns * pixelBytes],
        ...[pixelBytes, tilesDown, tilesAcross, outputs, tiles * pixelBytes],
      );
      kernels.winogradBackward(
        ...[inputs + i * inputBytes, tiles, input.channels, outputs, weights.panels, gradient],
      );
    }
    kernels.winogradGradient(
      ...[gradient, weightPoint, input.channels, weights.panels],
      ...[weights.weight + target.offset, target.by],
    );
  }
}
