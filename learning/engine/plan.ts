/**
 * A network as a list of operations on one block of memory. Every number has its address before anything runs; the engine then only walks the
 * list. Planning computes with sizes alone, so that it can be done twice: once to learn what an example costs, once for good.
 */
import type { Network } from "../network.ts";
import { MEMORY_START } from "./kernels.ts";
import { type Extent, numbersOf, type ShapedLayer, type ShapedNetwork } from "./shapes.ts";

/** Numbers between two layers, for as many examples as the plan holds; channels in eights, example after example. */
export interface Slot {
  readonly extent: Extent;
  /** Channels with what fills them up. The network's input is not filled up where its first layer can do without. */
  readonly channels: number;
  /** Numbers per example. */
  readonly length: number;
  readonly values: number;
  /** Where the loss's derivative by these values goes; 0 where nobody needs it, because nothing before learns. */
  readonly gradient: number;
}

/** A weight in panels of eight columns, and its bias. */
export interface Weights {
  /** Index of the weight in the parameter layout; the bias is the next one. */
  readonly tensor: number;
  readonly weight: number;
  readonly bias: number;
  /** Rows of the weight: `places` × `channelsWide`, of which `channels` each are parameters. */
  readonly places: number;
  readonly channels: number;
  readonly channelsWide: number;
  /** Columns that are parameters, and panels of eight of them. */
  readonly columns: number;
  readonly panels: number;
  readonly panelBytes: number;
}

export type Operation =
  & { readonly input: Slot; readonly output: Slot }
  & (
    | { readonly type: "dense"; readonly weights: Weights }
    | {
      readonly type: "conv";
      readonly weights: Weights;
      readonly size: 1 | 3 | 5;
      /** All inputs with a border of zeros; the input itself for 1×1. */
      readonly bordered: Bordered;
      /** One example of the output's gradient with a border, and the weights that lead back; null when no gradient of the input is needed. */
      readonly back: { readonly bordered: Bordered; readonly turned: number } | null;
      /** Where Winograd's way is shorter; null elsewhere. */
      readonly winograd: Winograd | null;
    }
    /** `input` and `output` are the same slot unless the input is still needed. */
    | { readonly type: "relu" | "maxPool" | "globalMean" }
    | { readonly type: "residual"; readonly operations: readonly Operation[]; readonly last: Slot }
  );

/** Room for a 5×5 convolution by Winograd's way: see kernels.as. What is not per example is written anew for each. */
export interface Winograd {
  readonly tilesDown: number;
  readonly tilesAcross: number;
  /** Points of all inputs, which the gradient of the weights needs again. */
  readonly inputs: number;
  readonly inputBytes: number;
  /** Points of one output: sums, or derivatives. */
  readonly outputs: number;
  /** Points of the weights, and of their gradient. */
  readonly weights: number;
  readonly gradient: number;
  /** Points of one output's derivatives as inputs of the way back, of its sums, and of the turned weights; null as `back`. */
  readonly back: {
    readonly inputs: number;
    readonly outputs: number;
    readonly weights: number;
  } | null;
}

/** Images with a border. */
export interface Bordered {
  readonly address: number;
  readonly pixelBytes: number;
  readonly rowBytes: number;
  readonly imageBytes: number;
  /** From the image's first byte to its first pixel inside the border. */
  readonly insideBytes: number;
}

export interface Plan {
  readonly operations: readonly Operation[];
  /** Where examples are put, and what the last layer gives. */
  readonly input: Slot;
  readonly output: Slot;
  /** Most examples at once. */
  readonly capacity: number;
  /** Parameters as the engine keeps them: numbers, with what fills them up. */
  readonly parameterCount: number;
  readonly parameters: number;
  /** A second and a third set, for gradients (with momentum, velocity) and for where training began; 0 when not asked for. */
  readonly gradients: number;
  readonly start: number;
  /** Examples as bytes, and as floats before their channels are filled up (equal to `input.values` where they are not). */
  readonly stagedBytes: number;
  readonly stagedFloats: number;
  readonly labels: number;
  /** End of what the plan uses. */
  readonly bytes: number;
}

export interface PlanOptions {
  readonly batchSize: number;
  readonly gradients: boolean;
  readonly start: boolean;
}

