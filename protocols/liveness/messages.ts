/**
 * What devices tell each other about who is there: SWIM (Das, Gupta, Motivala 2002) over sessions. A probe is a ping that is
 * answered; a peer that does not answer is pinged through others; what was found out travels along with the messages.
 */
import type { DeviceId } from "../ids.ts";

/** What a rumour may say of a device. In this order each outweighs the one before, for one incarnation. */
export const RUMOUR_STATES = ["alive", "suspect", "dead", "left"] as const;
export type RumourState = typeof RUMOUR_STATES[number];

/** Accusers remembered of one suspicion: the first, and as many as may confirm it (`CONFIRMATIONS`). */
export const ACCUSERS_MAX = 4;

/** What is believed of one device. Only the device itself raises its incarnation. */
export interface Rumour {
  readonly subject: DeviceId;
  readonly state: RumourState;
  readonly incarnation: number;
  /** Who found it silent, ascending, at most `ACCUSERS_MAX`; empty unless `state` is "suspect". */
  readonly accusers: readonly DeviceId[];
}

/** Sent to ask whether somebody is there. The receiver answers with `ack`, at once. */
export interface Ping {
  readonly type: "ping";
  /** Unsigned 32 bits; the answer repeats it. */
  readonly sequence: number;
  readonly rumours: readonly Rumour[];
}

/** The answer to `ping`, or to `pingRequest` when the target has answered. */
export interface Ack {
  readonly type: "ack";
  readonly sequence: number;
  readonly rumours: readonly Rumour[];
}

/** Sent to those who may have a session with a peer that did not answer us. The receiver pings it and answers `ack` or `nack`. */
export interface PingRequest {
  readonly type: "pingRequest";
  readonly sequence: number;
  readonly target: DeviceId;
  readonly rumours: readonly Rumour[];
}

/** The target of a `pingRequest` gave no answer. Shows at least that whoever asked can be heard (Lifeguard, section IV-A). */
export interface Nack {
  readonly type: "nack";
  readonly sequence: number;
  /** True when no session with the target exists, so that silence says nothing. */
  readonly noSession: boolean;
}

/** Rumours that found no ping to travel with. */
export interface Gossip {
  readonly type: "gossip";
  readonly rumours: readonly Rumour[];
}

/** Sent when a session begins and then at long intervals. Whoever believes something else answers with `beliefs`. */
export interface Digest {
  readonly type: "digest";
  /** Members with a belief. */
  readonly count: number;
  /** Their beliefs, mixed and added up, unsigned 32 bits; see `digest.ts`. */
  readonly sum: number;
  readonly rumours: readonly Rumour[];
}

/** Everything the sender believes. The receiver takes what is news and answers, if asked to, with what the sender does not know. */
export interface Beliefs {
  readonly type: "beliefs";
  readonly answerWanted: boolean;
  readonly rumours: readonly Rumour[];
}

export type LivenessMessage = Ping | Ack | PingRequest | Nack | Gossip | Digest | Beliefs;

/** Most rumours that travel with a message. */
export const RUMOURS_MAX = 64;
/** Most rumours in one `beliefs`: they fit into one envelope. A larger mesh exchanges a random part each time. */
export const BELIEFS_MAX = 8_192;
