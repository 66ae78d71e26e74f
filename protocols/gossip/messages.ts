/** What spreads the news of a block: its identity, along a tree; the block itself is pulled by sync. */
import type { Frontier } from "../blocks/block.ts";

/** An author's newest block that the sender has stored; all before it are stored too. */
export interface Head extends Frontier {
  /** How many devices passed it on until the sender had it; 0 at its author. */
  readonly hops: number;
}

/** Sent along the tree when blocks were stored. The receiver pulls what is new to it from the sender. */
export interface Announce {
  readonly type: "announce";
  /** One per author. */
  readonly heads: readonly Head[];
}

/** Sent to a few peers beside the tree, later: whoever has not heard of these by then has lost its place in the tree. */
export interface Have {
  readonly type: "have";
  /** One per author. */
  readonly heads: readonly Head[];
}

/** What you announced had come already: tell me later, beside the tree. Both ends take the session out of the tree. */
export interface Prune {
  readonly type: "prune";
}

/** You know what did not reach me: announce to me again. Both ends take the session into the tree. */
export interface Graft {
  readonly type: "graft";
}

export type GossipMessage = Announce | Have | Prune | Graft;

/** Most heads in one message. */
export const ANNOUNCED_HEADS_MAX = 256;
/** More hops than this are not counted. */
export const HOPS_MAX = 255;