/** What the examples of one step may take; a step over more examples than fit is cut, and its gradients summed. */
const EXAMPLES_BYTES = 64 * 1024 * 1024;

/** Places of a transformed tile, and channels on either side from which it is shorter (measured). */
const WINOGRAD_POINTS = 36;
const WINOGRAD_CHANNELS_MIN = 16;

/** Plans for `batchSize` examples at once, or as many as have room. */
export function planOf(network: Network, shaped: ShapedNetwork, options: PlanOptions): Plan {
  const one = layOut(network, shaped, { ...options, capacity: 1 }).bytes;
  const perExample = layOut(network, shaped, { ...options, capacity: 2 }).bytes - one;
  const room = Math.max(1, Math.floor(EXAMPLES_BYTES / Math.max(1, perExample)));
  const cuts = Math.ceil(options.batchSize / room);
  return layOut(network, shaped, {
    ...options,
    // Cut into equal pieces, and with a set of gradients to sum them in.
    capacity: Math.ceil(options.batchSize / cuts),
    gradients: options.gradients || cuts > 1,
  });
}

/** Rounds channels and columns up to what the kernels take at once. */
export function inEights(count: number): number {
  return Math.ceil(count / 8) * 8;
}

interface Room {
  readonly capacity: number;
  /** Room for `numbers` floats, on a cache line of its own. */
  take(numbers: number): number;
}

function layOut(
  network: Network,
  shaped: ShapedNetwork,
  options: PlanOptions & { readonly capacity: number },
): Plan {
  const { capacity } = options;
  let bytes = MEMORY_START;
  const room: Room = {
    capacity,
    take(numbers) {
      const address = bytes;
      // A little more, because some kernels write up to three numbers past the end.
      bytes += Math.ceil((numbers + 4) / 16) * 64;
      return address;
    },
  };
  const weights = planWeights(shaped.layers, room);
  const parameters = MEMORY_START;
  const parameterCount = (bytes - parameters) / 4;
  const gradients = options.gradients ? room.take(parameterCount) : 0;
  const start = options.start ? room.take(parameterCount) : 0;
  const first = shaped.layers[0]!;
  const filled = first.type !== "dense" && first.type !== "conv";
  const input = slotOf(first.input, room, { filled, gradient: false });
  const staged = shaped.exampleLength * capacity;
  const stagedBytes = room.take(staged / 4);
  const stagedFloats = filled ? room.take(staged) : input.values;
  const labels = room.take(
    capacity * (network.loss.type === "squaredError" ? network.loss.outputs : 1),
  );
  const operations = planLayers(shaped.layers, input, room, weights, true);
  const output = operations.at(-1)!.output;
  return {
    operations,
    input,
    output,
    capacity,
    parameterCount,
    parameters,
    gradients,
    start,
    stagedBytes,
    stagedFloats,
    labels,
    bytes,
  };
}

/** Room for all weights, before anything else, so that they are one block. Keyed by the weight's tensor. */
function planWeights(
  layers: readonly ShapedLayer[],
  room: Room,
  planned = new Map<number, Weights>(),
  isFirst = true,
): ReadonlyMap<number, Weights> {
  for (const layer of layers) {
    if (layer.type === "residual") planWeights(layer.layers, room, planned, false);
    else if (layer.type === "dense" || layer.type === "conv") {
      const { rows, columns, channels } = layer.input;
      const places = layer.type === "conv" ? layer.size ** 2 : rows * columns;
      const channelsWide = isFirst ? channels : inEights(channels);
      const wide = inEights(layer.output.channels);
      const height = places * channelsWide;
      planned.set(layer.weightTensor, {
        tensor: layer.weightTensor,
        weight: room.take(height * wide),
        bias: room.take(wide),
        places,
        channels,
        channelsWide,
        columns: layer.output.channels,
        panels: wide / 8,
        panelBytes: height * 32,
      });
    }
    isFirst = false;
  }
  return planned;
}

