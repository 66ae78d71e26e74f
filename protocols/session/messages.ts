/** What the two ends of a session say to each other after the handshake. Encoded by `wire.ts`, kept in order by `link.ts`. */

export type SessionFrame =
  | ResumeFrame
  | DataFrame
  | AckFrame
  | PingFrame
  | PongFrame
  | GoodbyeFrame;

/**
 * First frame in each direction on every new path: the initiator sends it, the responder answers with its own. Both
 * ends continue when each names the other's id, and begin afresh otherwise.
 */
export interface ResumeFrame {
  readonly type: "resume";
  /** 16 bytes that name the sender's half of the session; drawn anew when the half begins afresh. */
  readonly localId: Uint8Array;
  /** The receiver's half as the sender knows it; 16 zero bytes when it knows none. */
  readonly remoteId: Uint8Array;
  /** Stream bytes of the receiver that have arrived: sending goes on from here. */
  readonly received: number;
  /** 8 bytes drawn when the sender's session actor started: tells a restart from a race. */
  readonly boot: Uint8Array;
  /** Path tag (8 bytes) of the last path the sender has used, zero bytes for none. */
  readonly lastPath: Uint8Array;
}

/** Bytes of the sender's stream. The receiver takes them when `offset` is what it expects, skips what it already has, and breaks the path at a gap. */
export interface DataFrame {
  readonly type: "data";
  /** Position of the first byte in the sender's stream. */
  readonly offset: number;
  /** As in `AckFrame`. */
  readonly acknowledged: number;
  readonly bytes: Uint8Array;
}

/** Everything before this position of the receiver's stream has arrived: the receiver forgets it. Sent when no data frame carries it soon. */
export interface AckFrame {
  readonly type: "ack";
  readonly acknowledged: number;
}

/** Sent every heartbeat. The receiver answers at once with a pong. */
export interface PingFrame {
  readonly type: "ping";
  /** 32 bits, chosen by the sender. */
  readonly token: number;
  readonly acknowledged: number;
}

/** Answer to a ping; measures the round trip. */
export interface PongFrame {
  readonly type: "pong";
  readonly token: number;
  readonly acknowledged: number;
}

/** Sent before a path is closed on purpose; the receiver does not hurry to reconnect. */
export interface GoodbyeFrame {
  readonly type: "goodbye";
  readonly reason: GoodbyeReason;
}

/** `stopping`: the node stops. `stalled`: the receiver does not read. `violation`: it broke the rules. */
export type GoodbyeReason = "stopping" | "stalled" | "violation";
