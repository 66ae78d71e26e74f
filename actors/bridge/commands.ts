/** Commands of the bridge actor: the node's connection to a broker, and what is known of the relays beyond it. */
import type { BrokerState } from "../../platform/broker.ts";
import type { BridgeMessage } from "../../protocols/bridge/messages.ts";
import type { PeerPresence } from "../discovery/commands.ts";
import type { Ref } from "../kernel/actor.ts";
import type { MembershipChanged } from "../members/commands.ts";
import type { PeerMessage, PeerSessionEvent } from "../sessions/commands.ts";

export type BridgeCommand =
  | { readonly type: "getBridge"; readonly replyTo: Ref<BridgeView> }
  | { readonly type: "brokerChanged"; readonly state: BrokerState }
  /** A member tells where it runs a broker. */
  | PeerMessage<BridgeMessage>
  /** Private: peers come and go, are heard, are admitted. */
  | { readonly type: "sessionChanged"; readonly event: PeerSessionEvent }
  | { readonly type: "presenceChanged"; readonly event: PeerPresence }
  | { readonly type: "membershipChanged"; readonly event: MembershipChanged }
  /** Private: time to see whether our own broker has come, gone or moved. */
  | { readonly type: "leafDue" };

/** The bridge as views see it. */
export interface BridgeView {
  /** `off`: none is configured or found. */
  readonly state: "off" | "connected" | "disconnected";
  /** Server in use, null when none. */
  readonly server: string | null;
  readonly serverName: string | null;
  readonly roundTripMs: number | null;
  /** True when the broker keeps mail. */
  readonly durable: boolean;
  /** Why it is not connected, for people; null when it is. */
  readonly problem: string | null;
  /** How often the connection moved to another server. */
  readonly failovers: number;
  /** Servers that members of this home have told of. */
  readonly learnedServers: readonly string[];
  /** Members heard over the broker lately. */
  readonly present: number;
  readonly messagesSent: number;
  readonly messagesReceived: number;
  readonly bytesSent: number;
  readonly bytesReceived: number;
}
