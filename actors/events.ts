/** What the outside may watch: one closed union, published on one topic, streamed by the gateway. */
import type { BlockKind } from "../protocols/blocks/block.ts";
import type { BlockId, DeviceId, MeshId } from "../protocols/ids.ts";
import type { LearningEvent } from "./learning_handle.ts";
import type { LivenessState } from "./liveness/commands.ts";
import type { DeliveryState } from "./mail_handle.ts";
import type { PathKind } from "../platform/transport.ts";
import type { ConversationId, MessageId } from "../protocols/mailbox/content.ts";
import { topic } from "./kernel/bus.ts";

export type NodeEvent =
  | {
    readonly type: "blockStored";
    readonly id: BlockId;
    readonly author: DeviceId;
    readonly sequence: number;
    readonly kind: BlockKind;
    readonly topic: string;
    readonly bodyBytes: number;
    /** Null when we made it ourselves. */
    readonly receivedFrom: DeviceId | null;
  }
  /** Payload and all chunks of a block that came without them are here now. */
  | { readonly type: "bodyCompleted"; readonly id: BlockId }
  | { readonly type: "equivocationFound"; readonly author: DeviceId; readonly sequence: number }
  | {
    readonly type: "damageFound";
    readonly table: string;
    readonly key: string;
    readonly problem: string;
  }
  | { readonly type: "damageRepaired"; readonly table: string; readonly key: string }
  | {
    readonly type: "peerSighted";
    readonly deviceId: DeviceId;
    readonly displayName: string;
    readonly addresses: readonly string[];
  }
  | {
    readonly type: "peerGone";
    readonly deviceId: DeviceId;
    readonly reason: "goodbye" | "expired";
  }
  | { readonly type: "discoveryAvailability"; readonly multicast: boolean; readonly reason: string }
  | {
    readonly type: "sessionUp";
    readonly deviceId: DeviceId;
    readonly path: PathKind;
    readonly resumed: boolean;
    readonly connectMs: number;
  }
  | { readonly type: "sessionDown"; readonly deviceId: DeviceId; readonly reason: string }
  /** Both frontiers were equal when compared. */
  | { readonly type: "inSyncWith"; readonly deviceId: DeviceId }
  | { readonly type: "meshJoined"; readonly mesh: MeshId; readonly founded: boolean }
  | {
    readonly type: "memberChanged";
    readonly deviceId: DeviceId;
    readonly change: "added" | "updated" | "revoked";
  }
  | { readonly type: "pairingChanged"; readonly pairingId: string; readonly phase: PairingPhase }
  /** A message became durable here and is shown. */
  | {
    readonly type: "messageReceived";
    readonly message: MessageId;
    readonly conversation: ConversationId;
    readonly from: DeviceId;
  }
  /** One of our messages has come further, or never will, to one recipient. */
  | {
    readonly type: "deliveryChanged";
    readonly message: MessageId;
    readonly conversation: ConversationId;
    readonly to: DeviceId;
    readonly state: DeliveryState;
  }
  /** Members, title or protection of a conversation, or what is unread in it. */
  | { readonly type: "conversationChanged"; readonly conversation: ConversationId }
  /** The connection to the broker. */
  | { readonly type: "bridgeChanged"; readonly connected: boolean; readonly detail: string }
  /** What the failure detector believes of a member. */
  | {
    readonly type: "livenessChanged";
    readonly deviceId: DeviceId;
    readonly state: LivenessState;
  }
  /** The frames of a session move by another path now; nothing was lost. */
  | {
    readonly type: "pathChanged";
    readonly deviceId: DeviceId;
    readonly from: PathKind;
    readonly path: PathKind;
    readonly relayed: boolean;
  }
  | { readonly type: "readingsStored"; readonly sensor: string; readonly count: number }
  | LearningEvent
  | { readonly type: "warning"; readonly source: string; readonly message: string };

/** Where a pairing stands. `confirming`: both people compare `words`. */
export type PairingPhase =
  | "connecting"
  | "confirming"
  | "waitingForOther"
  | "completed"
  | "refused"
  | "failed";

/** Every `NodeEvent` of one node. */
export const nodeEvents = topic<NodeEvent>("nodeEvents");
