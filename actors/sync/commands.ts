/** Commands of the sync actor: makes our blocks equal our peers'. */
import type { Block, Frontier } from "../../protocols/blocks/block.ts";
import type { BlockId, ContentHash, DeviceId } from "../../protocols/ids.ts";
import type { SyncMessage } from "../../protocols/sync/messages.ts";
import type { ReconcileSet } from "../../protocols/sync/reconcile_set.ts";
import type { Interest } from "../handle.ts";
import type { Ref, TaskOutcome, Topic } from "../kernel/actor.ts";
import { topic } from "../kernel/bus.ts";
import type { MembershipChanged } from "../members/commands.ts";
import type { PeerMessage, PeerSessionEvent } from "../sessions/commands.ts";
import type { BlocksCommitted, BlocksStored, ChunksStored } from "../storage/commands.ts";
import type { CheckedBatch } from "./intake.ts";

export type SyncCommand =
  | PeerMessage<SyncMessage>
  /** Gossip heard that `from` holds these heads: ask for what is new. */
  | {
    readonly type: "headsAnnounced";
    readonly from: DeviceId;
    readonly heads: readonly Frontier[];
  }
  /** A person chose what this device keeps; peers are told, and what was left out before is fetched. */
  | {
    readonly type: "setInterest";
    readonly interest: Interest | null;
    readonly replyTo: Ref<Interest | null>;
  }
  | { readonly type: "getInterest"; readonly replyTo: Ref<Interest | null> }
  | { readonly type: "listInSync"; readonly replyTo: Ref<ReadonlySet<DeviceId>> }
  /** Rows were found damaged and set aside: ask for them again. */
  | { readonly type: "repairDue" }
  | { readonly type: "sessionChanged"; readonly event: PeerSessionEvent }
  | { readonly type: "membershipChanged"; readonly event: MembershipChanged }
  | { readonly type: "blocksCommitted"; readonly event: BlocksCommitted }
  | BlocksStored
  | ChunksStored
  | Private;

/** Published whenever a peer and we turn out to hold the same logs. */
export interface PeerInSync {
  readonly deviceId: DeviceId;
}
export const peerInSync: Topic<PeerInSync> = topic<PeerInSync>("peerInSync");

/** What only the actor sends to itself: ends of tasks and timers. */
type Private =
  | { readonly type: "loaded"; readonly outcome: TaskOutcome<LoadedState> }
  | { readonly type: "batchChecked"; readonly outcome: TaskOutcome<CheckedBatch> }
  | {
    readonly type: "blocksRead";
    readonly to: DeviceId;
    readonly requestId: number;
    readonly outcome: TaskOutcome<ReadBlocks>;
  }
  | {
    readonly type: "chunkRead";
    readonly to: DeviceId;
    readonly requestId: number;
    readonly outcome: TaskOutcome<Uint8Array | undefined>;
  }
  | { readonly type: "chunksCompared"; readonly outcome: TaskOutcome<readonly MissingChunks[]> }
  | {
    readonly type: "idsCompared";
    readonly from: DeviceId;
    readonly outcome: TaskOutcome<readonly BlockId[]>;
  }
  | { readonly type: "missingListed"; readonly outcome: TaskOutcome<Missing> }
  | {
    readonly type: "setBuilt";
    readonly peer: DeviceId;
    readonly salt: string;
    readonly side: "asker" | "answerer";
    readonly outcome: TaskOutcome<ReconcileSet>;
  }
  | {
    readonly type: "interestStored";
    readonly interest: Interest | null;
    readonly replyTo: Ref<Interest | null>;
    readonly outcome: TaskOutcome<void>;
  }
  | { readonly type: "requestDue"; readonly requestId: number }
  | { readonly type: "frontiersDue" }
  | { readonly type: "spreadDue" }
  | { readonly type: "tendDue" }
  | { readonly type: "compareDue"; readonly peer: DeviceId }
  | { readonly type: "reconcileDue" };

/** What is read from the store before the first message. */
export interface LoadedState {
  readonly frontiers: readonly Frontier[];
  readonly interest: Interest | null;
}

/** What the store should hold and does not. */
export interface Missing {
  /** Set aside as damaged. */
  readonly blocks: readonly BlockId[];
  /** Within our interest, and not here. */
  readonly payloads: readonly BlockId[];
  readonly chunks: readonly MissingChunks[];
  /** How far the logs go in the store; empty when nothing says that it is further than we know. */
  readonly frontiers: readonly Frontier[];
}

/** Blocks for one answer, and whether that was all. */
export interface ReadBlocks {
  readonly blocks: readonly Block[];
  readonly complete: boolean;
}

/** Chunks of one body that are not here. */
export interface MissingChunks {
  readonly id: BlockId;
  readonly missing: readonly ContentHash[];
  /** Who sent us the block; asked first. */
  readonly from: DeviceId | null;
}
