/**
 * safetensors, the format in which most tools read and write parameters: eight bytes of length, a JSON header with names, shapes and places, then the numbers
 * (huggingface/safetensors, README, "Format"). Here with 32-bit floats only. The reader is strict: no holes, no overlaps, bounded.
 */
import {
  layoutOf,
  PARAMETER_COUNT_MAX,
  parameterBytes,
  type ParameterLayout,
  type Parameters,
  parametersFromBytes,
  tensorOf,
  type TensorShape,
} from "../parameters.ts";

/** Longest header, bytes. */
export const HEADER_BYTES_MAX = 1024 * 1024;
/** Most tensors in one file. */
export const TENSORS_MAX = 4_096;
/** The header's length is written in this many bytes. */
const LENGTH_BYTES = 8;
const METADATA = "__metadata__";

/** What a file holds. */
export interface SafetensorsFile {
  /** Tensors in the order in which their numbers stand in the file. */
  readonly layout: ParameterLayout;
  readonly parameters: Parameters;
  readonly metadata: Readonly<Record<string, string>>;
}

/** Writes parameters; `metadata` are texts for whoever reads the file. Same input, same bytes. */
export function writeSafetensors(
  parameters: Parameters,
  layout: ParameterLayout,
  metadata: Readonly<Record<string, string>> = {},
): Uint8Array<ArrayBuffer> {
  if (parameters.length !== layout.count) {
    throw new RangeError(
      `Cannot write safetensors: ${parameters.length} parameters, the layout has ${layout.count}`,
    );
  }
  const entries = layout.tensors.map(({ name, shape }, i) => {
    const begin = layout.offsets[i]! * 4;
    const data_offsets = [begin, begin + tensorOf(parameters, layout, i).byteLength];
    return [name, { dtype: "F32", shape, data_offsets }];
  });
  const texts = Object.entries(metadata).sort(([a], [b]) => a < b ? -1 : 1);
  const json = JSON.stringify(
    Object.fromEntries([
      ...(texts.length === 0 ? [] : [[METADATA, Object.fromEntries(texts)]]),
      ...entries,
    ]),
  );
  const text = new TextEncoder().encode(json);
  // Numbers begin at a multiple of eight; the format fills up with spaces.
  const header = new Uint8Array(Math.ceil(text.length / 8) * 8).fill(0x20);
  header.set(text);
  const bytes = new Uint8Array(LENGTH_BYTES + header.length + parameters.byteLength);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(header.length), true);
  bytes.set(header, LENGTH_BYTES);
  bytes.set(parameterBytes(parameters), LENGTH_BYTES + header.length);
  return bytes;
}

/** Reads a file. Throws a `RangeError` that says what is wrong with it. */
export function readSafetensors(bytes: Uint8Array): SafetensorsFile {
  if (bytes.length < LENGTH_BYTES) throw wrong("it ends within its length");
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const length = view.getBigUint64(0, true);
  if (length > BigInt(HEADER_BYTES_MAX)) {
    throw wrong(`its header has ${length} bytes, expected at most ${HEADER_BYTES_MAX}`);
  }
  const start = LENGTH_BYTES + Number(length);
  if (start > bytes.length) throw wrong("it ends within its header");
  const header = parseHeader(bytes.subarray(LENGTH_BYTES, start));
  const data = bytes.subarray(start);
  const tensors: Placed[] = [];
  let metadata: Readonly<Record<string, string>> = {};
  for (const [name, value] of Object.entries(header)) {
    if (name === METADATA) metadata = parseMetadata(value);
    else tensors.push(parseTensor(name, value));
    if (tensors.length > TENSORS_MAX) throw wrong(`it has more than ${TENSORS_MAX} tensors`);
  }
  tensors.sort((a, b) => a.begin - b.begin || a.end - b.end);
  let at = 0;
  for (const { name, begin, end } of tensors) {
    if (begin !== at) throw wrong(`tensor "${name}" begins at ${begin}, expected ${at}`);
    at = end;
  }
  if (at !== data.length) throw wrong(`it has ${data.length} bytes of numbers, tensors take ${at}`);
  const parameters = parametersFromBytes(data);
  if (parameters === undefined) throw wrong("its numbers are cut off");
  return {
    layout: layoutOf(tensors.map(({ name, shape }) => ({ name, shape }))),
    parameters,
    metadata,
  };
}

interface Placed extends TensorShape {
  readonly begin: number;
  readonly end: number;
}

function parseHeader(bytes: Uint8Array): Readonly<Record<string, unknown>> {
  let header: unknown;
  try {
    header = JSON.parse(new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes));
  } catch {
    throw wrong("its header is no JSON");
  }
  if (!isObject(header) || bytes[0] !== 0x7b) throw wrong("its header is no JSON object");
  return header;
}

function parseMetadata(value: unknown): Readonly<Record<string, string>> {
  if (isObject(value)) {
    const texts = Object.entries(value).filter((entry): entry is [string, string] =>
      typeof entry[1] === "string"
    );
    if (texts.length === Object.keys(value).length) return Object.fromEntries(texts);
  }
  throw wrong(`${METADATA} is no object of texts`);
}

function parseTensor(name: string, value: unknown): Placed {
  const { dtype, shape, data_offsets: offsets } = isObject(value)
    ? value as { dtype?: unknown; shape?: unknown; data_offsets?: unknown }
    : {};
  if (dtype !== "F32") throw wrong(`tensor "${name}" is ${JSON.stringify(dtype)}, expected "F32"`);
  if (!isCounts(shape) || shape.length > 8) throw wrong(`tensor "${name}" has no shape`);
  const [begin, end, more] = isCounts(offsets) ? offsets : [];
  if (begin === undefined || end === undefined || more !== undefined) {
    throw wrong(`tensor "${name}" has no place`);
  }
  const count = shape.reduce((product, extent) => product * extent, 1);
  if (count < 1 || count > PARAMETER_COUNT_MAX || end - begin !== count * 4) {
    throw wrong(
      `tensor "${name}" of ${shown(shape)} takes ${end - begin} bytes, expected ${count * 4}`,
    );
  }
  return { name, shape, begin, end };
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isCounts(value: unknown): value is readonly number[] {
  return Array.isArray(value) && value.every((item) => Number.isSafeInteger(item) && item >= 0);
}

function shown(shape: readonly number[]): string {
  return `[${shape.join(", ")}]`;
}

function wrong(problem: string): RangeError {
  return new RangeError(`Cannot read safetensors: ${problem}`);
}
