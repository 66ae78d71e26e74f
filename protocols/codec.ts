/**
 * Canonical CBOR: one value has exactly one encoding, and nothing else is accepted. Deterministic encoding of RFC 8949 (section 4.2.1)
 * narrowed to what travels here: arrays, maps with text keys, byte strings, text, integers, true, false and null.
 *
 * Everything signed or sent between nodes is written and read by this file, or (blocks, for speed) by a reader that property tests
 * hold equal to it.
 */
import { decode, encode } from "cborg";
import { errorText } from "../platform/error_text.ts";

/** What can travel. Maps are plain objects; integers lie within ±(2^53 − 1). */
export type WireValue =
  | null
  | boolean
  | number
  | string
  | Uint8Array
  | readonly WireValue[]
  | { readonly [key: string]: WireValue };

/** What can be encoded: as `WireValue`, but typed so that documented interfaces fit too. What is inside is checked when it runs. */
export type EncodableValue = null | boolean | number | string | object;

export interface DecodeLimits {
  /** Longest input, bytes. */
  readonly bytesMax: number;
  /** Arrays and maps inside each other; the outermost counts as 1. Default 16. */
  readonly depthMax?: number;
  /** Values in all, keys included. Default 65,536: bounds what a frame of empty arrays can cost in memory. */
  readonly itemsMax?: number;
}

export type DecodeOutcome =
  | { readonly ok: true; readonly value: WireValue }
  /** `reason` says what was wrong and where, for logs and strikes. */
  | { readonly ok: false; readonly reason: string };

/** Arrays and maps inside each other, unless the caller says otherwise. */
export const CBOR_DEPTH_MAX = 16;
/** Values in one input, unless the caller says otherwise. */
export const CBOR_ITEMS_MAX = 65_536;

/**
 * The one encoding of `value`.
 *
 * @throws {TypeError} when something in it cannot travel: undefined, a fraction, an integer beyond 2^53 − 1, text with a lone
 * surrogate or U+FEFF in front, anything that is no array, plain object or `Uint8Array`, or nesting deeper than 16
 */
export function encodeCanonical(value: EncodableValue): Uint8Array<ArrayBuffer> {
  assertEncodable(value, "value", 1);
  const bytes = encode(value);
  return bytes as Uint8Array<ArrayBuffer>;
}

/**
 * Reads one value and accepts only the bytes that `encodeCanonical` would write for it. Byte strings in the result are copies.
 * Never throws on any input.
 */
export function decodeCanonical(bytes: Uint8Array, limits: DecodeLimits): DecodeOutcome {
  const problem = problemOfStructure(bytes, limits);
  if (problem !== undefined) return { ok: false, reason: problem };
  let value: WireValue;
  try {
    value = decode(bytes, STRICT) as WireValue;
  } catch (error) {
    return { ok: false, reason: errorText(error) };
  }
  // What the scan leaves: order of map keys and text that is not UTF-8 (which decodes to other text).
  if (!equalBytes(encode(value), bytes)) {
    return {
      ok: false,
      reason: "CBOR is not canonical: encoding its value again gives other bytes",
    };
  }
  return { ok: true, value };
}

/**
 * True when this text can travel: no lone surrogate (UTF-8 has none), and no byte order mark in front (readers of UTF-8 drop it, so
 * that two byte strings would read as one text).
 */
export function isWireText(text: string): boolean {
  return text.isWellFormed() && text.charCodeAt(0) !== 0xfeff;
}

/** From so many bytes on views that read four at a time cost less than they save: a vector is compared in a quarter of the time. */
const COMPARED_BY_FOUR_FROM = 256;

/** True when both hold the same bytes. Not constant-time: never for secrets. */
export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  const { length } = a;
  if (length !== b.length) return false;
  let at = 0;
  if (length >= COMPARED_BY_FOUR_FROM) {
    const x = new DataView(a.buffer, a.byteOffset, length);
    const y = new DataView(b.buffer, b.byteOffset, length);
    for (; at + 4 <= length; at += 4) if (x.getInt32(at) !== y.getInt32(at)) return false;
  }
  for (; at < length; at++) if (a[at] !== b[at]) return false;
  return true;
}

const STRICT = {
  strict: true,
  allowIndefinite: false,
  allowUndefined: false,
  allowInfinity: false,
  allowNaN: false,
  allowBigInt: false,
  rejectDuplicateMapKeys: true,
} as const;

function assertEncodable(value: unknown, path: string, depth: number): void {
  switch (typeof value) {
    case "boolean":
      return;
    case "number":
      if (Number.isSafeInteger(value)) return;
      throw new TypeError(`Cannot encode ${path}: ${value} is not an integer within ±(2^53 − 1)`);
    case "string":
      if (isWireText(value)) return;
      throw new TypeError(
        `Cannot encode ${path}: text has a lone surrogate or starts with U+FEFF`,
      );
    case "object":
      break;
    default:
      throw new TypeError(`Cannot encode ${path}: ${typeof value} cannot travel`);
  }
  if (value === null || value instanceof Uint8Array) return;
  if (depth > CBOR_DEPTH_MAX) {
    throw new TypeError(`Cannot encode ${path}: nested deeper than ${CBOR_DEPTH_MAX}`);
  }
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i++) assertEncodable(value[i], `${path}[${i}]`, depth + 1);
    return;
  }
  const prototype = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null) {
    throw new TypeError(`Cannot encode ${path}: ${prototype.constructor?.name} is no plain object`);
  }
  for (const [key, inner] of Object.entries(value)) {
    assertEncodable(key, `key of ${path}`, depth);
    assertEncodable(inner, `${path}.${key}`, depth + 1);
  }
}

