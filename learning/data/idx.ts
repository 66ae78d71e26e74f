/**
 * IDX, the format of the MNIST family: two zero bytes, a type, a number of dimensions, the extents as big-endian 32-bit integers, then the values
 * (described at the end of LeCun, Cortes and Burges, "The MNIST database of handwritten digits"). Strict: exactly as long as the header says, and bounded.
 */
import { gunzip, isGzip } from "./gunzip.ts";

/** Largest file, unpacked: 60,000 pictures of 32 × 32 × 3 are 184 MB. */
export const IDX_BYTES_MAX = 256 * 1024 * 1024;
/** Most examples of one file. */
export const IDX_COUNT_MAX = 4_000_000;
/** Most rows, columns or channels of a picture. */
export const IDX_EXTENT_MAX = 1_024;

/** What an IDX file of bytes holds; extents are at least 1. */
export interface IdxFile {
  /** 1 (labels), 3 (grey pictures: count, rows, columns) or 4 (count, rows, columns, channels). */
  readonly extents: readonly number[];
  /** All values, row by row: a view into what was read. */
  readonly values: Uint8Array<ArrayBuffer>;
}

/** Pictures of one size. */
export interface IdxImages {
  readonly count: number;
  readonly rows: number;
  readonly columns: number;
  readonly channels: number;
  readonly pixels: Uint8Array<ArrayBuffer>;
}

const TYPES: Readonly<Record<number, string>> = {
  0x08: "unsigned bytes",
  0x09: "signed bytes",
  0x0b: "16-bit integers",
  0x0c: "32-bit integers",
  0x0d: "32-bit floats",
  0x0e: "64-bit floats",
};

/** Unpacks (gzip or not) and reads. Throws a `RangeError` that says what is wrong with the file called `what`. */
export async function readIdx(bytes: Uint8Array<ArrayBuffer>, what: string): Promise<IdxFile> {
  if (!isGzip(bytes)) return parseIdx(bytes, what);
  return parseIdx(await gunzip(bytes, { bytesMax: IDX_BYTES_MAX, what }), what);
}

/** Reads an unpacked file. Throws a `RangeError` that says what is wrong with the file called `what`. */
export function parseIdx(bytes: Uint8Array<ArrayBuffer>, what: string): IdxFile {
  const wrong = (problem: string) => new RangeError(`Cannot read ${what} as IDX: ${problem}`);
  if (bytes.length > IDX_BYTES_MAX) throw wrong(`it is longer than ${IDX_BYTES_MAX} bytes`);
  if (bytes.length < 4 || bytes[0] !== 0 || bytes[1] !== 0) {
    throw wrong("it does not begin with two zero bytes, a type and a number of dimensions");
  }
  const [, , type = 0, dimensions = 0] = bytes;
  if (type !== 0x08) {
    throw wrong(`it holds ${TYPES[type] ?? `values of type ${type}`}, expected unsigned bytes`);
  }
  if (dimensions !== 1 && dimensions !== 3 && dimensions !== 4) {
    throw wrong(
      `it has ${dimensions} dimensions, expected 1 (labels), 3 (pictures) or 4 (colour pictures)`,
    );
  }
  const start = 4 + 4 * dimensions;
  if (bytes.length < start) throw wrong("it ends within its header");
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const extents: number[] = [];
  let expected = 1;
  for (let i = 0; i < dimensions; i++) {
    const extent = view.getUint32(4 + 4 * i);
    const most = i === 0 ? IDX_COUNT_MAX : IDX_EXTENT_MAX;
    if (extent < 1 || extent > most) {
      throw wrong(`extent ${i + 1} is ${extent}, expected 1 to ${most}`);
    }
    extents.push(extent);
    expected *= extent;
  }
  const length = bytes.length - start;
  if (length !== expected) {
    throw wrong(
      `${length} values follow its header, expected ${extents.join(" × ")} = ${expected}`,
    );
  }
  return { extents, values: bytes.subarray(start) };
}

/** The file as pictures; throws a `RangeError` when it holds labels. */
export function imagesOf(file: IdxFile, what: string): IdxImages {
  const [count, rows, columns, channels = 1] = file.extents;
  if (count === undefined || rows === undefined || columns === undefined) {
    throw new RangeError(`Cannot use ${what} as pictures: it has one dimension, labels have that`);
  }
  return { count, rows, columns, channels, pixels: file.values };
}

/** The file as one label per picture; throws a `RangeError` when it holds pictures. */
export function labelsOf(file: IdxFile, what: string): Uint8Array<ArrayBuffer> {
  if (file.extents.length !== 1) {
    throw new RangeError(
      `Cannot use ${what} as labels: it has ${file.extents.length} dimensions, expected 1`,
    );
  }
  return file.values;
}

/** Writes bytes as IDX; the inverse of `parseIdx`. */
export function writeIdx(
  extents: readonly number[],
  values: Uint8Array,
): Uint8Array<ArrayBuffer> {
  const start = 4 + 4 * extents.length;
  const bytes = new Uint8Array(start + values.length);
  const view = new DataView(bytes.buffer);
  bytes[2] = 0x08;
  bytes[3] = extents.length;
  extents.forEach((extent, i) => view.setUint32(4 + 4 * i, extent));
  bytes.set(values, start);
  parseIdx(bytes, "what is to be written");
  return bytes;
}
