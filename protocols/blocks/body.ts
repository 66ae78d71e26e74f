/** How a body becomes a payload and chunks, and back: inline up to 64 KiB, else a list of hashes of 256 KiB chunks. */
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

/**
 * Lays out a body that arrives piece by piece, holding one chunk at a time: `add` gives the chunks that are full, for the caller to store
 * before it goes on; `end` gives the rest and the payload. Small bodies come out of `end` inline.
 */
export class BodySplitter {
  readonly #crypto: Hasher;
  readonly #hashes: ContentHash[] = [];
  #buffer = new Uint8Array(CHUNK_BYTES);
  #filled = 0;
  #bodyBytes = 0;

  constructor(crypto: Hasher) {
    this.#crypto = crypto;
  }

  /**
   * Takes the next piece, of any length.
   *
   * @throws {RangeError} when the body becomes longer than BODY_BYTES_MAX
   */
  add(piece: Uint8Array): readonly Chunk[] {
    if (this.#bodyBytes + piece.length > BODY_BYTES_MAX) {
      throw tooLong(this.#bodyBytes + piece.length);
    }
    this.#bodyBytes += piece.length;
    const chunks: Chunk[] = [];
    for (let offset = 0; offset < piece.length;) {
      const part = piece.subarray(offset, offset + CHUNK_BYTES - this.#filled);
      this.#buffer.set(part, this.#filled);
      this.#filled += part.length;
      offset += part.length;
      if (this.#filled === CHUNK_BYTES) chunks.push(this.#cut());
    }
    return chunks;
  }

  /** The layout of the whole body; `chunks` holds only the last one, if `add` has not given it. Call once. */
  end(): SplitBody {
    const bodyBytes = this.#bodyBytes;
    if (bodyBytes <= INLINE_BODY_BYTES_MAX) {
      return { payload: this.#buffer.slice(0, bodyBytes), bodyBytes, chunks: [] };
    }
    const chunks = this.#filled > 0 ? [this.#cut()] : [];
    return { payload: payloadOf(this.#hashes), bodyBytes, chunks };
  }

  #cut(): Chunk {
    const chunk = chunkOf(this.#buffer.subarray(0, this.#filled), this.#crypto);
    this.#hashes.push(chunk.hash);
    this.#buffer = new Uint8Array(CHUNK_BYTES);
    this.#filled = 0;
    return chunk;
  }
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

/** True when `bytes` is the chunk that `reference` names. */
export function isChunk(reference: ChunkReference, bytes: Uint8Array, crypto: Hasher): boolean {
  return bytes.length === reference.bytes && crypto.sha256(bytes).toHex() === reference.hash;
}

/** The body again: the payload itself, or its chunks (as `chunksOf` names them, in order) one after another. */
export function joinBody(
  header: Pick<BlockHeader, "bodyBytes">,
  payload: Uint8Array,
  chunks: readonly Uint8Array[],
): Uint8Array {
  if (header.bodyBytes <= INLINE_BODY_BYTES_MAX) return payload;
  const body = new Uint8Array(header.bodyBytes);
  let offset = 0;
  for (const chunk of chunks) {
    body.set(chunk, offset);
    offset += chunk.length;
  }
  return body;
}

function chunkOf(bytes: Uint8Array, crypto: Hasher): Chunk {
  return { hash: crypto.sha256(bytes).toHex() as ContentHash, bytes };
}

function payloadOf(hashes: readonly ContentHash[]): Uint8Array {
  const payload = new Uint8Array(hashes.length * 32);
  hashes.forEach((hash, i) => payload.subarray(i * 32, i * 32 + 32).setFromHex(hash));
  return payload;
}

function tooLong(bytes: number): RangeError {
  return new RangeError(
    `Cannot lay out body: it has ${bytes} bytes or more, expected at most ${BODY_BYTES_MAX}`,
  );
}
