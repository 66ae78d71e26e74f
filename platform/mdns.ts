/**
 * Discovery by multicast DNS: the sockets and timers under `protocols/discovery/`. Interfaces come and go while it runs. Without multicast
 * it says so and keeps trying; nothing that happens on the network ends the process.
 */
import type { DnsSdAction, DnsSdEvent } from "../protocols/discovery/dns_sd.ts";
import { DnsSd } from "../protocols/discovery/dns_sd.ts";
import type { Announcement, Discovery, DiscoveryEvent, DiscoverySession } from "./discovery.ts";
import { errorText } from "./error_text.ts";
import {
  type InterfaceAddress,
  systemInterfaces,
  type WantedLink,
  wantedLinks,
} from "./mdns_interfaces.ts";
import { MDNS_PORT, type MulticastLink, openMulticastLink } from "./mdns_link.ts";
import type { Clock, Log, Random } from "./ports.ts";

/** How often the list of interfaces is read, ms. */
const INTERFACES_POLL_MS = 2_000;
/** When nothing could be sent for this long, in several attempts, the link is closed; the next poll opens it again. */
const SEND_FAILING_MS = 1_500;
const SEND_FAILURES_MIN = 3;
/** Goodbyes are sent at once; this is how long the kernel may take, ms. */
const CLOSE_WAIT_MS = 1_000;

export interface MdnsOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly log?: Log;
  /** Addresses of all interfaces now; default asks the system. */
  readonly interfaces?: () => readonly InterfaceAddress[];
  /** UDP port of the group; other than 5353 only in tests. */
  readonly port?: number;
}

interface OpenLink {
  readonly wanted: WantedLink;
  readonly link: MulticastLink;
  up: boolean;
  /** Failures to send since the last success. */
  failures: number;
  failingSinceMs: number;
}

/** The Discovery port on multicast DNS, with an end that whoever opened it can wait for. */
export interface MdnsDiscovery extends Discovery {
  /** Stops what was started; resolves when goodbyes have been sent and sockets released, also those of a `stop` nobody waited for. */
  close(): Promise<void>;
}

/** The Discovery port on multicast DNS. */
export function mdnsDiscovery(options: MdnsOptions): MdnsDiscovery {
  const sessions = new Set<MdnsSession>();
  return {
    start(self, onEvent) {
      const session = new MdnsSession(options, self, onEvent, () => sessions.delete(session));
      sessions.add(session);
      return session;
    },
    async close() {
      await Promise.all([...sessions].map((session) => session.stop()));
    },
  };
}

class MdnsSession implements DiscoverySession {
  readonly #options: MdnsOptions;
  readonly #onEvent: (event: DiscoveryEvent) => void;
  readonly #machine: DnsSd;
  readonly #links = new Map<string, OpenLink>();
  readonly #problems = new Map<string, string>();
  readonly #closing = new Set<Promise<void>>();
  #told = "";
  readonly #onStopped: () => void;
  #stopped = false;
  #stopping: Promise<void> | undefined;
  #cancelDue: () => void = () => {};
  #cancelPoll: () => void = () => {};

  constructor(
    options: MdnsOptions,
    self: Announcement,
    onEvent: (event: DiscoveryEvent) => void,
    onStopped: () => void,
  ) {
    this.#options = options;
    this.#onEvent = onEvent;
    this.#onStopped = onStopped;
    this.#machine = new DnsSd(self, options.random.fork("mdns"));
    this.#poll();
  }

  update(self: Announcement): void {
    this.#handle({ type: "update", self });
  }

  refresh(): void {
    this.#handle({ type: "refresh" });
  }

  stop(): Promise<void> {
    return this.#stopping ??= this.#stop();
  }

  async #stop(): Promise<void> {
    this.#handle({ type: "stop" });
    this.#stopped = true;
    this.#cancelDue();
    this.#cancelPoll();
    for (const id of [...this.#links.keys()]) this.#close(id);
    const { clock } = this.#options;
    let cancel = () => {};
    const waited = new Promise<void>((resolve) => cancel = clock.schedule(CLOSE_WAIT_MS, resolve));
    await Promise.race([Promise.all(this.#closing), waited]);
    cancel();
    this.#onStopped();
  }

  #handle(event: DnsSdEvent): void {
    if (this.#stopped) return;
    const nowMs = this.#options.clock.monotonicMs();
    for (const action of this.#machine.handle(event, nowMs)) this.#perform(action);
    this.#cancelDue();
    const nextMs = this.#machine.nextMs();
    if (nextMs === Infinity) return;
    this.#cancelDue = this.#options.clock.schedule(
      Math.max(0, nextMs - nowMs),
      () => this.#guard(() => this.#handle({ type: "due" })),
    );
  }

  #perform(action: DnsSdAction): void {
    switch (action.type) {
      case "send":
        this.#links.get(action.linkId)?.link.send(action.message, action.to);
        break;
      case "sighted":
      case "gone":
        this.#tell(action);
        break;
      case "renamed":
        this.#options.log?.write("info", "another device has our name on this network", {
          newName: action.displayName,
        });
        break;
      default:
        action satisfies never;
    }
  }

  #tell(event: DiscoveryEvent): void {
    this.#guard(() => this.#onEvent(event));
  }

