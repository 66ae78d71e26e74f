/** Commands of the liveness actor: SWIM failure detection with Lifeguard's local health awareness over the sessions. */
import type { DeviceId } from "../../protocols/ids.ts";
import type { LivenessMessage } from "../../protocols/liveness/messages.ts";
import type { Ref, Topic } from "../kernel/actor.ts";
import { topic } from "../kernel/bus.ts";
import type { MembershipChanged } from "../members/commands.ts";
import type { PeerMessage, PeerSessionEvent } from "../sessions/commands.ts";

export type LivenessCommand =
  | { readonly type: "getLiveness"; readonly replyTo: Ref<LivenessView> }
  /** This device is about to stop: tells the others, and answers when that is on its way. */
  | { readonly type: "leave"; readonly replyTo: Ref<null> }
  | PeerMessage<LivenessMessage>
  | LivenessPrivateCommand;

/** What the liveness actor says to itself. `dueMs`: when the timer should have come, to notice that we stood still. */
export type LivenessPrivateCommand =
  | { readonly type: "membershipChanged"; readonly event: MembershipChanged }
  | { readonly type: "sessionChanged"; readonly event: PeerSessionEvent }
  | { readonly type: "probeDue"; readonly dueMs: number }
  /** The target has not answered our ping: others are to try. */
  | {
    readonly type: "answerDue";
    readonly target: DeviceId;
    readonly sequence: number;
    readonly dueMs: number;
  }
  /** Nor has it answered anybody else's. */
  | {
    readonly type: "verdictDue";
    readonly target: DeviceId;
    readonly sequence: number;
    readonly dueMs: number;
  }
  /** Whom we pinged for somebody else has not answered. */
  | { readonly type: "relayDue"; readonly sequence: number }
  | { readonly type: "suspicionDue"; readonly subject: DeviceId; readonly dueMs: number }
  | { readonly type: "gossipDue" }
  | { readonly type: "exchangeDue" }
  | { readonly type: "leftDue"; readonly replyTo: Ref<null> };

/** `unknown`: never heard of since we started. */
export type LivenessState = "unknown" | "alive" | "suspect" | "dead" | "left";

export interface MemberLiveness {
  readonly deviceId: DeviceId;
  readonly state: LivenessState;
  /** Grows when the device itself refutes a suspicion. */
  readonly incarnation: number;
  /** In this state for, ms. */
  readonly forMs: number;
}

export interface LivenessView {
  /** Every admitted member, this device included. */
  readonly members: readonly MemberLiveness[];
  /** Lifeguard's local health multiplier: 0 is healthy; the worse we hear, the longer we wait before we accuse others. */
  readonly localHealth: number;
  readonly probeIntervalMs: number;
  readonly probeTimeoutMs: number;
  /** Least and most time a suspicion lasts now, ms. */
  readonly suspicionMs: { readonly least: number; readonly most: number };
  readonly probesSent: number;
  readonly probesFailed: number;
  readonly suspicionsRaised: number;
  readonly suspicionsRefuted: number;
}

/** A device's liveness has changed, as this device believes. */
export interface LivenessChanged {
  readonly deviceId: DeviceId;
  readonly state: LivenessState;
  readonly incarnation: number;
}
export const livenessChanged: Topic<LivenessChanged> = topic<LivenessChanged>("livenessChanged");
