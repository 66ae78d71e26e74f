/**
 * The Broker port: publish and subscribe through a message broker that nobody trusts (a NATS leaf at home, hubs beyond it), and mail that the
 * broker keeps for whoever is away. The broker sees subjects, sizes and times; what it carries is sealed by the layers above.
 *
 * Nothing here is a promise that data is safe: what was not published is said at once, what was kept may still be lost with the
 * broker's disk. Acknowledgements that count come from the other end.
 */

/** How the connection to the broker stands. */
export type BrokerState =
  | {
    readonly type: "connected";
    /** Which server: "nats://192.168.1.7:4222". */
    readonly server: string;
    /** Name the server gives itself. */
    readonly serverName: string;
    /** Round trip to it, ms; null before it was measured. */
    readonly roundTripMs: number | null;
    /** True when durable mail (`keep`, `collect`) is available there. */
    readonly durable: boolean;
  }
  /** Tries again by itself. */
  | { readonly type: "disconnected"; readonly reason: string };

export interface BrokerMessage {
  readonly subject: string;
  readonly bytes: Uint8Array;
  /** Where an answer is expected; null when none is. */
  readonly replyTo: string | null;
}

/** A message that the broker keeps until it is acknowledged; comes again when that takes longer than the broker waits. */
export interface KeptMessage {
  readonly subject: string;
  readonly bytes: Uint8Array;
  /** 1 for the first delivery. */
  readonly delivery: number;
  /** When the broker took it, ms since the epoch by the broker's clock; the same at every delivery. */
  readonly keptAtMs: number;
  /** It is safe here: the broker forgets it. */
  acknowledge(): void;
  /** It can never be taken: the broker forgets it too, and it is counted. */
  reject(reason: string): void;
}

export type BrokerReply =
  | { readonly type: "reply"; readonly bytes: Uint8Array }
  /** Nobody has subscribed to that subject. */
  | { readonly type: "nobody" }
  | { readonly type: "failed"; readonly reason: string };

export type KeepOutcome =
  /** The broker has it, as far as a broker's word goes. */
  | { readonly type: "kept" }
  /** A quota of the broker is exhausted, or it keeps no mail. */
  | { readonly type: "refused"; readonly reason: string }
  | { readonly type: "failed"; readonly reason: string };

/** Largest message, bytes: what a server takes by default. */
export const BROKER_BYTES_MAX = 1024 * 1024;

export interface Broker {
  /** The state now. */
  state(): BrokerState;
  /** Tells of every change of the state. Returns a function that ends it. */
  watch(listener: (state: BrokerState) => void): () => void;
  /** Sends to whoever listens now. False: there is no connection, or its buffer is full, and nothing was sent. */
  publish(subject: string, bytes: Uint8Array, replyTo?: string): boolean;
  /** Bytes handed to `publish` that have not left yet. */
  bufferedBytes(): number;
  /**
   * Listens to a subject (`*` stands for one part, `>` at the end for the rest) across reconnects. Returns a function that ends it.
   */
  subscribe(subject: string, onMessage: (message: BrokerMessage) => void): () => void;
  /** One question, exactly one reply unless cancelled by the returned function. */
  request(
    options: { readonly subject: string; readonly bytes: Uint8Array; readonly timeoutMs: number },
    onReply: (reply: BrokerReply) => void,
  ): () => void;
  /**
   * Lets the broker keep a message under a subject until somebody has collected it. The same `messageId` (≤ 64 characters) within
   * minutes is kept once.
   */
  keep(
    options: { readonly subject: string; readonly messageId: string; readonly bytes: Uint8Array },
    onOutcome: (outcome: KeepOutcome) => void,
  ): void;
  /**
   * Receives what is kept under a subject, oldest first, at least once. `name` (letters, digits, "_" and "-", ≤ 64) stands for this receiver across restarts.
   * Returns a function that ends it; what was not acknowledged stays.
   */
  collect(
    options: { readonly subject: string; readonly name: string },
    onMessage: (message: KeptMessage) => void,
  ): () => void;
  /** Ends everything; resolves when no handle of the process is held any more. */
  close(): Promise<void>;
}
