/**
 * The Broker over NATS: connects to the nearest of several servers, notices within two seconds when it is gone and goes to the next, and
 * listens there to everything that was listened to before. What cannot be sent is said at once, never kept silently.
 */
import { errors, type Subscription } from "@nats-io/nats-core";
import {
  type Broker,
  BROKER_BYTES_MAX,
  type BrokerMessage,
  type BrokerReply,
  type BrokerState,
  type KeepOutcome,
  type KeptMessage,
} from "./broker.ts";
import { invariant } from "./invariant.ts";
import {
  type Connected,
  Connector,
  messageOf,
  type NatsBrokerOptions,
} from "./nats_broker_connector.ts";
import type { Link } from "./nats_broker_link.ts";
import { LinkMail } from "./nats_broker_mail.ts";

export type { NatsBrokerOptions } from "./nats_broker_connector.ts";

/** Bytes that may wait to be sent; beyond them `publish` says no. */
const BUFFERED_BYTES_MAX = 8 * 1024 * 1024;
/** Subscriptions and receivers at once. */
const SUBSCRIPTIONS_MAX = 10_000;
/** Questions, and messages on their way into the broker's keeping, at once. */
const PENDING_MAX = 4_096;
/** Bytes on their way into the broker's keeping at once. */
const KEEPING_BYTES_MAX = 16 * 1024 * 1024;
/** A subscription that was denied is tried again after this, ms: what is allowed follows membership, which may reach the server after us. */
const DENIED_AGAIN_MS = 2_000;
const SUBJECT = /^(?:[^\s.*>]+|\*)(?:\.(?:[^\s.*>]+|\*))*(?:\.>)?$/;
const PLAIN_SUBJECT = /^[^\s.*>]+(?:\.[^\s.*>]+)*$/;
const SUBJECT_LENGTH_MAX = 256;

/** A Broker over NATS that connects, and stays connected, by itself. */
export function natsBroker(options: NatsBrokerOptions): Broker {
  return new NatsBroker(options);
}

interface Current extends Connected {
  readonly subscriptions: Map<Listening, Subscription>;
  readonly receivers: Map<Receiving, () => void>;
}

interface Listening {
  readonly subject: string;
  readonly onMessage: (message: BrokerMessage) => void;
}

interface Receiving {
  readonly subject: string;
  readonly name: string;
  readonly onMessage: (message: KeptMessage) => void;
}

class NatsBroker implements Broker {
  #state: BrokerState = { type: "disconnected", reason: "not connected yet" };
  #current: Current | undefined;
  #keepingBytes = 0;
  readonly #listeners = new Set<(state: BrokerState) => void>();
  readonly #listening = new Set<Listening>();
  readonly #receiving = new Set<Receiving>();
  /** Cancel the next attempts of subscriptions that were denied. */
  readonly #denied = new Set<() => void>();
  /** Told when the connection is lost. */
  readonly #pending = new Set<(reason: string) => void>();
  readonly #connector: Connector;

