/**
 * A model's parameters: one flat Float32Array with a shape table, in the order in which the network's layers stand. Updates are
 * differences of two such arrays. Everything in `learning/` is pure: chance, hashing and time are handed in.
 */
import { invariant } from "../platform/invariant.ts";
import type { Crypto } from "../platform/ports.ts";
import type { ContentHash } from "../protocols/ids.ts";

/** One named tensor of a model. */
export interface TensorShape {
  /** Unique within a model, e.g. "dense1.weight"; 1–64 characters of a–z, A–Z, 0–9, ".", "_". */
  readonly name: string;
  /** Row-major extents, each ≥ 1; empty for a scalar. */
  readonly shape: readonly number[];
}

/** Where each tensor stands in the flat array. */
export interface ParameterLayout {
  readonly tensors: readonly TensorShape[];
  /** Offset of tensor i, in numbers. */
  readonly offsets: readonly number[];
  /** All numbers together. */
  readonly count: number;
}

/** Whether the numbers of both stand for the same tensors. */
export function isSameLayout(a: ParameterLayout, b: ParameterLayout): boolean {
  return JSON.stringify(a.tensors) === JSON.stringify(b.tensors);
}

/** Parameters, or a difference of parameters: `layout.count` numbers. */
export type Parameters = Float32Array<ArrayBuffer>;

/** Most numbers one model may have (64 MiB as 32-bit floats): a round keeps a few copies in memory. */
export const PARAMETER_COUNT_MAX = 16 * 1024 * 1024;

/** Lays tensors out one after another. Throws when a name comes twice, an extent is not a positive integer, or there are too many numbers. */
export function layoutOf(tensors: readonly TensorShape[]): ParameterLayout {
  const offsets: number[] = [];
  const names = new Set<string>();
  let count = 0;
  for (const { name, shape } of tensors) {
    invariant(
      /^[A-Za-z0-9._]{1,64}$/.test(name) && !names.has(name),
      () => `Cannot lay out parameters: tensor name "${name}" is malformed or comes twice`,
    );
    names.add(name);
    for (const extent of shape) {
      invariant(
        Number.isInteger(extent) && extent >= 1,
        () => `Cannot lay out tensor "${name}": extent is ${extent}, expected an integer >= 1`,
      );
    }
    offsets.push(count);
    count += shape.reduce((product, extent) => product * extent, 1);
    invariant(
      count <= PARAMETER_COUNT_MAX,
      () => `Cannot lay out parameters: more than ${PARAMETER_COUNT_MAX} numbers`,
    );
  }
  return { tensors, offsets, count };
}

/** The numbers of tensor `index` as a view, not a copy. */
export function tensorOf(
  parameters: Parameters,
  layout: ParameterLayout,
  index: number,
): Parameters {
  const start = layout.offsets[index];
  invariant(
    start !== undefined,
    () => `Cannot read tensor ${index}: the layout has ${layout.tensors.length}`,
  );
  return parameters.subarray(start, layout.offsets[index + 1] ?? layout.count);
}

/** The parameters as little-endian IEEE 754 bytes: what is hashed, signed and stored, the same on every machine. */
export function parameterBytes(parameters: Parameters): Uint8Array<ArrayBuffer> {
  if (LITTLE_ENDIAN) {
    return new Uint8Array(parameters.buffer, parameters.byteOffset, parameters.byteLength);
  }
  const bytes = new Uint8Array(parameters.length * 4);
  const view = new DataView(bytes.buffer);
  parameters.forEach((value, index) => view.setFloat32(index * 4, value, true));
  return bytes;
}

/** What names parameters: SHA-256 of their bytes. */
export function parametersHash(
  parameters: Parameters,
  crypto: Pick<Crypto, "sha256Hex">,
): ContentHash {
  return crypto.sha256Hex(parameterBytes(parameters)) as ContentHash;
}

/** Inverse of `parameterBytes`; undefined when the length is no multiple of four. Copies. */
export function parametersFromBytes(bytes: Uint8Array): Parameters | undefined {
  if (bytes.length % 4 !== 0) return undefined;
  const parameters = new Float32Array(bytes.length / 4);
  if (LITTLE_ENDIAN) new Uint8Array(parameters.buffer).set(bytes);
  else {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    for (let i = 0; i < parameters.length; i++) parameters[i] = view.getFloat32(i * 4, true);
  }
  return parameters;
}

/** True when no number is NaN or infinite. */
export function isFinite(parameters: Parameters): boolean {
  for (let i = 0; i < parameters.length; i++) {
    // A difference with itself is NaN for NaN and both infinities, and zero for everything else.
    if (parameters[i]! - parameters[i]! !== 0) return false;
  }
  return true;
}

const LITTLE_ENDIAN = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1;