function planLayers(
  layers: readonly ShapedLayer[],
  input: Slot,
  room: Room,
  weights: ReadonlyMap<number, Weights>,
  isInputKept: boolean,
): Operation[] {
  const operations: Operation[] = [];
  for (const layer of layers) {
    const operation = planLayer(layer, input, room, weights, isInputKept);
    operations.push(operation);
    input = operation.output;
    isInputKept = false;
  }
  return operations;
}

function planLayer(
  layer: ShapedLayer,
  input: Slot,
  room: Room,
  weights: ReadonlyMap<number, Weights>,
  isInputKept: boolean,
): Operation {
  const needed = { filled: true, gradient: input.gradient !== 0 };
  switch (layer.type) {
    case "dense": {
      const output = slotOf(layer.output, room, { filled: true, gradient: true });
      return { type: "dense", input, output, weights: weights.get(layer.weightTensor)! };
    }
    case "conv": {
      const output = slotOf(layer.output, room, { filled: true, gradient: true });
      const { size } = layer;
      const border = (size - 1) / 2;
      const bordered = borderedOf(input, border, size === 1 ? null : room, room.capacity);
      const back = input.gradient === 0 ? null : {
        bordered: borderedOf(output, border, size === 1 ? null : room, 1),
        turned: room.take(size ** 2 * input.channels * output.channels),
      };
      const winograd = planWinograd(size, input, output, room);
      const planned = weights.get(layer.weightTensor)!;
      return { type: "conv", input, output, weights: planned, size, bordered, back, winograd };
    }
    case "relu":
      return {
        type: "relu",
        input,
        output: isInputKept ? slotOf(layer.output, room, needed) : input,
      };
    case "maxPool":
    case "globalMean":
      return { type: layer.type, input, output: slotOf(layer.output, room, needed) };
    case "residual": {
      const operations = planLayers(layer.layers, input, room, weights, true);
      const last = operations.at(-1)!.output;
      const output = slotOf(layer.output, room, { filled: true, gradient: last.gradient !== 0 });
      return { type: "residual", input, output, operations, last };
    }
  }
}

/** Winograd's way saves nothing where there are few channels, and its tiles are 2×2 outputs. */
function planWinograd(size: number, input: Slot, output: Slot, room: Room): Winograd | null {
  const { rows, columns } = input.extent;
  const isWorthIt = size === 5 &&
    Math.min(input.channels, output.channels) >= WINOGRAD_CHANNELS_MIN;
  if (!isWorthIt || rows % 2 !== 0 || columns % 2 !== 0) return null;
  const tiles = rows * columns / 4;
  const weightNumbers = WINOGRAD_POINTS * input.channels * output.channels;
  const [inputNumbers, outputNumbers] = [input, output].map(({ channels }) =>
    WINOGRAD_POINTS * tiles * channels
  ) as [number, number];
  return {
    tilesDown: rows / 2,
    tilesAcross: columns / 2,
    inputs: room.take(inputNumbers * room.capacity),
    inputBytes: inputNumbers * 4,
    outputs: room.take(outputNumbers),
    weights: room.take(weightNumbers),
    gradient: room.take(weightNumbers),
    back: input.gradient === 0 ? null : {
      inputs: room.take(outputNumbers),
      outputs: room.take(inputNumbers),
      weights: room.take(weightNumbers),
    },
  };
}

function slotOf(
  extent: Extent,
  room: Room,
  { filled, gradient }: { readonly filled: boolean; readonly gradient: boolean },
): Slot {
  const channels = filled ? inEights(extent.channels) : extent.channels;
  const length = numbersOf({ ...extent, channels });
  const values = room.take(length * room.capacity);
  return {
    extent,
    channels,
    length,
    values,
    gradient: gradient ? room.take(length * room.capacity) : 0,
  };
}

/** Room for images with a border; without a border they are those of the slot. */
function borderedOf(slot: Slot, border: number, room: Room | null, images: number): Bordered {
  const pixelBytes = slot.channels * 4;
  const rowBytes = (slot.extent.columns + 2 * border) * pixelBytes;
  const imageBytes = (slot.extent.rows + 2 * border) * rowBytes;
  const insideBytes = border * (rowBytes + pixelBytes);
  const address = room === null ? slot.values : room.take(imageBytes / 4 * images);
  return { address, pixelBytes, rowBytes, imageBytes, insideBytes };
}