  #guard(run: () => void): void {
    try {
      run();
    } catch (error) {
      this.#options.log?.write("error", "discovery failed to handle an event", {
        error: errorText(error),
      });
    }
  }

  /** Compares the interfaces with the open links, opens and closes what differs. */
  #poll(): void {
    if (this.#stopped) return;
    this.#guard(() => {
      const read = this.#options.interfaces ?? systemInterfaces;
      const wanted = new Map(wantedLinks(read()).map((link) => [link.id, link]));
      for (const [id, open] of this.#links) {
        const still = wanted.get(id);
        // An IPv4 socket is tied to its address, an IPv6 one to the interface.
        const moved = still?.family === "IPv4" && still.address !== open.wanted.address;
        if (still === undefined || moved) this.#close(id);
      }
      for (const id of [...this.#problems.keys()]) if (!wanted.has(id)) this.#problems.delete(id);
      for (const link of wanted.values()) this.#openOrUpdate(link);
    });
    this.#tellAvailability();
    this.#cancelPoll = this.#options.clock.schedule(INTERFACES_POLL_MS, () => this.#poll());
  }

  #openOrUpdate(wanted: WantedLink): void {
    const known = this.#links.get(wanted.id);
    if (known !== undefined) {
      if (JSON.stringify(known.wanted.subnets) === JSON.stringify(wanted.subnets)) return;
      this.#links.set(wanted.id, { ...known, wanted });
      if (known.up) this.#handle({ type: "linkUp", link: wanted });
      return;
    }
    const { id } = wanted;
    const current = (): OpenLink | undefined => {
      const open = this.#links.get(id);
      return open?.link === link ? open : undefined;
    };
    const link = openMulticastLink({
      wanted,
      port: this.#options.port ?? MDNS_PORT,
      onUp: () => {
        const open = current();
        if (open === undefined) return;
        open.up = true;
        this.#problems.delete(id);
        this.#handle({ type: "linkUp", link: open.wanted });
        this.#tellAvailability();
      },
      onMessage: (message, source, oneShot) => {
        const open = current();
        if (open?.up !== true) return;
        this.#guard(() => this.#handle({ type: "message", linkId: id, source, message, oneShot }));
      },
      onDown: (reason) => {
        if (current() !== undefined) this.#fail(id, reason);
      },
      onTrouble: (reason) => {
        const open = current();
        if (open === undefined) return;
        const nowMs = this.#options.clock.monotonicMs();
        if (++open.failures === 1) open.failingSinceMs = nowMs;
        const failingMs = nowMs - open.failingSinceMs;
        if (open.failures >= SEND_FAILURES_MIN && failingMs >= SEND_FAILING_MS) {
          this.#fail(id, reason);
        }
      },
      onSent: () => {
        const open = current();
        if (open !== undefined) open.failures = 0;
      },
    });
    this.#links.set(id, { wanted, link, up: false, failures: 0, failingSinceMs: 0 });
  }

  #fail(id: string, reason: string): void {
    this.#problems.set(id, reason);
    this.#close(id);
    this.#tellAvailability();
  }

  #close(id: string): void {
    const open = this.#links.get(id);
    if (open === undefined) return;
    this.#links.delete(id);
    if (open.up) this.#handle({ type: "linkDown", linkId: id });
    const closing = open.link.close();
    this.#closing.add(closing);
    closing.finally(() => this.#closing.delete(closing));
  }

  #tellAvailability(): void {
    if (this.#stopped) return;
    const open = [...this.#links.values()];
    // Links that are still opening would only be a flicker.
    if (open.some((link) => !link.up)) return;
    const interfaces = [...new Set(open.map((link) => link.wanted.interfaceName))].toSorted();
    const alone = open.length > 0 && open.every((link) => link.wanted.internal);
    const problems = [
      ...alone ? ["no network is connected: only this machine is reached"] : [],
      ...this.#problems.values(),
    ].join("; ");
    const reason = open.length > 0
      ? problems
      : problems === ""
      ? "no network interface with an address is connected"
      : problems;
    const multicast = open.length > 0;
    const told = JSON.stringify([multicast, interfaces, reason]);
    if (told === this.#told) return;
    this.#told = told;
    this.#tell({ type: "availability", multicast, interfaces, reason });
  }
}
