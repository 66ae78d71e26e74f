/**
 * Mail over JetStream: a work queue per kind of subject from which every message disappears once it was acknowledged. The files of a
 * broker are never the source of truth: when they are gone, streams are made anew and senders send again.
 */
import {
  AckPolicy,
  type ConsumerMessages,
  DiscardPolicy,
  jetstream,
  JetStreamApiError,
  type JetStreamClient,
  type JetStreamManager,
  jetstreamManager,
  type JsMsg,
  RetentionPolicy,
  StorageType,
  type StreamConfig,
} from "@nats-io/jetstream";
import { errors } from "@nats-io/nats-core";
import type { KeepOutcome, KeptMessage } from "./broker.ts";
import { invariant } from "./invariant.ts";
import type { Link } from "./nats_broker_link.ts";
import type { Clock } from "./ports.ts";

/** Limits of a stream that we make. */
export interface MailLimits {
  /** Bytes of all messages together. */
  readonly bytesMax: number;
  /** Messages that wait for one receiver. */
  readonly perSubjectMax: number;
  /** After so long a message is forgotten, ms. */
  readonly ageMsMax: number;
}

export const MAIL_LIMITS: MailLimits = {
  bytesMax: 256 * 1024 * 1024,
  perSubjectMax: 10_000,
  ageMsMax: 14 * 24 * 60 * 60 * 1_000,
};

/** The same message id within this time is kept once, ms. */
const DUPLICATES_MS = 5 * 60_000;
/** Not acknowledged for so long, a message comes again, ms. */
const ACK_WAIT_MS = 30_000;
/** Unacknowledged messages of one receiver, at most. */
const UNACKNOWLEDGED_MAX = 256;
/** Messages fetched at once. */
const FETCH_MAX = 32;
/** A fetch ends after this, ms: a longer one would stall for long after a fail-over. */
const FETCH_MS = 1_000;
const KEEP_MS_MAX = 5_000;
const API_MS_MAX = 2_000;
/** Pause after a failure, ms. */
const AGAIN_MS = 250;
const NANOSECONDS = 1_000_000;
/** Reasons longer than this are cut, characters. */
const REASON_LENGTH_MAX = 200;

/**
 * The stream that holds a subject: named by its third part, so that "kiana.<mesh>.mail.<device>" is in "mail", with every mesh's
 * mail. Hubs make it beforehand with three replicas; a leaf's is made by whoever comes first.
 */
export function streamOf(subject: string): { readonly name: string; readonly subjects: string } {
  const [first, , kind, rest] = subject.split(".");
  invariant(
    first !== undefined && kind !== undefined && rest !== undefined &&
      /^[a-z0-9_-]{1,32}$/.test(kind),
    () =>
      `Cannot keep mail under "${subject}": expected four parts or more, the third of them letters`,
  );
  return { name: kind, subjects: `${first}.*.${kind}.>` };
}

/** The configuration of such a stream. */
export function streamConfig(
  stream: { readonly name: string; readonly subjects: string },
  limits: MailLimits,
  replicas = 1,
): Partial<StreamConfig> & { readonly name: string } {
  return {
    name: stream.name,
    subjects: [stream.subjects],
    retention: RetentionPolicy.Workqueue,
    storage: StorageType.File,
    // What does not fit is refused and stays with its sender; nothing that was kept is pushed out by a flood.
    discard: DiscardPolicy.New,
    discard_new_per_subject: true,
    max_bytes: limits.bytesMax,
    max_msgs_per_subject: limits.perSubjectMax,
    max_age: limits.ageMsMax * NANOSECONDS,
    duplicate_window: Math.min(DUPLICATES_MS, limits.ageMsMax) * NANOSECONDS,
    num_replicas: replicas,
  };
}

export interface MailOptions {
  readonly clock: Clock;
  readonly limits: MailLimits;
  /** Where mail is kept when not by the server itself: the JetStream domain of the hubs. */
  readonly domain: string | null;
}

