/** The 16 bytes in front of every compressed update, and what a reader checks before it reads on. `docs/protocols/update-compression.md`. */
import { seededStream } from "../data/seeded_stream.ts";

/** Version of the format. */
export const FRAME_VERSION = 1;
export const FRAME_HEADER_BYTES = 16;
/** Byte 1: how the body is made. */
export const METHODS = { eden: 1, stochastic: 2, topK: 3, randomK: 4 } as const;
export type Method = keyof typeof METHODS;

/** What stands in front. */
export interface FrameHeader {
  readonly method: Method;
  /** Bits per number of the quantisers; 32 for chosen numbers sent whole. */
  readonly bits: number;
  /** Numbers of the update. */
  readonly count: number;
  /** 32 bytes that both ends know and that are not sent; see `compressionSeed`. */
  readonly seed: Uint8Array;
}

/** Why bytes are not the compressed update that was expected. */
export type FrameRefusal =
  | "truncated"
  | "oversized"
  /** Another version, method, number of bits or length than the plan says. */
  | "wrongHeader"
  /** Made for another run, round or device. */
  | "wrongSeed"
  /** A field that no encoder writes: a scale that is not finite, a spare bit that is set, places out of order. */
  | "malformed";

/** Writes the header; the body follows at `FRAME_HEADER_BYTES`. */
export function writeHeader(bytes: Uint8Array, { method, bits, count, seed }: FrameHeader): void {
  bytes[0] = FRAME_VERSION;
  bytes[1] = METHODS[method];
  bytes[2] = bits;
  bytes[3] = 0;
  new DataView(bytes.buffer, bytes.byteOffset).setUint32(4, count, true);
  bytes.set(seedCheck(seed), 8);
}

/** Compares the header with what it must be; undefined when it is that. `sizes` are the fewest and most bytes of the whole. */
export function headerRefusal(
  bytes: Uint8Array,
  expected: FrameHeader,
  sizes: { readonly least: number; readonly most: number },
): FrameRefusal | undefined {
  if (bytes.length < Math.max(FRAME_HEADER_BYTES, sizes.least)) return "truncated";
  if (bytes.length > sizes.most) return "oversized";
  const count = new DataView(bytes.buffer, bytes.byteOffset).getUint32(4, true);
  const fits = bytes[0] === FRAME_VERSION && bytes[1] === METHODS[expected.method] &&
    bytes[2] === expected.bits && bytes[3] === 0 && count === expected.count;
  if (!fits) return "wrongHeader";
  const check = seedCheck(expected.seed);
  return check.every((byte, i) => byte === bytes[8 + i]) ? undefined : "wrongSeed";
}

/** 8 bytes that tell seeds apart and say nothing about them: the start of the keystream under SHA-256(seed ‖ "check"). */
function seedCheck(seed: Uint8Array): Uint8Array {
  return seededStream(seed).fork("check").bytes(8);
}