const MAJOR_UNSIGNED = 0;
const MAJOR_NEGATIVE = 1;
const MAJOR_BYTES = 2;
const MAJOR_TEXT = 3;
const MAJOR_ARRAY = 4;
const MAJOR_MAP = 5;

/**
 * Walks over the heads of all items without recursion or allocation per item, before anything is built from them. Refuses tags, floats,
 * undefined, indefinite lengths, lengths and integers that are not in their shortest form, keys that are no text, trailing bytes, and
 * whatever goes past a limit.
 */
function problemOfStructure(bytes: Uint8Array, limits: DecodeLimits): string | undefined {
  const depthMax = limits.depthMax ?? CBOR_DEPTH_MAX;
  const itemsMax = limits.itemsMax ?? CBOR_ITEMS_MAX;
  if (bytes.length > limits.bytesMax) {
    return `CBOR has ${bytes.length} bytes, expected at most ${limits.bytesMax}`;
  }
  // Items still to come in each open array or map; a map counts keys and values.
  const remaining: number[] = [1];
  const isMap: boolean[] = [false];
  let offset = 0;
  let items = 0;
  while (remaining.length > 0) {
    const top = remaining.length - 1;
    const left = remaining[top]!;
    if (left === 0) {
      remaining.pop();
      isMap.pop();
      continue;
    }
    remaining[top] = left - 1;
    if (++items > itemsMax) return `CBOR has more than ${itemsMax} items`;
    const initial = bytes[offset];
    if (initial === undefined) return `CBOR ends at byte ${offset}, expected an item`;
    const major = initial >> 5;
    if (isMap[top] && left % 2 === 0 && major !== MAJOR_TEXT) {
      return `CBOR map key at byte ${offset} is no text`;
    }
    if (major > MAJOR_MAP) {
      if (initial === 0xf4 || initial === 0xf5 || initial === 0xf6) {
        offset++;
        continue;
      }
      return `CBOR item at byte ${offset} (0x${
        initial.toString(16)
      }) is a tag, float or other value that cannot travel`;
    }
    const head = readHead(bytes, offset);
    if (typeof head === "string") return head;
    offset = head.next;
    switch (major) {
      case MAJOR_UNSIGNED:
        break;
      case MAJOR_NEGATIVE:
        // −1 − 2^53+1 would be −2^53, which is not a safe integer.
        if (head.argument === Number.MAX_SAFE_INTEGER) {
          return `CBOR integer before byte ${offset} is out of range`;
        }
        break;
      case MAJOR_BYTES:
      case MAJOR_TEXT:
        if (head.argument > bytes.length - offset) {
          return `CBOR string before byte ${offset} has length ${head.argument}, only ${
            bytes.length - offset
          } bytes follow`;
        }
        offset += head.argument;
        break;
      case MAJOR_ARRAY:
      case MAJOR_MAP:
        if (head.argument > itemsMax) return `CBOR has more than ${itemsMax} items`;
        if (remaining.length > depthMax) return `CBOR is nested deeper than ${depthMax}`;
        remaining.push(major === MAJOR_MAP ? head.argument * 2 : head.argument);
        isMap.push(major === MAJOR_MAP);
        break;
    }
  }
  return offset === bytes.length
    ? undefined
    : `CBOR ends at byte ${offset}, but ${bytes.length} came`;
}

/** The argument of the head at `offset` and where the head ends; a text when it is not in its shortest form, too big or cut off. */
function readHead(
  bytes: Uint8Array,
  offset: number,
): { readonly argument: number; readonly next: number } | string {
  const info = bytes[offset]! & 31;
  if (info < 24) return { argument: info, next: offset + 1 };
  if (info > 27) return `CBOR item at byte ${offset} has an indefinite or reserved length`;
  const count = 1 << (info - 24);
  if (offset + count >= bytes.length) return `CBOR ends inside the head at byte ${offset}`;
  let argument = 0;
  for (let i = 1; i <= count; i++) argument = argument * 256 + bytes[offset + i]!;
  const smallest = count === 1 ? 24 : count === 2 ? 256 : count === 4 ? 65_536 : 4_294_967_296;
  if (argument < smallest) return `CBOR head at byte ${offset} is not in its shortest form`;
  if (argument > Number.MAX_SAFE_INTEGER) {
    return `CBOR head at byte ${offset} is larger than 2^53 − 1`;
  }
  return { argument, next: offset + 1 + count };
}
