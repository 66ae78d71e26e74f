/** What two devices say to make their stores equal. Each message says when it is sent and what the receiver does. */
import type { Frontier } from "../blocks/block.ts";
import type { BlockId, ContentHash, DeviceId } from "../ids.ts";

/**
 * Sent when a session comes up (complete), and when the sender's store has grown (only what changed since the last one on
 * this session). The receiver asks for what it lacks and remembers the interest.
 */
export interface Frontiers {
  readonly type: "frontiers";
  /** One per author, ascending by author. */
  readonly entries: readonly Frontier[];
  /** Which payloads the sender wants in answers; null wants all. */
  readonly interest: SyncInterest | null;
  /** True: the list is everything the sender has; earlier ones are forgotten. */
  readonly complete: boolean;
  /** True: the sender knows nothing of the receiver (it has restarted): answer with a complete list. */
  readonly ask: boolean;
}

/** Selective sync: headers always, payloads only as stated. */
export interface SyncInterest {
  /** Topics wanted, each with its subtopics; empty wants all. */
  readonly topics: readonly string[];
  /** Bodies larger than this are not sent unless asked for by id, bytes. */
  readonly bodyBytesMax: number;
}

/** A stretch of one author's log, both ends included. */
export interface LogRange {
  readonly author: DeviceId;
  readonly fromSequence: number;
  readonly toSequence: number;
}

/** Sent for what is missing. The receiver answers with one `blocks` that has the same `requestId`. */
export interface RequestBlocks {
  readonly type: "requestBlocks";
  readonly requestId: number;
  readonly ranges: readonly LogRange[];
  readonly ids: readonly BlockId[];
  /** Salted short ids of a running reconciliation. */
  readonly shortIds: readonly string[];
  /** True: payloads are wanted whatever the interest says. */
  readonly payloads: boolean;
}

/** Answer to `requestBlocks`: what the sender has of it, ranges in order, until the message is full. */
export interface Blocks {
  readonly type: "blocks";
  readonly requestId: number;
  /** Encoded blocks (`docs/protocols/blocks.md`). */
  readonly blocks: readonly Uint8Array[];
  /** False: there is more; ask again from where this ends. */
  readonly complete: boolean;
}

/** Sent for chunks of large bodies. The receiver answers with one `chunks` per request. */
export interface RequestChunks {
  readonly type: "requestChunks";
  readonly requestId: number;
  readonly hashes: readonly ContentHash[];
}

/** Answer to `requestChunks`: those the sender has, in the order asked, until the message is full. */
export interface Chunks {
  readonly type: "chunks";
  readonly requestId: number;
  readonly chunks: readonly Uint8Array[];
}

/** Starts a reconciliation of whole sets: the receiver builds its set under `salt` and answers with `reconcileAnswer`. */
export interface ReconcileAsk {
  readonly type: "reconcileAsk";
  /** 16 bytes, fresh; the same through one reconciliation. */
  readonly salt: Uint8Array;
  readonly ranges: Uint8Array;
}

/** Answer to `reconcileAsk`; the asker continues with the same salt or is done. */
export interface ReconcileAnswer {
  readonly type: "reconcileAnswer";
  readonly salt: Uint8Array;
  readonly ranges: Uint8Array;
}

/** Tells a peer of blocks it lacks, after a reconciliation. The receiver asks for them by id. */
export interface HaveBlocks {
  readonly type: "haveBlocks";
  readonly ids: readonly BlockId[];
}

export type SyncMessage =
  | Frontiers
  | RequestBlocks
  | Blocks
  | RequestChunks
  | Chunks
  | ReconcileAsk
  | ReconcileAnswer
  | HaveBlocks;

/** Limits of every list and string above; beyond them a message is malformed. */
export const SYNC_LIMITS = {
  frontiers: 4096,
  topics: 64,
  topicBytes: 128,
  ranges: 64,
  ids: 1024,
  blocks: 4096,
  /** Bytes of blocks in one answer after which it is closed; one block may go over it. */
  answerBytes: 256 * 1024,
  chunksPerRequest: 1,
  rangesBytes: 256 * 1024,
  blockBytes: 128 * 1024,
} as const;
