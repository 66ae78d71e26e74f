/** The part of ONNX's protobuf messages that a network needs (onnx.proto of onnx 1.16; field numbers never change). Only written, never read. */
import { PbfWriter } from "pbf";

/** ONNX's format, not its operators: 8 came with ONNX 1.10 and is read by everything since. */
const IR_VERSION = 8;
/** Operators as of this version: the oldest in which all we use have their present form. */
const OPERATOR_SET = 13;
const TYPE_FLOAT = 1;
const TYPE_INT64 = 7;
const ATTRIBUTE_INT = 2;
const ATTRIBUTE_INTS = 7;

/** A constant tensor. `bytes` are little-endian. */
export interface OnnxTensor {
  readonly name: string;
  readonly type: "float" | "int64";
  readonly shape: readonly number[];
  readonly bytes: Uint8Array;
}

export interface OnnxNode {
  readonly operator: string;
  readonly inputs: readonly string[];
  readonly output: string;
  readonly attributes?: Readonly<Record<string, number | readonly number[]>>;
}

/** What goes in or comes out: floats. A text is an extent that is chosen at run time. */
export interface OnnxValue {
  readonly name: string;
  readonly shape: readonly (number | string)[];
}

export interface OnnxModel {
  readonly name: string;
  readonly description: string;
  readonly nodes: readonly OnnxNode[];
  readonly constants: readonly OnnxTensor[];
  readonly input: OnnxValue;
  readonly output: OnnxValue;
  readonly metadata: Readonly<Record<string, string>>;
}

/** The model's bytes. Same model, same bytes. */
export function encodeOnnx(model: OnnxModel): Uint8Array<ArrayBuffer> {
  const writer = new PbfWriter();
  writer.writeVarintField(1, IR_VERSION);
  writer.writeStringField(2, "submind");
  writer.writeStringField(6, model.description);
  writer.writeMessage(7, writeGraph, model);
  writer.writeMessage(8, (version: number, to) => {
    to.writeStringField(1, "");
    to.writeVarintField(2, version);
  }, OPERATOR_SET);
  for (const entry of Object.entries(model.metadata)) writer.writeMessage(14, writeText, entry);
  return new Uint8Array(writer.finish());
}

function writeGraph(model: OnnxModel, to: PbfWriter): void {
  for (const node of model.nodes) to.writeMessage(1, writeNode, node);
  to.writeStringField(2, model.name);
  for (const constant of model.constants) to.writeMessage(5, writeTensor, constant);
  to.writeMessage(11, writeValue, model.input);
  to.writeMessage(12, writeValue, model.output);
}

function writeNode(node: OnnxNode, to: PbfWriter): void {
  for (const input of node.inputs) to.writeStringField(1, input);
  to.writeStringField(2, node.output);
  to.writeStringField(3, node.output);
  to.writeStringField(4, node.operator);
  for (const attribute of Object.entries(node.attributes ?? {})) {
    to.writeMessage(5, writeAttribute, attribute);
  }
}

function writeAttribute(
  [name, value]: readonly [string, number | readonly number[]],
  to: PbfWriter,
): void {
  to.writeStringField(1, name);
  if (typeof value === "number") {
    to.writeVarintField(3, value);
    to.writeVarintField(20, ATTRIBUTE_INT);
  } else {
    for (const item of value) to.writeVarintField(8, item);
    to.writeVarintField(20, ATTRIBUTE_INTS);
  }
}

function writeTensor({ name, type, shape, bytes }: OnnxTensor, to: PbfWriter): void {
  for (const extent of shape) to.writeVarintField(1, extent);
  to.writeVarintField(2, type === "float" ? TYPE_FLOAT : TYPE_INT64);
  to.writeStringField(8, name);
  to.writeBytesField(9, bytes);
}

function writeValue({ name, shape }: OnnxValue, to: PbfWriter): void {
  to.writeStringField(1, name);
  // ValueInfoProto.type → TypeProto.tensor_type → its element type and shape.
  to.writeMessage(2, (_, type) =>
    type.writeMessage(1, (_, tensor) => {
      tensor.writeVarintField(1, TYPE_FLOAT);
      tensor.writeMessage(2, (_, dimensions) => {
        for (const extent of shape) dimensions.writeMessage(1, writeDimension, extent);
      }, null);
    }, null), null);
}

function writeDimension(extent: number | string, to: PbfWriter): void {
  if (typeof extent === "number") to.writeVarintField(1, extent);
  else to.writeStringField(2, extent);
}

function writeText([key, value]: readonly [string, string], to: PbfWriter): void {
  to.writeStringField(1, key);
  to.writeStringField(2, value);
}
