/** Pieces that the `wire.ts` of every protocol is made of: ids as bytes on the wire, as branded text inside. */
import { z } from "zod";
import { decodeCanonical, type DecodeLimits } from "./codec.ts";
import { type BlockId, blockIdOf, type ContentHash, type DeviceId, deviceIdOf } from "./ids.ts";

/** A byte string of at most `bytesMax` bytes. */
export function bytes(bytesMax: number): z.ZodType<Uint8Array> {
  return z.custom<Uint8Array>(
    (value) => value instanceof Uint8Array && value.length <= bytesMax,
    `expected at most ${bytesMax} bytes`,
  );
}

/** A byte string of exactly `length` bytes. */
export function exactly(length: number): z.ZodType<Uint8Array> {
  return z.custom<Uint8Array>(
    (value) => value instanceof Uint8Array && value.length === length,
    `expected ${length} bytes`,
  );
}

/** Exactly 16 bytes. */
export const bytes16 = exactly(16);
/** Exactly 32 bytes. */
export const bytes32 = exactly(32);
/** An Ed25519 signature: 64 bytes. */
export const signature = exactly(64);
/** 32 bytes of a SHA-256, as a block id. */
export const blockId = bytes32.transform((hash): BlockId => blockIdOf(hash));
/** 32 bytes of a SHA-256, as a content hash. */
export const contentHash = bytes32.transform((hash): ContentHash => hash.toHex() as ContentHash);
/** 32 bytes of an Ed25519 public key, as a device id. */
export const deviceId = bytes32.transform((key): DeviceId => deviceIdOf(key));
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

/** Reads canonical CBOR of this shape; strict, bounded, never throws. */
export function decodeAs<Message>(
  schema: z.ZodType<Message>,
  input: Uint8Array,
  limits: DecodeLimits,
): Decoded<Message> {
  const decoded = decodeCanonical(input, limits);
  return decoded.ok ? parsedAs(schema, decoded.value) : decoded;
}

/** The same for arrays whose first element says which of the schemas holds. Refusals say `what` it is and what was `expected`. */
export function decodeByName<Schemas extends Readonly<Record<string, z.ZodType>>>(
  schemas: Schemas,
  input: Uint8Array,
  { limits, what, expected }: {
    readonly limits: DecodeLimits;
    readonly what: string;
    readonly expected: string;
  },
): Decoded<z.output<Schemas[keyof Schemas]>> {
  const decoded = decodeCanonical(input, limits);
  if (!decoded.ok) return decoded;
  const name: unknown = Array.isArray(decoded.value) ? decoded.value[0] : undefined;
  if (typeof name === "string" && Object.hasOwn(schemas, name)) {
    const schema = schemas[name] as z.ZodType<z.output<Schemas[keyof Schemas]>>;
    return parsedAs(schema, decoded.value);
  }
  return {
    ok: false,
    reason: `${what} type is ${String(name).slice(0, 32)}, expected ${expected}`,
  };
}

function parsedAs<Message>(schema: z.ZodType<Message>, value: unknown): Decoded<Message> {
  const parsed = schema.safeParse(value);
  if (!parsed.success) return { ok: false, reason: firstProblem(parsed.error) };
  return { ok: true, message: parsed.data };
}

/** Names the first thing that did not fit, for a log line: "ranges.3: expected 32 bytes". */
export function firstProblem(error: z.ZodError): string {
  const issue = error.issues[0];
  if (issue === undefined) return "does not fit its schema";
  const where = issue.path.join(".");
  return where === "" ? issue.message : `${where}: ${issue.message}`;
}
