/**
 * What a block is. The byte form is in `docs/protocols/blocks.md`; encoding, hashing and validation are beside this file.
 *
 * A block is a header, a signature over it, and a payload. The header and signature are always replicated, so every
 * author's log stays verifiable; the payload may be absent on devices that chose not to keep it (selective sync).
 */
import type { Crypto } from "../../platform/ports.ts";
import type { BlockId, ContentHash, DeviceId, MeshId } from "../ids.ts";

/** What a block does. `put` adds, `supersede` replaces `target`, `tombstone` removes `target`, `keys` publishes the author's own keys; the others carry protocol state. */
export type BlockKind =
  | "founding"
  | "member"
  | "keys"
  | "put"
  | "supersede"
  | "tombstone"
  | "crdt"
  | "checkpoint"
  | "model";

/** The signed part. Immutable; its SHA-256 is the block id. */
export interface BlockHeader {
  readonly version: 1;
  /** The mesh it belongs to; null only in the founding block, whose id becomes the mesh id. */
  readonly mesh: MeshId | null;
  readonly author: DeviceId;
  /** 1 for an author's first block, then without gaps. Two blocks with one (author, sequence) are equivocation. */
  readonly sequence: number;
  /** The author's block before this one; null exactly when sequence is 1. */
  readonly previous: BlockId | null;
  /** Blocks of others that this one builds on, ascending, without duplicates, at most 16. */
  readonly parents: readonly BlockId[];
  readonly kind: BlockKind;
  /** The block that is superseded or removed; null for the other kinds. */
  readonly target: BlockId | null;
  /** Where it belongs, like a path: "notes/garden". At most 128 bytes of UTF-8. */
  readonly topic: string;
  /** Ascending, without duplicates, at most 32 of at most 64 bytes each. */
  readonly tags: readonly string[];
  /** RFC 6838 media type of the body, at most 127 bytes. */
  readonly mediaType: string;
  /** The author's wall clock, ms since the epoch: a claim for people, never for ordering. */
  readonly timeMs: number;
  /** Length of the whole body, bytes. */
  readonly bodyBytes: number;
  /** SHA-256 of the payload. */
  readonly payloadHash: ContentHash;
}

/** A block as it travels and is stored. `headerBytes` are exactly what was signed. */
export interface Block {
  readonly id: BlockId;
  readonly header: BlockHeader;
  readonly headerBytes: Uint8Array;
  /** Ed25519 over the domain-separated header hash, 64 bytes. */
  readonly signature: Uint8Array;
  /**
   * The body itself when `bodyBytes` ≤ INLINE_BODY_BYTES_MAX, else the SHA-256 hashes (32 bytes each) of its chunks one after
   * another. Null when this device does not hold it.
   */
  readonly payload: Uint8Array | null;
}

/** Bodies up to this size travel inside the block. */
export const INLINE_BODY_BYTES_MAX = 64 * 1024;
/** Larger bodies are cut into chunks of this size; the last one may be shorter. */
export const CHUNK_BYTES = 256 * 1024;
/** Largest body: its list of chunk hashes just fits inline. 512 MiB. */
export const BODY_BYTES_MAX = (INLINE_BODY_BYTES_MAX / 32) * CHUNK_BYTES;

/** What an author wants to say; the publisher adds sequence, links, time and signature. */
export interface BlockDraft {
  readonly kind: BlockKind;
  readonly topic: string;
  readonly tags: readonly string[];
  readonly mediaType: string;
  readonly body: Uint8Array;
  readonly target?: BlockId | null;
  readonly parents?: readonly BlockId[];
}

/** An author's newest block as we know it: everything before it is known too. */
export interface Frontier {
  readonly author: DeviceId;
  readonly sequence: number;
  readonly head: BlockId;
}

/** The only cryptography that blocks need besides their signature. */
export type Hasher = Pick<Crypto, "sha256Hex">;
