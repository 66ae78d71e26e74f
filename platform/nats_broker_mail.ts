/**
 * Mail over JetStream: a work queue per kind of subject from which every message disappears once it was acknowledged. The files of a
 * broker are never the source of truth: when they are gone, streams are made anew and senders send again.
 */
import {
  AckPolicy,
  type ConsumerMessages,
  DiscardPolicy,
  jetstream,
  JetStreamApiCodes,
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
import { errorText } from "./error_text.ts";
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
const ACK_WAIT_MS = 10_000;
/** Unacknowledged messages of one receiver, at most. */
const UNACKNOWLEDGED_MAX = 256;
/** Messages fetched at once. */
const FETCH_MAX = 256;
/** A fetch ends after this, ms: a longer one would stall for long after a fail-over. */
const FETCH_MS = 1_000;
const KEEP_MS_MAX = 5_000;
const API_MS_MAX = 2_000;
/** Pause after a failure, ms. */
const AGAIN_MS = 250;
/** Whether mail is kept is asked again at growing distances up to this, ms. */
const SEARCH_MS_MAX = 5_000;
/** A stream that we were not allowed to make is not asked for again before this, ms: what is allowed follows membership. */
const DENIED_AGAIN_MS = 10_000;
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
    storage: StorageType.File,
    ...(stream.name === SENSOR_STREAM
      // Every device of the home looks through them for its own sensors, and a sensor cannot send again: the newest count.
      ? { retention: RetentionPolicy.Limits, discard: DiscardPolicy.Old }
      // What does not fit is refused and stays with its sender; nothing that was kept is pushed out by a flood.
      : {
        retention: RetentionPolicy.Workqueue,
        discard: DiscardPolicy.New,
        discard_new_per_subject: true,
      }),
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
  /**
   * Where mail for devices (the stream "mail") is kept when not by the server itself: the JetStream domain of the hubs. Other kinds, such as
   * readings of sensors, always stay with the server.
   */
  readonly domain: string | null;
}

/** Why there is no mail on a connection: none is kept there, or nobody could say. */
export type NoMail = Exclude<KeepOutcome, { readonly type: "kept" }>;

/** The stream of readings. */
const SENSOR_STREAM = "sensor";
/** The stream of mail for devices. */
export const MAIL_STREAM = "mail";

interface Place {
  readonly client: JetStreamClient;
  readonly manager: JetStreamManager;
}

/** Mail through one connection. */
export class LinkMail {
  readonly #own: JetStreamClient;
  /** Everywhere mail may wait: the hubs, if they keep it, and last the server itself. */
  readonly #places: readonly Place[];
  #ended = false;
  /** Streams that we may not make, and until when we believe so, monotonic ms. */
  readonly #denied = new Map<string, number>();

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

