/** Finds the nearest of several NATS servers, stays there as long as it lives, and moves when it dies or a nearer one appears. */
import { errorText } from "./error_text.ts";
import { type Link, type LinkLogin, openLink } from "./nats_broker_link.ts";
import { LinkMail, MAIL_LIMITS, type MailLimits, type NoMail } from "./nats_broker_mail.ts";
import {
  isWorthMoving,
  type Knocked,
  nearestServers,
  parseServerAddress,
  type ServerAddress,
} from "./nats_broker_servers.ts";
import type { Clock, Random } from "./ports.ts";

/** Pauses between attempts grow from the first to the second, ms. */
const AGAIN_MS_MIN = 100;
const AGAIN_MS_MAX = 2_000;
/** While servers are knocked at, the list of them is looked at this often, ms. */
const LIST_LOOK_MS = 50;
/** A connection is of use without mail: it waits no longer than this to hear whether mail is kept, ms. */
const MAIL_FIRST_MS = 300;
const NOT_ASKED: NoMail = { type: "failed", reason: "no mail yet: nobody has answered" };
/** So often a nearer server is looked for, ms. */
const RECONSIDER_MS = 30_000;

export interface NatsBrokerOptions {
  readonly clock: Clock;
  readonly random: Random;
  /** Where servers are now: "nats://host:port" or "tls://host:port", at most 16. Asked before every attempt. */
  readonly servers: () => readonly string[];
  readonly login: LinkLogin | null;
  /** Shown by the server's monitoring. */
  readonly name: string;
  /** PEM certificates of authorities to trust beside the system's. */
  readonly caCertificates?: readonly string[];
  /** JetStream domain of the hubs where mail is kept; null: the server itself keeps it. */
  readonly mailDomain?: string | null;
  readonly mailLimits?: MailLimits;
  /** How often a nearer server is looked for, ms; default 30,000. */
  readonly reconsiderMs?: number;
}

/** A connection and what it offers. */
export interface Connected {
  readonly link: Link;
  /** Mail over this connection, as far as that is known now. */
  readonly mail: () => LinkMail | NoMail;
  readonly knocked: Knocked;
}

export interface ConnectorEvents {
  /** There is a connection, or another one than before. */
  onUp(connected: Connected): void;
  /** Mail can be kept over this connection from now on. */
  onMail(link: Link): void;
  /** There is none any more. */
  onLost(reason: string): void;
  /** An attempt failed; the next one follows by itself. */
  onFailed(reason: string): void;
}

/** Keeps one connection up. */
export class Connector {
  readonly #closing = new AbortController();
  readonly #running: Promise<void>;

  constructor(readonly options: NatsBrokerOptions, readonly events: ConnectorEvents) {
    this.#running = this.#run();
  }

  /** Ends everything; resolves when no handle is held any more. Twice is harmless. */
  async close(): Promise<void> {
    this.#closing.abort(new Error("closed"));
    await this.#running;
  }

