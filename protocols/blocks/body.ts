/** How a body becomes a payload and chunks: inline up to 64 KiB, else a list of hashes of 256 KiB chunks. */
import type { ContentHash } from "../ids.ts";
import {
  type BlockHeader,
  BODY_BYTES_MAX,
  CHUNK_BYTES,
  type Hasher,
  INLINE_BODY_BYTES_MAX,
} from "./block.ts";

/** One piece of a large body, named by its SHA-256. */
export interface Chunk {
  readonly hash: ContentHash;
  readonly bytes: Uint8Array;
}

/** A body as it is stored: what goes into the block and what goes beside it. */
export interface SplitBody {
  /** See `Block.payload`. */
  readonly payload: Uint8Array;
  readonly bodyBytes: number;
  /** In order; empty when the body is the payload. Equal chunks appear as often as the body has them. */
  readonly chunks: readonly Chunk[];
}

/**
 * Lays out a body that is in memory. Chunks are views into `body`.
 *
 * @throws {RangeError} when the body is longer than BODY_BYTES_MAX
 */
export function splitBody(body: Uint8Array, crypto: Hasher): SplitBody {
  if (body.length > BODY_BYTES_MAX) throw tooLong(body.length);
  if (body.length <= INLINE_BODY_BYTES_MAX) {
    return { payload: body, bodyBytes: body.length, chunks: [] };
  }
  const chunks: Chunk[] = [];
  for (let start = 0; start < body.length; start += CHUNK_BYTES) {
    chunks.push(chunkOf(body.subarray(start, start + CHUNK_BYTES), crypto));
  }
  return { payload: payloadOf(chunks.map((chunk) => chunk.hash)), bodyBytes: body.length, chunks };
}

/** One piece of a body: its hash and how long it must be. */
export interface ChunkReference {
  readonly hash: ContentHash;
  readonly bytes: number;
}

/** The chunks that a body consists of, in order; empty when it travels inside the block. `payload` must be that of the header. */
export function chunksOf(
  header: Pick<BlockHeader, "bodyBytes">,
  payload: Uint8Array,
): readonly ChunkReference[] {
  if (header.bodyBytes <= INLINE_BODY_BYTES_MAX) return [];
  const references: ChunkReference[] = [];
  for (let offset = 0; offset < payload.length; offset += 32) {
    references.push({
      hash: payload.subarray(offset, offset + 32).toHex() as ContentHash,
      bytes: Math.min(CHUNK_BYTES, header.bodyBytes - references.length * CHUNK_BYTES),
    });
  }
  return references;
}

function chunkOf(bytes: Uint8Array, crypto: Hasher): Chunk {
  return { hash: crypto.sha256Hex(bytes) as ContentHash, bytes };
}

function payloadOf(hashes: readonly ContentHash[]): Uint8Array {
  const payload = new Uint8Array(hashes.length * 32);
  hashes.forEach((hash, i) => payload.subarray(i * 32, i * 32 + 32).setFromHex(hash));
  return payload;
}

function tooLong(bytes: number): RangeError {
  return new RangeError(
    `Cannot lay out body: it has ${bytes} bytes, expected at most ${BODY_BYTES_MAX}`,
  );
}
