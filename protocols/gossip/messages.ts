/** What spreads the news of a block: its identity, eagerly; the block itself is pulled by sync. */
import type { Frontier } from "../blocks/block.ts";

/** Sent to a few peers when blocks were stored. The receiver pulls what is new to it from the sender. */
export interface Announce {
  readonly type: "announce";
  /** One per author: its newest stored block; all before it are stored too. */
  readonly heads: readonly Frontier[];
}

export type GossipMessage = Announce;

/** Most heads in one announcement. */
export const ANNOUNCED_HEADS_MAX = 256;
