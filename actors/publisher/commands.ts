/** Commands of the publisher: the only one who writes this device's own log, so that a sequence is never used twice. */
import type { Block, BlockDraft, Frontier } from "../../protocols/blocks/block.ts";
import type { Outcome } from "../handle.ts";
import type { Ref, TaskOutcome } from "../kernel/actor.ts";
import type { MembershipChanged } from "../members/commands.ts";
import type { BlocksCommitted, BlocksStored, ChunksStored } from "../storage/commands.ts";
import type { PreparedDrafts } from "./prepare.ts";

export type PublisherCommand =
  /**
   * Signs and stores the drafts in order, answers when they are durable. The same `idempotencyKey` within 24 h gives the first
   * answer again, also after a crash. A draft of kind `founding` makes the founding block and needs no mesh.
   */
  | {
    readonly type: "publish";
    readonly drafts: readonly BlockDraft[];
    readonly idempotencyKey: string | null;
    readonly replyTo: Ref<Outcome<readonly Block[]>>;
  }
  /** A person knows that no other device holds newer blocks of ours: publish although restored from a backup. */
  | { readonly type: "acceptRestore"; readonly replyTo: Ref<null> }
  | BlocksStored
  | ChunksStored
  | { readonly type: "membershipChanged"; readonly event: MembershipChanged }
  | { readonly type: "blocksCommitted"; readonly event: BlocksCommitted }
  | { readonly type: "peerCompared" }
  /** Private: time to read the log's end again after the disk had failed. */
  | { readonly type: "reloadDue" }
  /** Private: time to forget old idempotency keys, and the end of that. */
  | { readonly type: "pruneDue" }
  | { readonly type: "pruned"; readonly outcome: TaskOutcome<void> }
  | { readonly type: "loaded"; readonly outcome: TaskOutcome<LoadedLog> }
  | {
    readonly type: "prepared";
    readonly jobId: number;
    readonly outcome: TaskOutcome<PreparedDrafts>;
  }
  /** Private: the signatures of a job's blocks. */
  | {
    readonly type: "signed";
    readonly jobId: number;
    readonly outcome: TaskOutcome<readonly Uint8Array[]>;
  };

/** Our own log as the store has it. */
export interface LoadedLog {
  readonly head: Frontier | null;
  /** True after `submind restore`, until a peer was compared: peers may hold newer blocks of ours. */
  readonly restored: boolean;
}
