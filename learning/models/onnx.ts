/**
 * A network with its parameters as ONNX, for the many programs that run that. Input as the engine has it (batch, rows, columns, channels; pictures as
 * value / 255), output the last layer's numbers (logits for classes). ONNX convolves channels first, so a transposition stands where the order changes.
 */
import { type Extent, numbersOf, type ShapedLayer, shapesOf } from "../engine/shapes.ts";
import type { Network } from "../network.ts";
import { parameterBytes, type ParameterLayout, type Parameters, tensorOf } from "../parameters.ts";
import { encodeOnnx, type OnnxModel, type OnnxNode, type OnnxTensor } from "./onnx_proto.ts";

const INPUT = "input";
const OUTPUT = "output";

/** The model's bytes. Throws a `TrainingError` for an impossible network, a `RangeError` for parameters that are not its. */
export function writeOnnx(
  network: Network,
  parameters: Parameters,
  metadata: Readonly<Record<string, string>> = {},
): Uint8Array<ArrayBuffer> {
  const { layers, layout } = shapesOf(network);
  if (parameters.length !== layout.count) {
    throw new RangeError(
      `Cannot write ONNX: ${parameters.length} parameters, the network has ${layout.count}`,
    );
  }
  const graph = new GraphWriter(parameters, layout);
  const { rows, columns, channels } = network.input;
  const start: Value = { name: INPUT, order: "channelsLast", extent: network.input };
  const end = graph.flattened(graph.addLayers(layers, start));
  graph.add({ operator: "Identity", inputs: [end.name], output: OUTPUT });
  const outputs = network.loss.type === "crossEntropy"
    ? network.loss.classes
    : network.loss.outputs;
  const model: OnnxModel = {
    name: "submind",
    description: network.loss.type === "crossEntropy"
      ? "output: one logit per class"
      : "output: forecast numbers",
    nodes: graph.nodes,
    constants: graph.constants,
    input: { name: INPUT, shape: ["batch", rows, columns, channels] },
    output: { name: OUTPUT, shape: ["batch", outputs] },
    metadata,
  };
  return encodeOnnx(model);
}

/** What flows between layers, and in which order its numbers stand; flat ones are channels last in one row. */
interface Value {
  readonly name: string;
  readonly order: "channelsLast" | "channelsFirst" | "flat";
  readonly extent: Extent;
}

class GraphWriter {
  readonly nodes: OnnxNode[] = [];
  readonly constants: OnnxTensor[] = [];
  #values = 0;

  constructor(readonly parameters: Parameters, readonly layout: ParameterLayout) {}

  add(node: OnnxNode): void {
    this.nodes.push(node);
  }

  addLayers(layers: readonly ShapedLayer[], from: Value): Value {
    return layers.reduce((value, layer) => this.#addLayer(layer, value), from);
  }

  #addLayer(layer: ShapedLayer, from: Value): Value {
    switch (layer.type) {
      case "dense": {
        const inputs = [this.flattened(from).name, ...this.#learned(layer, (weight) => weight)];
        return { name: this.#node("Gemm", inputs), order: "flat", extent: layer.output };
      }
      case "conv": {
        const { size } = layer;
        const inputs = [
          this.#channelsFirst(from).name,
          ...this.#learned(layer, (weight) => channelsFirstWeight(weight, layer)),
        ];
        const pad = (size - 1) / 2;
        const name = this.#node("Conv", inputs, {
          kernel_shape: [size, size],
          pads: [pad, pad, pad, pad],
        });
        return { name, order: "channelsFirst", extent: layer.output };
      }
      case "relu":
        return { ...from, name: this.#node("Relu", [from.name]) };
      case "maxPool": {
        const name = this.#node("MaxPool", [this.#channelsFirst(from).name], {
          kernel_shape: [2, 2],
          strides: [2, 2],
        });
        return { name, order: "channelsFirst", extent: layer.output };
      }
      case "globalMean": {
        const name = this.#node("GlobalAveragePool", [this.#channelsFirst(from).name]);
        return { name, order: "channelsFirst", extent: layer.output };
      }
      case "residual": {
        const start = this.#channelsFirst(from);
        const end = this.#channelsFirst(this.addLayers(layer.layers, start));
        return { ...start, name: this.#node("Add", [start.name, end.name]) };
      }
      default:
        return layer satisfies never;
    }
  }

  /** As one row per example, channels last: how the engine counts a dense layer's inputs. */
  flattened(from: Value): Value {
    if (from.order === "flat") return from;
    const { rows, columns } = from.extent;
    const turned = from.order === "channelsFirst" && rows * columns > 1
      ? this.#node("Transpose", [from.name], { perm: [0, 2, 3, 1] })
      : from.name;
    return { ...from, name: this.#node("Flatten", [turned], { axis: 1 }), order: "flat" };
  }

  #channelsFirst(from: Value): Value {
    if (from.order === "channelsFirst") return from;
    const { rows, columns, channels } = from.extent;
    let { name } = from;
    if (from.order === "flat") {
      const shape = `shape${this.constants.length}`;
      const bytes = int64Bytes([-1, rows, columns, channels]);
      this.constants.push({ name: shape, type: "int64", shape: [4], bytes });
      name = this.#node("Reshape", [name, shape]);
    }
    name = this.#node("Transpose", [name], { perm: [0, 3, 1, 2] });
    return { ...from, name, order: "channelsFirst" };
  }

  /** Adds weight and bias as constants; returns their names. `turn` may bring the weight into ONNX's order. */
  #learned(
    layer: Extract<ShapedLayer, { readonly type: "dense" | "conv" }>,
    turn: (weight: Parameters) => Parameters,
  ): readonly string[] {
    const { weightTensor: place, name } = layer;
    const weight = turn(tensorOf(this.parameters, this.layout, place));
    const bias = tensorOf(this.parameters, this.layout, place + 1);
    const shape = layer.type === "dense"
      ? [numbersOf(layer.input), layer.units]
      : [layer.filters, layer.input.channels, layer.size, layer.size];
    const names = [`${name}.weight`, `${name}.bias`];
    this.constants.push(
      { name: names[0]!, type: "float", shape, bytes: parameterBytes(weight) },
      { name: names[1]!, type: "float", shape: [bias.length], bytes: parameterBytes(bias) },
    );
    return names;
  }

  #node(
    operator: string,
    inputs: readonly string[],
    attributes: OnnxNode["attributes"] = {},
  ): string {
    const output = `value${this.#values++}`;
    this.add({ operator, inputs, output, attributes });
    return output;
  }
}

/** [size, size, in, out] as ONNX has it: [out, in, size, size]. */
function channelsFirstWeight(
  weight: Parameters,
  { size, input, filters }: Extract<ShapedLayer, { readonly type: "conv" }>,
): Parameters {
  const turned = new Float32Array(weight.length);
  const { channels } = input;
  const area = size * size;
  for (let at = 0; at < area; at++) {
    for (let c = 0; c < channels; c++) {
      for (let f = 0; f < filters; f++) {
        turned[(f * channels + c) * area + at] = weight[(at * channels + c) * filters + f]!;
      }
    }
  }
  return turned;
}

function int64Bytes(numbers: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(numbers.length * 8);
  const view = new DataView(bytes.buffer);
  numbers.forEach((number, i) => view.setBigInt64(i * 8, BigInt(number), true));
  return bytes;
}
