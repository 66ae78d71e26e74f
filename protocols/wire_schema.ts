/** Pieces that the `wire.ts` of every protocol is made of: ids as bytes on the wire, as branded text inside. */
import { z } from "zod";
import { type BlockId, blockIdOf, type ContentHash, type DeviceId, deviceIdOf } from "./ids.ts";

/** A byte string of at most `bytesMax` bytes. */
export function bytes(bytesMax: number): z.ZodType<Uint8Array> {
  return z.custom<Uint8Array>(
    (value) => value instanceof Uint8Array && value.length <= bytesMax,
    `expected at most ${bytesMax} bytes`,
  );
}

function exactly(length: number): z.ZodType<Uint8Array> {
  return z.custom<Uint8Array>(
    (value) => value instanceof Uint8Array && value.length === length,
    `expected ${length} bytes`,
  );
}

/** Exactly 16 bytes. */
export const bytes16 = exactly(16);
/** 32 bytes of a SHA-256, as a block id. */
export const blockId = exactly(32).transform((hash): BlockId => blockIdOf(hash));
/** 32 bytes of a SHA-256, as a content hash. */
export const contentHash = exactly(32).transform((hash): ContentHash =>
  hash.toHex() as ContentHash
);
/** 32 bytes of an Ed25519 public key, as a device id. */
export const deviceId = exactly(32).transform((key): DeviceId => deviceIdOf(key));
/** 8 bytes, as 16 hex digits. */
export const shortId = exactly(8).transform((short): string => short.toHex());
/** An integer 0 ≤ n < 2^32. */
export const uint32 = z.int().min(0).max(2 ** 32 - 1);
/** An integer ≥ 1 that a number holds exactly. */
export const sequence = z.int().min(1).max(Number.MAX_SAFE_INTEGER);

/** Text of at most `bytesMax` bytes of UTF-8. */
export function text(bytesMax: number): z.ZodType<string> {
  return z.string().max(bytesMax).refine(
    (value) => new TextEncoder().encode(value).length <= bytesMax,
    `expected at most ${bytesMax} bytes of UTF-8`,
  );
}

/** `true` exactly when both types accept each other: unlike assignability, an extra optional field is found. */
export type Identical<A, B> = (<T>() => T extends A ? 1 : 2) extends (<T>() => T extends B ? 1 : 2)
  ? true
  : false;

/** The outcome of decoding something a peer sent. */
export type Decoded<Message> =
  | { readonly ok: true; readonly message: Message }
  | { readonly ok: false; readonly reason: string };

/** Names the first thing that did not fit, for a log line: "ranges.3: expected 32 bytes". */
export function firstProblem(error: z.ZodError): string {
  const issue = error.issues[0];
  if (issue === undefined) return "does not fit its schema";
  const where = issue.path.join(".");
  return where === "" ? issue.message : `${where}: ${issue.message}`;
}
