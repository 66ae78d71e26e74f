/** What the quantisers have in common: block after rotated block, each a few numbers of its own and then a code for each of its numbers. */
import type { Random } from "../../platform/ports.ts";
import { isFinite } from "../parameters.ts";
import { packCodes, packedCodeBytes, unpackCodes } from "./code_packing.ts";
import { type Compressor, requireModerate } from "./compressor.ts";
import { FRAME_HEADER_BYTES, headerRefusal, type Method, writeHeader } from "./frame.ts";
import {
  BLOCK_LENGTH_MAX,
  blockLengths,
  type BlockRotation,
  paddedCount,
  withBlockRotation,
} from "./rotation.ts";

/** A block of an update that is being encoded, in `rotation.values`, not rotated yet. */
export interface BlockToEncode {
  readonly rotation: BlockRotation;
  /** Place of its first number in the whole. */
  readonly start: number;
  readonly length: number;
  /** For the code of each number. */
  readonly codes: Uint8Array;
  /** Where the numbers of the block are to be written: at byte `at`. */
  readonly view: DataView;
  readonly at: number;
}

/** How a quantiser writes a block, and what it reads back. */
export interface BlockCoding {
  readonly method: Method;
  /** Of a code, 1 to 8. */
  readonly bits: number;
  /** Of the numbers in front of a block's codes. */
  readonly headerBytes: number;
  /** Lends what rotates a block, codes its numbers and writes its own, for all blocks of one update. */
  encoder(random: Random): (block: BlockToEncode) => void;
  /** The number that each code of a block of this length stands for, before it is rotated back; false when no encoder writes what is at `at`. */
  readTable(view: DataView, at: number, length: number, table: Float64Array): boolean;
}

/** The compressor of such blocks. */
export function blockCompressor(coding: BlockCoding): Compressor {
  const { method, bits, headerBytes } = coding;
  const size = (count: number) =>
    FRAME_HEADER_BYTES + headerBytes * blockLengths(count).length +
    packedCodeBytes(paddedCount(count), bits);
  return {
    name: method,
    feedback: false,
    bytesMax: size,
    encode(update, { seed, random }) {
      requireModerate(update, method);
      const count = update.length;
      const bytes = new Uint8Array(size(count));
      const view = new DataView(bytes.buffer);
      writeHeader(bytes, { method, bits, count, seed });
      withBlockRotation(seed, count, (rotation) => {
        const { values } = rotation;
        const codes = new Uint8Array(BLOCK_LENGTH_MAX);
        const encodeBlock = coding.encoder(random);
        let [start, at] = [0, FRAME_HEADER_BYTES];
        for (const length of blockLengths(count)) {
          values.set(update.subarray(start, start + length));
          values.fill(0, count - start, length);
          encodeBlock({ rotation, start, length, codes, view, at });
          packCodes({ codes, count: length, bits, bytes, at: at + headerBytes });
          at += headerBytes + packedCodeBytes(length, bits);
          start += length;
        }
      });
      return bytes;
    },
    decode(bytes, { seed, count }) {
      const refusal = headerRefusal(bytes, { method, bits, count, seed }, {
        least: size(count),
        most: size(count),
      });
      if (refusal !== undefined) return { ok: false, reason: refusal };
      const view = new DataView(bytes.buffer, bytes.byteOffset);
      const decoded = new Float32Array(count);
      const wellFormed = withBlockRotation(seed, count, (rotation) => {
        const { values } = rotation;
        const table = new Float64Array(2 ** bits);
        let [start, at] = [0, FRAME_HEADER_BYTES];
        for (const length of blockLengths(count)) {
          if (!coding.readTable(view, at, length, table)) return false;
          unpackCodes({ bytes, at: at + headerBytes, count: length, bits, table, values });
          rotation.unrotate(start, length);
          decoded.set(values.subarray(0, Math.min(length, count - start)), start);
          at += headerBytes + packedCodeBytes(length, bits);
          start += length;
        }
        return true;
      });
      // A liar's numbers can be finite and still too large to transform.
      return wellFormed && isFinite(decoded)
        ? { ok: true, values: decoded }
        : { ok: false, reason: "malformed" };
    },
  };
}
