/**
 * What a network's layers make of an example: the extents between them, and the tensors they learn. Everything that can be wrong with a
 * network as data is found here, before anything is computed; a network comes from a signed plan, so from anybody.
 */
import type { Layer, Network } from "../network.ts";
import {
  layoutOf,
  PARAMETER_COUNT_MAX,
  type ParameterLayout,
  type TensorShape,
} from "../parameters.ts";
import { TrainingError } from "../trainer.ts";

/** Numbers between two layers, per example. A vector has one row and one column. */
export interface Extent {
  readonly rows: number;
  readonly columns: number;
  readonly channels: number;
}

/** A layer that learns, with the place of its two tensors in the layout: the weight, and right after it the bias. */
interface Learned {
  readonly weightTensor: number;
}

/** A layer with what goes in and what comes out. */
export type ShapedLayer =
  & { readonly input: Extent; readonly output: Extent }
  & (
    | (Extract<Layer, { type: "dense" }> & Learned)
    | (Extract<Layer, { type: "conv" }> & Learned)
    | Extract<Layer, { type: "relu" | "maxPool" | "globalMean" }>
    | { readonly type: "residual"; readonly layers: readonly ShapedLayer[] }
  );

/** A network whose shapes fit. */
export interface ShapedNetwork {
  readonly layers: readonly ShapedLayer[];
  readonly layout: ParameterLayout;
  /** Numbers per example that go in. */
  readonly exampleLength: number;
}

/** Layers of one network, those inside residual blocks included. */
export const LAYERS_MAX = 64;
/** Most rows, columns or channels of anything, and most units or filters of a layer. */
const EXTENT_MAX = 65_536;
/** Most numbers between two layers for one example: 16 MiB as floats. */
const ACTIVATION_MAX = 4 * 1024 * 1024;
const LAYER_NAME = /^[A-Za-z0-9_]{1,48}$/;

/**
 * Follows the extents through a network. Throws a `TrainingError` ("impossible") that names the layer and what would fit, when a layer
 * does not fit its input, a name is malformed or comes twice, a number is out of range, or the last layer does not fit the loss.
 */
export function shapesOf(network: Network): ShapedNetwork {
  const { rows, columns, channels } = network.input;
  const input = { rows, columns, channels };
  for (const [side, value] of Object.entries(input)) checkCount(value, 1, `input.${side}`);
  checkActivation(input, "the input");
  const tensors: TensorShape[] = [];
  const counted = { layers: 0, names: new Set<string>() };
  const layers = shapeAll(network.layers, input, tensors, counted, false);
  if (layers.length === 0) impossible("layers is empty, expected 1 to 64");
  if (tensors.length === 0) impossible("no layer learns anything, expected a dense or conv layer");
  checkLoss(network, layers.at(-1)!.output);
  return { layers, layout: layoutOf(tensors), exampleLength: numbersOf(input) };
}

/** Where each tensor of a network stands among its parameters. Throws as `shapesOf`. */
export function parameterLayout(network: Network): ParameterLayout {
  return shapesOf(network).layout;
}

/** Numbers of an extent, per example. */
export function numbersOf({ rows, columns, channels }: Extent): number {
  return rows * columns * channels;
}

interface Counted {
  layers: number;
  readonly names: Set<string>;
}

function shapeAll(
  layers: readonly Layer[],
  input: Extent,
  tensors: TensorShape[],
  counted: Counted,
  inside: boolean,
): ShapedLayer[] {
  const shaped: ShapedLayer[] = [];
  for (const layer of layers) {
    if (++counted.layers > LAYERS_MAX) {
      impossible(`there are more than ${LAYERS_MAX} layers, those inside residual blocks included`);
    }
    const next = shape(layer, input, tensors, counted, inside);
    checkActivation(next.output, `layer ${counted.layers} (${layer.type})`);
    shaped.push(next);
    input = next.output;
  }
  return shaped;
}

