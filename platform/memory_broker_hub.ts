/**
 * A broker's server without a socket: who listens to what, links to other hubs, and mail that is kept. Tests and the simulator put their
 * own wires in front of it (`memory_broker.ts`, `simulation/simulated_broker.ts`).
 */
import type { KeepOutcome } from "./broker.ts";
import type { Clock } from "./ports.ts";

/** Messages one hub keeps at most; more are refused. */
const KEPT_MAX = 100_000;
/** A message that is not acknowledged for this long is sent again, ms. */
const REDELIVER_MS = 30_000;
/** The same message id within this time is kept once, ms. */
const SAME_ID_MS = 120_000;
/** Messages on their way to one collector at most. */
const IN_FLIGHT_MAX = 64;

/** A message on its way through hubs. */
export interface HubMessage {
  readonly subject: string;
  readonly bytes: Uint8Array;
  readonly replyTo: string | null;
}

/** A client as a hub sees it. */
export interface HubPeer {
  /** A message for its subscription `id`. */
  message(id: number, message: HubMessage): void;
  /** Kept mail for its collection `id`; `mail` names it to `settle`. */
  mail(
    id: number,
    mail: number,
    message: HubMessage,
    fate: { readonly delivery: number; readonly keptAtMs: number },
  ): void;
}

/** Another hub that can be asked and told. */
export interface HubLink {
  readonly other: BrokerHub;
  /** True while it can be reached. */
  readonly isUp: () => boolean;
  /** Carries something there, in order. */
  readonly carry: (byteCount: number, run: () => void) => void;
}

interface Mail {
  readonly number: number;
  readonly subject: string;
  readonly bytes: Uint8Array;
  readonly messageId: string;
  readonly keptAtMs: number;
  readonly keptAtWallMs: number;
  delivery: number;
  /** The collection it was sent to and is not settled by. */
  to: Collection | null;
  cancelRedelivery: () => void;
}

interface Collection {
  readonly session: HubSession;
  readonly id: number;
  readonly subject: string;
  inFlight: number;
}

/** What survives a crash of the process, unless the disk is lost too. */
export interface HubDisk {
  readonly mail: Map<number, { subject: string; bytes: Uint8Array; messageId: string }>;
  next: number;
}

/** An empty disk. */
export function emptyHubDisk(): HubDisk {
  return { mail: new Map(), next: 1 };
}

export class BrokerHub {
  readonly name: string;
  readonly #clock: Pick<Clock, "monotonicMs" | "schedule" | "wallMs">;
  readonly #disk: HubDisk;
  readonly #sessions = new Set<HubSession>();
  readonly #links: HubLink[] = [];
  readonly #mail = new Map<number, Mail>();
  readonly #collections = new Set<Collection>();
  readonly #recentIds = new Map<string, number>();
  /** Messages that were published here by clients. */
  published = 0;
  /** Messages that collectors rejected. */
  rejected = 0;

  constructor(
    options: {
      readonly name: string;
      readonly clock: Pick<Clock, "monotonicMs" | "schedule" | "wallMs">;
      readonly disk?: HubDisk;
    },
  ) {
    this.name = options.name;
    this.#clock = options.clock;
    this.#disk = options.disk ?? emptyHubDisk();
    for (const [number, kept] of this.#disk.mail) this.#addMail(number, kept);
  }

  /** A client connects. */
  attach(peer: HubPeer): HubSession {
    const session = new HubSession(this, peer);
    this.#sessions.add(session);
    return session;
  }

  /** Joins two hubs, from this side. Links must form a tree. */
  addLink(link: HubLink): void {
    this.#links.push(link);
  }

  removeLink(other: BrokerHub): void {
    const at = this.#links.findIndex((link) => link.other === other);
    if (at >= 0) this.#links.splice(at, 1);
  }

  detach(session: HubSession): void {
    this.#sessions.delete(session);
    for (const collection of this.#collections) {
      if (collection.session === session) this.endCollection(session, collection.id);
    }
  }

  /** Tells everybody who listens, here and over links. False: nobody does. */
  route(message: HubMessage, from: BrokerHub | null = null): boolean {
    let heard = false;
    for (const session of this.#sessions) {
      for (const [id, pattern] of session.subscriptions) {
        if (!subjectMatches(pattern, message.subject)) continue;
        heard = true;
        session.peer.message(id, message);
      }
    }
    for (const { other, isUp, carry } of this.#links) {
      if (other === from || !isUp() || !other.hasInterest(message.subject, this)) continue;
      heard = true;
      carry(message.bytes.length, () => void other.route(message, this));
    }
    return heard;
  }

  /** Does anybody listen, here or behind links other than the one to `from`? */
  hasInterest(subject: string, from: BrokerHub | null): boolean {
    for (const session of this.#sessions) {
      for (const pattern of session.subscriptions.values()) {
        if (subjectMatches(pattern, subject)) return true;
      }
    }
    return this.#links.some(({ other, isUp }) =>
      other !== from && isUp() && other.hasInterest(subject, this)
    );
  }