/** Mail through one connection. */
export class LinkMail {
  readonly #own: JetStreamClient;
  /** Everywhere mail may wait: where it is kept, and the server itself when that is elsewhere. */
  readonly #places: readonly {
    readonly client: JetStreamClient;
    readonly manager: JetStreamManager;
  }[];
  #ended = false;

  private constructor(
    readonly link: Link,
    readonly options: MailOptions,
    managers: readonly JetStreamManager[],
  ) {
    const clients = managers.map((manager) => ({ manager, client: manager.jetstream() }));
    this.#places = clients;
    this.#own = jetstream(link.connection, { timeout: KEEP_MS_MAX });
    link.ended.then(() => this.#ended = true);
  }

  /** Null when neither the server nor its hubs keep mail. */
  static async open(link: Link, options: MailOptions): Promise<LinkMail | null> {
    const managers: JetStreamManager[] = [];
    for (const domain of options.domain === null ? [null] : [options.domain, null]) {
      try {
        managers.push(
          await jetstreamManager(link.connection, {
            timeout: API_MS_MAX,
            checkAPI: domain === null,
            ...(domain === null ? {} : { domain }),
          }),
        );
      } catch (error) {
        if (!(error instanceof Error)) throw error;
      }
    }
    return managers.length === 0 ? null : new LinkMail(link, options, managers);
  }

  /** Keeps one message; makes the stream when there is none. */
  async keep(
    message: { readonly subject: string; readonly messageId: string; readonly bytes: Uint8Array },
  ): Promise<KeepOutcome> {
    const stream = streamOf(message.subject);
    for (let attempt = 1;; attempt++) {
      try {
        await this.#own.publish(message.subject, message.bytes, {
          msgID: message.messageId,
          timeout: KEEP_MS_MAX,
        });
        return { type: "kept" };
      } catch (error) {
        const reason = reasonOf(error);
        if (error instanceof JetStreamApiError) {
          return { type: isQuota(reason) ? "refused" : "failed", reason };
        }
        if (!isNobody(error) || attempt > 1) return { type: "failed", reason };
        if (this.options.domain !== null) {
          return { type: "failed", reason: "no hub that keeps mail can be reached" };
        }
        try {
          await this.#ensureStream(stream);
        } catch (cause) {
          return {
            type: cause instanceof JetStreamApiError ? "refused" : "failed",
            reason: reasonOf(cause),
          };
        }
      }
    }
  }

  async #ensureStream(stream: ReturnType<typeof streamOf>): Promise<void> {
    const manager = this.#places.at(-1)?.manager;
    try {
      await manager?.streams.add(streamConfig(stream, this.options.limits));
    } catch (error) {
      // Somebody made it with other limits, or may and we may not: then it is there, and theirs.
      if (error instanceof JetStreamApiError && error.code === STREAM_NAME_IN_USE) return;
      throw error;
    }
  }

  /** Receives until the returned function is called or the connection is gone. */
  collect(
    { subject, name }: { readonly subject: string; readonly name: string },
    onMessage: (message: KeptMessage) => void,
  ): () => void {
    const ends = this.#places.map((_, index) => {
      const receiver = new Receiver(onMessage);
      this.#receive(index, { subject, name }, receiver).catch(() => {});
      return receiver;
    });
    return () => ends.forEach((receiver) => receiver.end());
  }

  async #receive(
    place: number,
    { subject, name }: { readonly subject: string; readonly name: string },
    receiver: Receiver,
  ): Promise<void> {
    const at = this.#places[place];
    if (at === undefined) return;
    const stream = streamOf(subject);
    const makesStream = this.options.domain === null;
    while (!receiver.ended && !this.#ended) {
      try {
        if (makesStream) await this.#ensureStream(stream);
        await at.manager.consumers.add(stream.name, {
          durable_name: name,
          filter_subject: subject,
          ack_policy: AckPolicy.Explicit,
          ack_wait: ACK_WAIT_MS * NANOSECONDS,
          max_ack_pending: UNACKNOWLEDGED_MAX,
        });
        const consumer = await at.client.consumers.get(stream.name, name);
        while (!receiver.ended && !this.#ended) {
          await receiver.take(await consumer.fetch({ max_messages: FETCH_MAX, expires: FETCH_MS }));
        }
      } catch {
        // The stream is gone, a leader is being chosen, the hub is away: all of it looks the same and passes the same way.
        await new Promise<void>((resolve) => this.options.clock.schedule(AGAIN_MS, resolve));
      }
    }
  }
}

/** JetStream's error code for a stream that exists with another configuration. */
const STREAM_NAME_IN_USE = 10_058;

function reasonOf(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return (text === "" ? "unknown" : text).slice(0, REASON_LENGTH_MAX);
}

function isQuota(reason: string): boolean {
  return /exceed|insufficient|resource|limit/i.test(reason);
}

function isNobody(error: unknown): boolean {
  if (error instanceof errors.NoRespondersError) return true;
  return error instanceof Error &&
    (error.cause instanceof errors.NoRespondersError ||
      /no responders|jetstream is not enabled/i.test(error.message));
}

/** One receiver on one connection: hands messages over and remembers which are not acknowledged. */
class Receiver {
  ended = false;
  #current: ConsumerMessages | undefined;
  readonly #open = new Set<JsMsg>();

  constructor(readonly onMessage: (message: KeptMessage) => void) {}

  async take(messages: ConsumerMessages): Promise<void> {
    this.#current = messages;
    if (this.ended) return void await messages.close();
    for await (const message of messages) {
      if (this.ended) message.nak();
      else this.#hand(message);
    }
  }

  #hand(message: JsMsg): void {
    this.#open.add(message);
    const settle = (how: () => void) => {
      if (!this.#open.delete(message)) return;
      try {
        how();
      } catch {
        // The connection is gone: it comes again, and receivers are prepared for that.
      }
    };
    this.onMessage({
      subject: message.subject,
      bytes: message.data,
      delivery: message.info.deliveryCount,
      acknowledge: () => settle(() => message.ack()),
      reject: (reason) => settle(() => message.term(reason.slice(0, REASON_LENGTH_MAX))),
    });
  }

  end(): void {
    if (this.ended) return;
    this.ended = true;
    this.#current?.stop();
    for (const message of this.#open) {
      try {
        message.nak();
      } catch {
        // The connection is gone: the broker gives it out again after its own wait.
      }
    }
    this.#open.clear();
  }
}