function shape(
  layer: Layer,
  input: Extent,
  tensors: TensorShape[],
  counted: Counted,
  inside: boolean,
): ShapedLayer {
  switch (layer.type) {
    case "dense": {
      checkName(layer.name, counted);
      checkCount(layer.units, 1, `units of dense layer "${layer.name}"`);
      const { name, units } = layer;
      const weightTensor = addTensors(tensors, name, [numbersOf(input), units]);
      const output = { rows: 1, columns: 1, channels: units };
      return { type: "dense", name, units, input, output, weightTensor };
    }
    case "conv": {
      checkName(layer.name, counted);
      const { name, size, filters } = layer;
      if (size !== 1 && size !== 3 && size !== 5) {
        impossible(`size of conv layer "${name}" is ${size}, expected 1, 3 or 5`);
      }
      checkCount(filters, 1, `filters of conv layer "${name}"`);
      const weightTensor = addTensors(tensors, name, [size, size, input.channels, filters]);
      const output = { ...input, channels: filters };
      return { type: "conv", name, size, filters, input, output, weightTensor };
    }
    case "relu":
      return { type: "relu", input, output: input };
    case "maxPool": {
      const { rows, columns, channels } = input;
      if (rows % 2 !== 0 || columns % 2 !== 0) {
        impossible(
          `maxPool gets ${rows}×${columns} (layer ${counted.layers}), expected even rows and columns`,
        );
      }
      return { type: "maxPool", input, output: { rows: rows / 2, columns: columns / 2, channels } };
    }
    case "globalMean":
      return { type: "globalMean", input, output: { ...input, rows: 1, columns: 1 } };
    case "residual": {
      if (inside) impossible("a residual block stands inside another");
      const layers = shapeAll(layer.layers, input, tensors, counted, true);
      const output = layers.at(-1)?.output;
      if (output === undefined) impossible("a residual block has no layers");
      if (describe(output) !== describe(input)) {
        impossible(
          `a residual block makes ${describe(output)} of ${describe(input)}, expected the same`,
        );
      }
      return { type: "residual", layers, input, output };
    }
    default:
      layer satisfies never;
      return impossible(`layer type ${JSON.stringify((layer as Layer).type)} is not known`);
  }
}

/** Adds weight and bias; returns the place of the weight. The last extent of the weight is what the layer puts out. */
function addTensors(tensors: TensorShape[], name: string, weight: readonly number[]): number {
  const place = tensors.length;
  tensors.push({ name: `${name}.weight`, shape: weight });
  tensors.push({ name: `${name}.bias`, shape: [weight.at(-1)!] });
  const count = tensors.reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0);
  if (count > PARAMETER_COUNT_MAX) {
    impossible(`up to layer "${name}" it has ${count} parameters, at most ${PARAMETER_COUNT_MAX}`);
  }
  return place;
}

function checkLoss({ loss }: Network, output: Extent): void {
  const [word, wanted] = loss.type === "crossEntropy"
    ? ["classes", loss.classes] as const
    : ["outputs", loss.outputs] as const;
  checkCount(wanted, loss.type === "crossEntropy" ? 2 : 1, word);
  if (output.rows !== 1 || output.columns !== 1 || output.channels !== wanted) {
    impossible(
      `the last layer gives ${
        describe(output)
      }, expected 1×1×${wanted} for ${wanted} ${word}: end with dense or globalMean`,
    );
  }
}

function checkName(name: string, { names }: Counted): void {
  if (!LAYER_NAME.test(name)) {
    impossible(
      `layer name ${
        JSON.stringify(name.slice(0, 64))
      } is malformed, expected 1 to 48 of a–z, A–Z, 0–9, _`,
    );
  }
  if (names.has(name)) impossible(`layer name "${name}" comes twice`);
  names.add(name);
}

function checkCount(value: number, min: number, what: string): void {
  if (Number.isInteger(value) && value >= min && value <= EXTENT_MAX) return;
  impossible(`${what} is ${value}, expected an integer from ${min} to ${EXTENT_MAX}`);
}

function checkActivation(extent: Extent, where: string): void {
  if (numbersOf(extent) <= ACTIVATION_MAX) return;
  impossible(
    `${where} is ${describe(extent)} per example, expected at most ${ACTIVATION_MAX} numbers`,
  );
}

function describe({ rows, columns, channels }: Extent): string {
  return `${rows}×${columns}×${channels}`;
}

function impossible(problem: string): never {
  throw new TrainingError(`Cannot build the network: ${problem}`, "impossible");
}
