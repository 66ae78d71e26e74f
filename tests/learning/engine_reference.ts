/**
 * A network's loss in 64-bit floats, written as the definitions read and with nothing of the engine but the order of the parameters: what the
 * engine's loss must be near to, and what its gradients must be the differences of.
 */
import type { Layer, Network } from "../../learning/network.ts";

/** Rows, columns, channels, and the numbers in that order. */
interface Image {
  readonly rows: number;
  readonly columns: number;
  readonly channels: number;
  readonly at: Float64Array;
}

export interface ReferenceBatch {
  /** One array of floats per example. */
  readonly inputs: readonly ArrayLike<number>[];
  /** One array of labels per example: a class number, or the outputs. */
  readonly labels: readonly ArrayLike<number>[];
}

/** Mean loss over the batch. */
export function referenceLoss(
  network: Network,
  parameters: ArrayLike<number>,
  batch: ReferenceBatch,
): number {
  let sum = 0;
  for (const [i, input] of batch.inputs.entries()) {
    const output = referenceOutputs(network, parameters, input);
    sum += lossOf(network, output, batch.labels[i]!);
  }
  return sum / batch.inputs.length;
}

/** The numbers of the last layer for one example. */
export function referenceOutputs(
  network: Network,
  parameters: ArrayLike<number>,
  input: ArrayLike<number>,
): Float64Array {
  const image = { ...network.input, at: Float64Array.from(input) };
  return through(network.layers, image, new Reader(parameters)).at;
}

/** d loss / d parameter by central differences, for the parameters named. */
export function differences(
  network: Network,
  parameters: ArrayLike<number>,
  batch: ReferenceBatch,
  which: readonly number[],
): number[] {
  const moved = Float64Array.from(parameters);
  const h = 1e-5;
  return which.map((index) => {
    const here = moved[index]!;
    moved[index] = here + h;
    const above = referenceLoss(network, moved, batch);
    moved[index] = here - h;
    const below = referenceLoss(network, moved, batch);
    moved[index] = here;
    return (above - below) / (2 * h);
  });
}

/** Gives out parameters front to back. */
class Reader {
  #next = 0;
  readonly #parameters: ArrayLike<number>;

  constructor(parameters: ArrayLike<number>) {
    this.#parameters = parameters;
  }

  take(count: number): (index: number) => number {
    const from = this.#next;
    this.#next += count;
    return (index) => this.#parameters[from + index]!;
  }
}

function through(layers: readonly Layer[], image: Image, reader: Reader): Image {
  return layers.reduce((input, layer) => apply(layer, input, reader), image);
}

function apply(layer: Layer, input: Image, reader: Reader): Image {
  const { rows, columns, channels, at } = input;
  switch (layer.type) {
    case "dense": {
      const weight = reader.take(at.length * layer.units);
      const bias = reader.take(layer.units);
      return image(1, 1, layer.units, (_y, _x, unit) => {
        let sum = bias(unit);
        for (let i = 0; i < at.length; i++) sum += at[i]! * weight(i * layer.units + unit);
        return sum;
      });
    }
    case "conv": {
      const { size, filters } = layer;
      const weight = reader.take(size * size * channels * filters);
      const bias = reader.take(filters);
      const border = (size - 1) / 2;
      return image(rows, columns, filters, (y, x, filter) => {
        let sum = bias(filter);
        for (let dy = 0; dy < size; dy++) {
          for (let dx = 0; dx < size; dx++) {
            for (let c = 0; c < channels; c++) {
              const value = pixel(input, y + dy - border, x + dx - border, c);
              sum += value * weight(((dy * size + dx) * channels + c) * filters + filter);
            }
          }
        }
        return sum;
      });
    }
    case "relu":
      return { ...input, at: at.map((value) => Math.max(value, 0)) };
    case "maxPool":
      return image(rows / 2, columns / 2, channels, (y, x, c) =>
        Math.max(
          pixel(input, 2 * y, 2 * x, c),
          pixel(input, 2 * y, 2 * x + 1, c),
          pixel(input, 2 * y + 1, 2 * x, c),
          pixel(input, 2 * y + 1, 2 * x + 1, c),
        ));
    case "globalMean":
      return image(1, 1, channels, (_y, _x, c) => {
        let sum = 0;
        for (let i = c; i < at.length; i += channels) sum += at[i]!;
        return sum / (rows * columns);
      });
    case "residual": {
      const inner = through(layer.layers, input, reader);
      return { ...input, at: at.map((value, index) => value + inner.at[index]!) };
    }
  }
}

function lossOf({ loss }: Network, output: Float64Array, label: ArrayLike<number>): number {
  if (loss.type === "squaredError") {
    return output.reduce((sum, value, k) => sum + (value - label[k]!) ** 2, 0) / loss.outputs;
  }
  const largest = Math.max(...output);
  const sum = output.reduce((sum, value) => sum + Math.exp(value - largest), 0);
  return Math.log(sum) + largest - output[label[0]!]!;
}

/** Zero outside. */
function pixel({ rows, columns, channels, at }: Image, y: number, x: number, c: number): number {
  if (y < 0 || y >= rows || x < 0 || x >= columns) return 0;
  return at[(y * columns + x) * channels + c]!;
}

function image(
  rows: number,
  columns: number,
  channels: number,
  value: (y: number, x: number, c: number) => number,
): Image {
  const at = new Float64Array(rows * columns * channels);
  for (let i = 0; i < at.length; i++) {
    const place = Math.floor(i / channels);
    at[i] = value(Math.floor(place / columns), place % columns, i % channels);
  }
  return { rows, columns, channels, at };
}
