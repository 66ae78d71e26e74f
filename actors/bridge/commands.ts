/** Commands of the bridge actor: the node's connection to a broker, and what is known of the relays beyond it. */
import type { BrokerState } from "../../platform/broker.ts";
import type { Ref } from "../kernel/actor.ts";

export type BridgeCommand =
  | { readonly type: "getBridge"; readonly replyTo: Ref<BridgeView> }
  | { readonly type: "brokerChanged"; readonly state: BrokerState };

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
  /** Members heard over the broker lately. */
  readonly present: number;
  readonly messagesSent: number;
  readonly messagesReceived: number;
  readonly bytesSent: number;
  readonly bytesReceived: number;
}