  constructor(options: NatsBrokerOptions) {
    this.#connector = new Connector(options, {
      onUp: (found) => this.#adopt(found),
      onLost: (reason) => this.#lost(reason),
      onMail: (link) => this.#adoptMail(link),
      onFailed: (reason) => {
        if (this.#state.type === "connected" || this.#state.reason !== reason) {
          this.#setState({ type: "disconnected", reason });
        }
      },
    });
  }

  state(): BrokerState {
    const link = this.#current?.link;
    if (this.#state.type !== "connected" || link === undefined) return this.#state;
    return { ...this.#state, roundTripMs: link.roundTripMs() };
  }

  watch(listener: (state: BrokerState) => void): () => void {
    // A wrapper of its own: the same function may watch twice.
    const own = (state: BrokerState) => listener(state);
    this.#listeners.add(own);
    return () => void this.#listeners.delete(own);
  }

  publish(subject: string, bytes: Uint8Array, replyTo?: string): boolean {
    checkPlainSubject(subject);
    if (replyTo !== undefined) checkSubject(replyTo, PLAIN_SUBJECT);
    checkSize(bytes);
    const link = this.#current?.link;
    if (link === undefined || link.bufferedBytes() + bytes.length > BUFFERED_BYTES_MAX) {
      return false;
    }
    if (bytes.length > link.bytesMax) return false;
    try {
      // The client sends at the end of this turn; until then the bytes are ours.
      link.connection.publish(
        subject,
        bytes.slice(),
        replyTo === undefined ? {} : { reply: replyTo },
      );
      return true;
    } catch {
      return false;
    }
  }

  bufferedBytes(): number {
    return this.#current?.link.bufferedBytes() ?? 0;
  }

  subscribe(subject: string, onMessage: (message: BrokerMessage) => void): () => void {
    checkSubject(subject, SUBJECT);
    this.#checkRoom();
    const listening = { subject, onMessage };
    this.#listening.add(listening);
    if (this.#current !== undefined) this.#listen(this.#current, listening);
    return () => {
      if (!this.#listening.delete(listening)) return;
      const subscription = this.#current?.subscriptions.get(listening);
      this.#current?.subscriptions.delete(listening);
      if (subscription !== undefined && !subscription.isClosed()) subscription.unsubscribe();
    };
  }

  request(
    { subject, bytes, timeoutMs }: {
      readonly subject: string;
      readonly bytes: Uint8Array;
      readonly timeoutMs: number;
    },
    onReply: (reply: BrokerReply) => void,
  ): () => void {
    checkSubject(subject, PLAIN_SUBJECT);
    checkSize(bytes);
    const { settle, cancel } = this.#awaited<BrokerReply>(
      onReply,
      (reason) => ({ type: "failed", reason }),
    );
    const link = this.#current?.link;
    if (link === undefined) {
      settle({ type: "failed", reason: "not connected to a broker" }, "later");
    } else if (this.#pending.size > PENDING_MAX || link.bufferedBytes() > BUFFERED_BYTES_MAX) {
      settle({ type: "failed", reason: "too much is waiting for an answer already" }, "later");
    } else {
      link.connection.request(subject, bytes.slice(), { timeout: Math.max(1, timeoutMs) }).then(
        (message) => settle({ type: "reply", bytes: message.data }),
        (error: unknown) => settle(replyOfError(error)),
      );
    }
    return cancel;
  }

  keep(
    message: { readonly subject: string; readonly messageId: string; readonly bytes: Uint8Array },
    onOutcome: (outcome: KeepOutcome) => void,
  ): void {
    checkSubject(message.subject, PLAIN_SUBJECT);
    checkSize(message.bytes);
    const { length } = message.messageId;
    invariant(
      length >= 1 && length <= 64,
      () => `message id has ${length} characters, expected 1 to 64`,
    );
    const { settle } = this.#awaited<KeepOutcome>(
      onOutcome,
      (reason) => ({ type: "failed", reason }),
    );
    const current = this.#current;
    if (current === undefined) {
      return settle({ type: "failed", reason: "not connected to a broker" }, "later");
    }
    const mail = current.mail();
    if (!(mail instanceof LinkMail)) return settle(mail, "later");
    const bytes = message.bytes.slice();
    if (this.#pending.size > PENDING_MAX || this.#keepingBytes + bytes.length > KEEPING_BYTES_MAX) {
      return settle(
        { type: "failed", reason: "too much is on its way to the broker already" },
        "later",
      );
    }
    this.#keepingBytes += bytes.length;
    mail.keep({ ...message, bytes }).then(
      (outcome) => settle(outcome),
      (error: unknown) => settle({ type: "failed", reason: messageOf(error) }),
    ).finally(() => this.#keepingBytes -= bytes.length);
  }

  collect(
    { subject, name }: { readonly subject: string; readonly name: string },
    onMessage: (message: KeptMessage) => void,
  ): () => void {
    checkSubject(subject, SUBJECT);
    invariant(
      /^[A-Za-z0-9_-]{1,64}$/.test(name),
      () => `"${name}" names no receiver: expected 1 to 64 letters, digits, "_" and "-"`,
    );
    this.#checkRoom();
    const receiving = { subject, name, onMessage };
    this.#receiving.add(receiving);
    if (this.#current !== undefined) receive(this.#current, receiving);
    return () => {
      this.#receiving.delete(receiving);
      this.#current?.receivers.get(receiving)?.();
      this.#current?.receivers.delete(receiving);
    };
  }

  async close(): Promise<void> {
    this.#listening.clear();
    this.#receiving.clear();
    for (const cancel of this.#denied) cancel();
    await this.#connector.close();
  }

  #checkRoom(): void {
    const count = this.#listening.size + this.#receiving.size;
    invariant(
      count < SUBSCRIPTIONS_MAX,
      () => `${count} subscriptions, expected < ${SUBSCRIPTIONS_MAX}`,
    );
  }

  /** Something with exactly one outcome: what comes first of an answer, a cancel and the loss of the connection. */
  #awaited<T>(onOutcome: (outcome: T) => void, onLoss: (reason: string) => T): {
    readonly settle: (outcome: T, when?: "now" | "later") => void;
    readonly cancel: () => void;
  } {
    const lost = (reason: string) => settle(onLoss(reason));
    const cancel = () => void this.#pending.delete(lost);
    const settle = (outcome: T, when: "now" | "later" = "now") => {
      // Whoever asks has not seen the returned function yet: an outcome that is known already waits until then.
      if (when === "later") return queueMicrotask(() => settle(outcome));
      if (this.#pending.delete(lost)) onOutcome(outcome);
    };
    this.#pending.add(lost);
    return { settle, cancel };
  }

  #setState(state: BrokerState): void {
    this.#state = state;
    for (const listener of [...this.#listeners]) listener(state);
  }

  /** Before a connection is given up for a nearer one, or lost: nothing more is taken from it. */
  #leave(): void {
    for (const cancel of this.#denied) cancel();
    this.#denied.clear();
    for (const end of this.#current?.receivers.values() ?? []) end();
    this.#current = undefined;
  }

  #lost(reason: string): void {
    this.#leave();
    this.#setState({ type: "disconnected", reason });
    for (const lost of [...this.#pending]) lost(`the connection to the broker was lost: ${reason}`);
  }

  #adopt(connected: Connected): void {
    this.#leave();
    const current: Current = { ...connected, subscriptions: new Map(), receivers: new Map() };
    this.#current = current;
    for (const listening of this.#listening) this.#listen(current, listening);
    for (const receiving of this.#receiving) receive(current, receiving);
    this.#tellConnected(current);
  }

  /** Mail can be kept over a connection that is in use already. */
  #adoptMail(link: Link): void {
    const current = this.#current;
    if (current?.link !== link) return;
    for (const receiving of this.#receiving) receive(current, receiving);
    this.#tellConnected(current);
  }

  #tellConnected({ link, mail }: Connected): void {
    this.#setState({
      type: "connected",
      server: link.address.url,
      serverName: link.serverName,
      roundTripMs: link.roundTripMs(),
      durable: mail() instanceof LinkMail,
    });
  }

  #listen(current: Current, listening: Listening): void {
    // The connection has ended and its end is not told yet: the next one is asked.
    if (current.link.connection.isClosed()) return;
    // Without wildcards every message has the subject that was asked for, and need not be read again.
    const exact = PLAIN_SUBJECT.test(listening.subject) ? listening.subject : null;
    const subscription = current.link.connection.subscribe(listening.subject, {
      callback: (error, message) => {
        // An error ends the subscription: the server does not allow it, and says so in its own log.
        if (error !== null) return this.#listenLater(current, listening);
        listening.onMessage({
          subject: exact ?? message.subject,
          bytes: message.data,
          replyTo: message.reply ? message.reply : null,
        });
      },
    });
    current.subscriptions.set(listening, subscription);
  }

  #listenLater(current: Current, listening: Listening): void {
    if (this.#current !== current || !this.#listening.has(listening)) return;
    const cancel = this.#connector.options.clock.schedule(DENIED_AGAIN_MS, () => {
      this.#denied.delete(cancel);
      const wanted = this.#current === current && this.#listening.has(listening);
      if (wanted) this.#listen(current, listening);
    });
    this.#denied.add(cancel);
  }
}

function receive(current: Current, receiving: Receiving): void {
  const mail = current.mail();
  if (!(mail instanceof LinkMail)) return;
  if (current.receivers.has(receiving)) return;
  current.receivers.set(receiving, mail.collect(receiving, receiving.onMessage));
}

function replyOfError(error: unknown): BrokerReply {
  if (error instanceof errors.NoRespondersError) return { type: "nobody" };
  if (error instanceof Error && error.cause instanceof errors.NoRespondersError) {
    return { type: "nobody" };
  }
  return { type: "failed", reason: messageOf(error) };
}

/** Subjects that were found right lately: most are used again and again. */
const plainSubjects = new Set<string>();
const PLAIN_SUBJECTS_MAX = 1_024;

function checkPlainSubject(subject: string): void {
  if (plainSubjects.has(subject)) return;
  checkSubject(subject, PLAIN_SUBJECT);
  if (plainSubjects.size >= PLAIN_SUBJECTS_MAX) plainSubjects.clear();
  plainSubjects.add(subject);
}

function checkSubject(subject: string, pattern: RegExp): void {
  invariant(
    subject.length <= SUBJECT_LENGTH_MAX && pattern.test(subject),
    () => `"${subject.slice(0, 64)}" is no subject: expected parts without spaces between dots`,
  );
}

function checkSize(bytes: Uint8Array): void {
  invariant(
    bytes.length <= BROKER_BYTES_MAX,
    () => `message has ${bytes.length} bytes, expected <= ${BROKER_BYTES_MAX}`,
  );
}