  /** Says why not when neither the server nor its hubs keep mail, or nobody can be asked now. */
  static async open(link: Link, options: MailOptions): Promise<LinkMail | NoMail> {
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
        // While hubs choose whom to follow nobody answers. That passes; a server without JetStream says so.
        if (!isNobody(error)) return { type: "failed", reason: `no mail yet: ${reasonOf(error)}` };
      }
    }
    return managers.length === 0 ? KEEPS_NONE : new LinkMail(link, options, managers);
  }

  /**
   * Opens it as soon as that is possible, for as long as the connection lives; null when that ends before. `onNone` is told why there is
   * none, after each attempt.
   */
  static async find(
    link: Link,
    options: MailOptions,
    onNone: (why: NoMail) => void,
  ): Promise<LinkMail | null> {
    const ended = link.ended.then(() => null);
    for (let waitMs = AGAIN_MS;; waitMs = Math.min(SEARCH_MS_MAX, waitMs * 2)) {
      const found = await Promise.race([LinkMail.open(link, options), ended]);
      if (found === null || found instanceof LinkMail) return found;
      onNone(found);
      const cancel = { now: () => {} };
      const waited = new Promise<true>((resolve) => {
        cancel.now = options.clock.schedule(waitMs, () => resolve(true));
      });
      if (await Promise.race([waited, ended]) === null) {
        cancel.now();
        return null;
      }
    }
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
        if (this.#isElsewhere(stream.name)) {
          return { type: "failed", reason: "no hub that keeps mail can be reached" };
        }
        const problem = await this.#ensureStream(stream);
        if (problem !== null) return problem;
      }
    }
  }

  #isElsewhere(stream: string): boolean {
    return this.options.domain !== null && stream === MAIL_STREAM;
  }

  /** Null: there is one now. */
  async #ensureStream(stream: ReturnType<typeof streamOf>): Promise<KeepOutcome | null> {
    // Hubs let nobody make streams; asking now and then is enough. Then it is there, and only its leader is being chosen.
    const nowMs = this.options.clock.monotonicMs();
    if (nowMs < (this.#denied.get(stream.name) ?? -Infinity)) return NOBODY;
    try {
      await this.#places.at(-1)?.manager.streams.add(streamConfig(stream, this.options.limits));
      return null;
    } catch (error) {
      if (error instanceof JetStreamApiError) {
        // Somebody made it with other limits: then it is there, and theirs.
        if (error.code === STREAM_NAME_IN_USE) return null;
        return { type: "refused", reason: reasonOf(error) };
      }
      if (isDenied(error)) {
        this.#denied.set(stream.name, nowMs + DENIED_AGAIN_MS);
      }
      return { type: "failed", reason: reasonOf(error) };
    }
  }

  /** Receives until the returned function is called or the connection is gone. */
  collect(
    { subject, name }: { readonly subject: string; readonly name: string },
    onMessage: (message: KeptMessage) => void,
  ): () => void {
    const everywhere = this.#isElsewhere(streamOf(subject).name);
    const places = everywhere ? this.#places : this.#places.slice(-1);
    const ends = places.map((place) => {
      const receiver = new Receiver(onMessage);
      this.#receive(place, { subject, name }, receiver).catch(() => {});
      return receiver;
    });
    return () => ends.forEach((receiver) => receiver.end());
  }

  async #receive(
    at: Place,
    { subject, name }: { readonly subject: string; readonly name: string },
    receiver: Receiver,
  ): Promise<void> {
    const stream = streamOf(subject);
    const makesStream = !this.#isElsewhere(stream.name);
    while (!receiver.ended && !this.#ended) {
      try {
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
      } catch (error) {
        if (makesStream && isNoStream(error)) {
          if (await this.#ensureStream(stream) === null) continue;
        }
        // A leader is being chosen, the hub is away, somebody deleted the receiver: all of it looks the same and passes the same way.
        await new Promise<void>((resolve) => this.options.clock.schedule(AGAIN_MS, resolve));
      }
    }
  }
}

const KEEPS_NONE: NoMail = { type: "refused", reason: "this broker keeps no mail" };
const NOBODY: KeepOutcome = { type: "failed", reason: "nobody takes this mail now" };
/** JetStream's error code for a stream that exists with another configuration. */
const STREAM_NAME_IN_USE = 10_058;

function reasonOf(error: unknown): string {
  const text = errorText(error);
  return (text === "" ? "unknown" : text).slice(0, REASON_LENGTH_MAX);
}

function isNoStream(error: unknown): boolean {
  return error instanceof JetStreamApiError && error.code === JetStreamApiCodes.StreamNotFound;
}

function isQuota(reason: string): boolean {
  return /exceed|insufficient|resource|limit/i.test(reason);
}

function isDenied(error: unknown): boolean {
  const { PermissionViolationError } = errors;
  return error instanceof PermissionViolationError ||
    (error instanceof Error && error.cause instanceof PermissionViolationError);
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
    let count = 0;
    for await (const message of messages) {
      if (this.ended) message.nak();
      else this.#hand(message);
      // The client itself notices a full fetch only at its next heartbeat, half a second later.
      if (++count >= FETCH_MAX) break;
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
      keptAtMs: Math.floor(message.info.timestampNanos / NANOSECONDS),
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