  async #run(): Promise<void> {
    const { signal } = this.#closing;
    let againMs = AGAIN_MS_MIN;
    while (!signal.aborted) {
      const outcome = await this.#connect();
      if (outcome.type === "failed") {
        if (!signal.aborted) this.events.onFailed(outcome.reason);
        await this.#pause(againMs / 2 + this.options.random.below(Math.ceil(againMs / 2)));
        againMs = Math.min(AGAIN_MS_MAX, againMs * 2);
        continue;
      }
      againMs = AGAIN_MS_MIN;
      await this.#stay(outcome.current);
    }
  }

  /** Uses a connection until it is lost, moving to a nearer server when there is one. */
  async #stay(first: Connected): Promise<void> {
    const { signal } = this.#closing;
    let current = first;
    this.events.onUp(current);
    while (true) {
      const look = Promise.withResolvers<"look">();
      const cancel = this.options.clock.schedule(
        this.options.reconsiderMs ?? RECONSIDER_MS,
        () => look.resolve("look"),
      );
      const closing = Promise.withResolvers<"closing">();
      const onAbort = () => closing.resolve("closing");
      signal.addEventListener("abort", onAbort, { once: true });
      if (signal.aborted) onAbort();
      const event = await Promise.race([
        current.link.ended.then((reason) => ({ reason })),
        look.promise,
        closing.promise,
      ]);
      cancel();
      signal.removeEventListener("abort", onAbort);
      if (event === "look") {
        const nearer = await this.#nearer(current);
        if (nearer !== null) {
          const left = current;
          current = nearer;
          this.events.onUp(current);
          await left.link.close();
        }
        continue;
      }
      this.events.onLost(event === "closing" ? "closed" : event.reason);
      return await current.link.close();
    }
  }

  #addresses(): readonly ServerAddress[] {
    return this.options.servers().map(parseServerAddress).filter((address) =>
      address !== undefined
    );
  }

  async #nearer(current: Connected): Promise<Connected | null> {
    const addresses = this.#addresses();
    if (addresses.length < 2) return null;
    const { signal } = this.#closing;
    const { found } = await nearestServers(addresses, { clock: this.options.clock, signal });
    const here = found.find(({ address }) => address.url === current.link.address.url);
    const [best] = found;
    if (best === undefined || best === here || !isWorthMoving(here ?? current.knocked, best)) {
      return null;
    }
    return await this.#open(best).catch(() => null);
  }

  async #connect(): Promise<
    { readonly type: "up"; readonly current: Connected } | {
      readonly type: "failed";
      readonly reason: string;
    }
  > {
    const addresses = this.#addresses();
    if (addresses.length === 0) return { type: "failed", reason: "no server is known" };
    const { signal } = this.#closing;
    const { found, problems, outdated } = await this.#knockAt(addresses);
    if (outdated && found.length === 0 && !signal.aborted) return await this.#connect();
    const reasons = [...problems];
    for (const knocked of found) {
      if (signal.aborted) break;
      try {
        return { type: "up", current: await this.#open(knocked) };
      } catch (error) {
        reasons.push(`${knocked.address.url}: ${messageOf(error)}`);
      }
    }
    return { type: "failed", reason: reasons.slice(0, 3).join("; ") || "no server answers" };
  }

  /** Knocks at all of them. Ends early when others are known meanwhile: our own server that is back need not wait for one that is silent. */
  async #knockAt(addresses: readonly ServerAddress[]) {
    const { clock } = this.options;
    const urls = (list: readonly ServerAddress[]) => list.map(({ url }) => url).join(" ");
    const before = urls(addresses);
    const changed = new AbortController();
    let cancel = () => {};
    const look = () => {
      if (urls(this.#addresses()) === before) cancel = clock.schedule(LIST_LOOK_MS, look);
      else changed.abort(new Error("other servers are known now"));
    };
    cancel = clock.schedule(LIST_LOOK_MS, look);
    try {
      const signal = AbortSignal.any([this.#closing.signal, changed.signal]);
      return {
        ...await nearestServers(addresses, { clock, signal }),
        outdated: changed.signal.aborted,
      };
    } finally {
      cancel();
    }
  }

  async #open(knocked: Knocked): Promise<Connected> {
    const { clock, login, name, caCertificates, mailDomain, mailLimits } = this.options;
    const link = await openLink(knocked.address, {
      clock,
      name,
      login,
      caCertificates: caCertificates ?? [],
    });
    const options = { clock, limits: mailLimits ?? MAIL_LIMITS, domain: mailDomain ?? null };
    const first = Promise.withResolvers<void>();
    let mail: LinkMail | NoMail = NOT_ASKED;
    const note = (known: LinkMail | NoMail): void => {
      mail = known;
      first.resolve();
    };
    LinkMail.find(link, options, note).then(
      (found) => {
        note(found ?? NOT_ASKED);
        if (found !== null) this.events.onMail(link);
      },
      (error: unknown) => note({ type: "failed", reason: messageOf(error) }),
    );
    const cancel = clock.schedule(MAIL_FIRST_MS, () => first.resolve());
    await first.promise;
    cancel();
    return { link, mail: () => mail, knocked };
  }

  #pause(delayMs: number): Promise<void> {
    const { signal } = this.#closing;
    return new Promise((resolve) => {
      if (signal.aborted) return resolve();
      const cancel = this.options.clock.schedule(delayMs, () => {
        signal.removeEventListener("abort", stop);
        resolve();
      });
      const stop = () => {
        cancel();
        resolve();
      };
      signal.addEventListener("abort", stop, { once: true });
    });
  }
}

/** What an error says, shortened. */
export function messageOf(error: unknown): string {
  const text = errorText(error);
  return text === "" ? "unknown" : text.slice(0, 200);
}
