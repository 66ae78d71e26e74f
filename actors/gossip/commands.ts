/** Commands of the gossip actor: spreads the news of blocks. */
import type { GossipMessage } from "../../protocols/gossip/messages.ts";
import type { PeerMessage, PeerSessionEvent } from "../sessions/commands.ts";
import type { BlocksCommitted } from "../storage/commands.ts";

export type GossipCommand =
  | PeerMessage<GossipMessage>
  | { readonly type: "sessionChanged"; readonly event: PeerSessionEvent }
  | { readonly type: "blocksCommitted"; readonly event: BlocksCommitted }
  /** Private: the news collected so far goes along the tree. */
  | { readonly type: "announceDue" }
  /** Private: and to some beside it. */
  | { readonly type: "haveDue" }
  /** Private: something that a peer has did not come along the tree. */
  | { readonly type: "missingDue" };
