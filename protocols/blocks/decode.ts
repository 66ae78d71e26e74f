/**
 * Bytes from outside become blocks here or nowhere. A `Block` that comes out has a canonical header within all limits, the id that is the
 * hash of exactly those bytes, and a payload (if any) that hashes to what the header says. Its signature is not checked here,
 * so that many can be checked at once: see `signedMessageOf`.
 */
import { type BlockId, type ContentHash, deviceIdOf, type MeshId } from "../ids.ts";
import {
  type Block,
  type BlockHeader,
  type BlockKind,
  type Hasher,
  INLINE_BODY_BYTES_MAX,
} from "./block.ts";
import { HeaderReader } from "./header_reader.ts";
import {
  HEADER_BYTES_MAX,
  MEDIA_TYPE_BYTES_MAX,
  PARENTS_MAX,
  payloadBytesOf,
  problemOfHeader,
  TAG_BYTES_MAX,
  TAGS_MAX,
  TOPIC_BYTES_MAX,
} from "./limits.ts";

export type BlockOutcome =
  | { readonly ok: true; readonly block: Block }
  | { readonly ok: false; readonly reason: string };

export type HeaderOutcome =
  | { readonly ok: true; readonly header: BlockHeader }
  | { readonly ok: false; readonly reason: string };

/**
 * Decodes a block from the wire. Never throws; accepts exactly the bytes that `encodeBlock` gives. The parts of the block are views
 * into `bytes`, which the caller must not change any more.
 */
export function decodeBlock(bytes: Uint8Array, crypto: Hasher): BlockOutcome {
  const reader = new HeaderReader(bytes);
  const parts = reader.array(3, "block");
  const headerBytes = reader.bytesUpTo(HEADER_BYTES_MAX, "header");
  const signature = reader.bytesOf(64, "signature");
  const payload = reader.isNull() ? null : reader.bytesUpTo(INLINE_BODY_BYTES_MAX, "payload");
  if (reader.problem !== undefined) return { ok: false, reason: reader.problem };
  if (parts !== 3) return { ok: false, reason: `block has ${parts} parts, expected 3` };
  if (!reader.isAtEnd) return { ok: false, reason: "block is followed by other bytes" };
  return assembleBlock({ headerBytes, signature, payload }, crypto);
}

/** As `decodeBlock`, from parts that are kept apart, as stores do. */
export function assembleBlock(
  parts: Pick<Block, "headerBytes" | "signature" | "payload">,
  crypto: Hasher,
): BlockOutcome {
  const { headerBytes, signature, payload } = parts;
  if (signature.length !== 64) {
    return { ok: false, reason: `signature has ${signature.length} bytes, expected 64` };
  }
  const decoded = decodeHeader(headerBytes);
  if (!decoded.ok) return decoded;
  const { header } = decoded;
  if (payload !== null) {
    const problem = problemOfPayload(header, payload, crypto);
    if (problem !== undefined) return { ok: false, reason: problem };
  }
  const id = crypto.sha256Hex(headerBytes) as BlockId;
  return { ok: true, block: { id, header, headerBytes, signature, payload } };
}

function problemOfPayload(
  header: BlockHeader,
  payload: Uint8Array,
  crypto: Hasher,
): string | undefined {
  const expected = payloadBytesOf(header.bodyBytes);
  if (payload.length !== expected) {
    return `payload has ${payload.length} bytes, expected ${expected}`;
  }
  return crypto.sha256Hex(payload) === header.payloadHash
    ? undefined
    : "payload does not hash to what the header says";
}

/** Decodes the signed part. Never throws; accepts exactly what `encodeHeader` gives for headers without a problem. */
export function decodeHeader(bytes: Uint8Array): HeaderOutcome {
  if (bytes.length > HEADER_BYTES_MAX) {
    return {
      ok: false,
      reason: `header has ${bytes.length} bytes, expected at most ${HEADER_BYTES_MAX}`,
    };
  }
  const reader = new HeaderReader(bytes);
  const fields = reader.array(14, "header");
  const version = reader.unsigned("version");
  // Before anything else is read: a later version may have other fields.
  if (reader.problem === undefined && (version !== 1 || fields !== 14)) {
    return {
      ok: false,
      reason: `header has version ${version} and ${fields} fields, expected 1 and 14`,
    };
  }
  const mesh = reader.hashOrNull("mesh") as MeshId | null;
  const authorKey = reader.bytesOf(32, "author");
  const sequence = reader.unsigned("sequence");
  const previous = reader.hashOrNull("previous");
  const parents = listOf(reader.array(PARENTS_MAX, "parents"), () => reader.hash("parent"));
  const kind = reader.text(16, "kind") as BlockKind;
  const target = reader.hashOrNull("target");
  const topic = reader.text(TOPIC_BYTES_MAX, "topic");
  const tags = listOf(reader.array(TAGS_MAX, "tags"), () => reader.text(TAG_BYTES_MAX, "tag"));
  const mediaType = reader.text(MEDIA_TYPE_BYTES_MAX, "media type");
  const timeMs = reader.unsigned("time");
  const bodyBytes = reader.unsigned("body length");
  const payloadHash = reader.hash("payload hash") as string as ContentHash;
  if (reader.problem !== undefined) return { ok: false, reason: reader.problem };
  if (!reader.isAtEnd) return { ok: false, reason: "header is followed by other bytes" };
  const header: BlockHeader = {
    version: 1,
    mesh,
    author: deviceIdOf(authorKey),
    sequence,
    previous,
    parents,
    kind,
    target,
    topic,
    tags,
    mediaType,
    timeMs,
    bodyBytes,
    payloadHash,
  };
  const problem = problemOfHeader(header);
  return problem === undefined ? { ok: true, header } : { ok: false, reason: problem };
}

function listOf<T>(count: number, read: () => T): readonly T[] {
  const items: T[] = [];
  for (let i = 0; i < count; i++) items.push(read());
  return items;
}
