/** Commands of the storage actor: the single writer of blocks, with group commit. */
import type { Block } from "../../protocols/blocks/block.ts";
import type { BlockId, ContentHash, DeviceId } from "../../protocols/ids.ts";
import type { PutOutcome } from "../../store/store.ts";
import type { Ref, TaskOutcome, Topic } from "../kernel/actor.ts";
import { topic } from "../kernel/bus.ts";

export type StorageCommand =
  /** Stores verified blocks; `replyTo` hears when they are durable. Answered in order. */
  | {
    readonly type: "storeBlocks";
    readonly blocks: readonly Block[];
    /** Null when we made them. */
    readonly receivedFrom: DeviceId | null;
    readonly replyTo: Ref<BlocksStored>;
    /** Given back in the reply. */
    readonly token: number;
  }
  | {
    readonly type: "storeChunks";
    readonly chunks: readonly { readonly hash: ContentHash; readonly bytes: Uint8Array }[];
    readonly replyTo: Ref<ChunksStored>;
    readonly token: number;
  }
  /** Private: a commit has ended. */
  | {
    readonly type: "committed";
    readonly outcome: TaskOutcome<CommitResult>;
  }
  | { readonly type: "chunksCommitted"; readonly outcome: TaskOutcome<void> }
  | { readonly type: "indexed"; readonly outcome: TaskOutcome<IndexRound> }
  | { readonly type: "indexDue" };

/** What one commit did. */
export interface CommitResult {
  /** By command, by block. */
  readonly outcomes: readonly (readonly PutOutcome[])[];
  /** Blocks that had been set aside as damaged and are back. */
  readonly repaired: readonly BlockId[];
}

/** What one round of indexing did. */
export interface IndexRound {
  /** Blocks that are indexed now, or have nothing to index. */
  readonly done: number;
  /** Blocks whose text begins in a chunk that is not here yet, by that chunk. */
  readonly deferred: readonly { readonly id: BlockId; readonly chunk: ContentHash }[];
}

export type BlocksStored =
  | {
    readonly type: "blocksStored";
    readonly token: number;
    readonly outcomes: readonly PutOutcome[];
  }
  | { readonly type: "storeFailed"; readonly token: number; readonly error: unknown };

export type ChunksStored =
  | {
    readonly type: "chunksStored";
    readonly token: number;
    readonly hashes: readonly ContentHash[];
  }
  | { readonly type: "storeFailed"; readonly token: number; readonly error: unknown };

/** Blocks that are durable now, in commit order; published once per commit. Only blocks whose outcome is `stored` or `completed`. */
export interface BlocksCommitted {
  readonly blocks: readonly {
    readonly block: Block;
    readonly receivedFrom: DeviceId | null;
    readonly completed: boolean;
  }[];
  /** Blocks of this device that came to a place of its log that was taken: its disk was put back, and nobody told it. */
  readonly ownTwins?: readonly BlockId[];
}
export const blocksCommitted: Topic<BlocksCommitted> = topic<BlocksCommitted>("blocksCommitted");
