/** Commands of the publisher: the only one who writes this device's own log, so that a sequence is never used twice. */
import type { Block, BlockDraft } from "../../protocols/blocks/block.ts";
import type { Outcome } from "../handle.ts";
import type { Ref } from "../kernel/actor.ts";

export type PublisherCommand =
  /** Signs, stores durably, then answers with the blocks in order. `bodyChunks` of large bodies must be stored before. */
  {
    readonly type: "publish";
    readonly drafts: readonly BlockDraft[];
    readonly idempotencyKey: string | null;
    readonly replyTo: Ref<Outcome<readonly Block[]>>;
  };
