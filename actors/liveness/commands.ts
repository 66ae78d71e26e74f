/** Commands of the liveness actor: SWIM failure detection with Lifeguard's local health awareness over the sessions. */
import type { DeviceId } from "../../protocols/ids.ts";
import type { Ref, Topic } from "../kernel/actor.ts";
import { topic } from "../kernel/bus.ts";

export type LivenessCommand = { readonly type: "getLiveness"; readonly replyTo: Ref<LivenessView> };

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