  keep(message: { subject: string; bytes: Uint8Array; messageId: string }): KeepOutcome {
    const nowMs = this.#clock.monotonicMs();
    const name = `${message.subject} ${message.messageId}`;
    const before = this.#recentIds.get(name);
    if (before !== undefined && nowMs - before < SAME_ID_MS) return { type: "kept" };
    if (this.#mail.size >= KEPT_MAX) return { type: "refused", reason: "the broker is full" };
    this.#recentIds.set(name, nowMs);
    for (const [old, atMs] of this.#recentIds) {
      if (nowMs - atMs < SAME_ID_MS) break;
      this.#recentIds.delete(old);
    }
    const number = this.#disk.next++;
    this.#disk.mail.set(number, message);
    this.#addMail(number, message);
    this.#deliver();
    return { type: "kept" };
  }

  addCollection(session: HubSession, id: number, subject: string): void {
    this.#collections.add({ session, id, subject, inFlight: 0 });
    this.#deliver();
  }

  endCollection(session: HubSession, id: number): void {
    for (const collection of this.#collections) {
      if (collection.session !== session || collection.id !== id) continue;
      this.#collections.delete(collection);
      for (const mail of this.#mail.values()) {
        if (mail.to === collection) this.#free(mail);
      }
    }
    this.#deliver();
  }

  settle(number: number, taken: boolean): void {
    const mail = this.#mail.get(number);
    if (mail === undefined) return;
    if (!taken) this.rejected++;
    this.#free(mail);
    this.#mail.delete(number);
    this.#disk.mail.delete(number);
    this.#deliver();
  }

  /** Ends its timers; it must not be used any more. */
  end(): void {
    for (const mail of this.#mail.values()) mail.cancelRedelivery();
  }

  #addMail(number: number, kept: { subject: string; bytes: Uint8Array; messageId: string }): void {
    this.#mail.set(number, {
      ...kept,
      number,
      keptAtMs: this.#clock.monotonicMs(),
      keptAtWallMs: this.#clock.wallMs(),
      delivery: 0,
      to: null,
      cancelRedelivery: () => {},
    });
  }

  /** Sends what waits to whoever collects it, oldest first. */
  #deliver(): void {
    if (this.#collections.size === 0) return;
    for (const mail of this.#mail.values()) {
      if (mail.to !== null) continue;
      for (const collection of this.#collections) {
        if (collection.inFlight >= IN_FLIGHT_MAX) continue;
        if (!subjectMatches(collection.subject, mail.subject)) continue;
        mail.to = collection;
        mail.delivery++;
        collection.inFlight++;
        mail.cancelRedelivery = this.#clock.schedule(REDELIVER_MS, () => {
          this.#free(mail);
          this.#deliver();
        });
        const { number, subject, bytes, delivery } = mail;
        collection.session.peer.mail(
          collection.id,
          number,
          { subject, bytes, replyTo: null },
          { delivery, keptAtMs: mail.keptAtWallMs },
        );
        break;
      }
    }
  }

  #free(mail: Mail): void {
    mail.cancelRedelivery();
    if (mail.to !== null) mail.to.inFlight--;
    mail.to = null;
  }
}

/** What a client can ask of a hub. */
export type HubCalls = Pick<
  HubSession,
  "publish" | "subscribe" | "unsubscribe" | "keep" | "collect" | "endCollection" | "settle"
>;

/** One client's connection, as calls at the hub. */
export class HubSession {
  readonly subscriptions = new Map<number, string>();
  readonly #hub: BrokerHub;
  readonly peer: HubPeer;
  #ended = false;

  constructor(hub: BrokerHub, peer: HubPeer) {
    this.#hub = hub;
    this.peer = peer;
  }

  /** False: nobody listens. */
  publish(message: HubMessage): boolean {
    if (this.#ended) return true;
    this.#hub.published++;
    return this.#hub.route(message);
  }

  subscribe(id: number, subject: string): void {
    if (!this.#ended) this.subscriptions.set(id, subject);
  }

  unsubscribe(id: number): void {
    this.subscriptions.delete(id);
  }

  keep(message: { subject: string; bytes: Uint8Array; messageId: string }): KeepOutcome {
    return this.#hub.keep(message);
  }

  collect(id: number, subject: string): void {
    if (!this.#ended) this.#hub.addCollection(this, id, subject);
  }

  endCollection(id: number): void {
    this.#hub.endCollection(this, id);
  }

  settle(mail: number, taken: boolean): void {
    if (!this.#ended) this.#hub.settle(mail, taken);
  }

  detach(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.subscriptions.clear();
    this.#hub.detach(this);
  }
}

/** Does a subject fit a pattern? `*` stands for one part, `>` at the end for one or more. */
export function subjectMatches(pattern: string, subject: string): boolean {
  if (pattern === subject) return true;
  const wanted = pattern.split(".");
  const parts = subject.split(".");
  for (const [index, part] of wanted.entries()) {
    if (part === ">") return parts.length > index;
    if (index >= parts.length || (part !== "*" && part !== parts[index])) return false;
  }
  return wanted.length === parts.length;
}
