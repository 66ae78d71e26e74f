/** The Discovery of one simulated device: announcements as datagrams that may be lost, doubled or late, heard by one segment. */
import type {
  Announcement,
  Discovery,
  DiscoveryEvent,
  DiscoverySession,
} from "../platform/discovery.ts";
import type { Network, Station } from "./network.ts";

/** How often everyone announces itself, ms; a lost announcement is thus repeated. */
const ANNOUNCE_EVERY_MS = 30_000;
/** Who was not heard for this long is gone, ms. */
const EXPIRY_MS = 100_000;
/**
 * With so many neighbours questions and answers are shared, as RFC 6762 wants it and the real responder does: what was said to all less than a second
 * ago is not said again (section 6), and nobody asks what another one has just asked (section 7.3). Else everybody would answer everybody's question to
 * all, the cube of their number. Among few it stays as it is: more datagrams are more orders in which things happen.
 */
const CROWD_MIN = 64;
const REPEAT_MS = 1_000;
/** A question and an answer wait this long, so that not all speak at once (RFC 6762 sections 5.2 and 6), ms. */
const SPREAD_MS = { least: 20, span: 100 };

type Datagram =
  | { readonly type: "announcement"; readonly self: Announcement; readonly address: string }
  | { readonly type: "goodbye"; readonly deviceId: string }
  | { readonly type: "query" };

interface Heard {
  /** What was told of it, to tell changes from repetitions. Announcements are never changed, only replaced. */
  readonly self: Announcement;
  readonly address: string;
  /** World time, ms. */
  readonly expiresAtMs: number;
}

export interface SimulatedDiscovery extends Discovery {
  /** A datagram has come. */
  take(datagram: Datagram): void;
}

/** @param discoveryOf the discovery that runs on a device now; undefined while it is down */
export function simulatedDiscovery(
  network: Network,
  station: Station,
  discoveryOf: (station: Station) => SimulatedDiscovery | undefined,
): SimulatedDiscovery {
  const { device } = station;
  const life = device.life;
  let session: Session | undefined;

  const send = (datagram: Datagram): void => {
    for (const other of network.neighbours(station)) {
      if (other === station) continue;
      for (const delayMs of network.datagramDelaysMs(station, other)) {
        network.world.after(delayMs, "datagram", () => discoveryOf(other)?.take(datagram));
      }
    }
  };

  return {
    start(self, onEvent) {
      session?.end();
      const crowded = () => network.neighbours(station).length >= CROWD_MIN;
      session = new Session({ station, crowded, send, self, onEvent });
      return session;
    },
    take(datagram) {
      if (device.life === life) session?.take(datagram);
    },
  };
}

class Session implements DiscoverySession {
  readonly #station: Station;
  readonly #send: (datagram: Datagram) => void;
  readonly #onEvent: (event: DiscoveryEvent) => void;
  readonly #heard = new Map<string, Heard>();
  #self: Announcement;
  #ended = false;
  #cancelAnnounce = (): void => {};
  #cancelExpiry: (() => void) | null = null;
  /** In a crowd: what is to be said soon, and when it was announced last. */
  readonly #crowded: () => boolean;
  #asks = false;
  #answers = false;
  #announcedAtMs = -Infinity;

  constructor(
    options: {
      station: Station;
      crowded: () => boolean;
      send: (datagram: Datagram) => void;
      self: Announcement;
      onEvent: (event: DiscoveryEvent) => void;
    },
  ) {
    this.#station = options.station;
    this.#crowded = options.crowded;
    this.#send = options.send;
    this.#self = options.self;
    this.#onEvent = options.onEvent;
    this.#later(
      0,
      () =>
        this.#onEvent({ type: "availability", multicast: true, interfaces: ["sim0"], reason: "" }),
    );
    this.#ask();
    this.#announceRegularly();
  }

  update(self: Announcement): void {
    this.#self = self;
    this.#announce();
  }

  refresh(): void {
    this.#ask();
  }

  // deno-lint-ignore require-await -- the port is asynchronous
  async stop(): Promise<void> {
    if (!this.#ended) this.#send({ type: "goodbye", deviceId: this.#self.deviceId });
    this.end();
  }

  end(): void {
    this.#ended = true;
    this.#cancelAnnounce();
    this.#cancelExpiry?.();
    this.#heard.clear();
  }

  take(datagram: Datagram): void {
    if (this.#ended) return;
    switch (datagram.type) {
      case "announcement":
        return this.#onAnnouncement(datagram.self, datagram.address);
      case "goodbye":
        return this.#onGone(datagram.deviceId, "goodbye");
      case "query":
        return this.#onQuery();
      default:
        datagram satisfies never;
    }
  }

  #ask(): void {
    if (!this.#crowded()) return this.#send({ type: "query" });
    this.#asks = true;
    this.#later(this.#spreadMs(), () => {
      if (this.#asks && !this.#ended) this.#send({ type: "query" });
      this.#asks = false;
    });
  }

  #onQuery(): void {
    // Everybody hears the answers to somebody else's question.
    this.#asks = false;
    if (!this.#crowded()) return void this.#later(this.#spreadMs(), () => this.#announce());
    if (this.#answers) return;
    this.#answers = true;
    const againMs = this.#announcedAtMs + REPEAT_MS - this.#station.device.monotonicMs();
    this.#later(Math.max(againMs, 0) + this.#spreadMs(), () => this.#announce());
  }

  #spreadMs(): number {
    return SPREAD_MS.least + this.#station.device.random.float() * SPREAD_MS.span;
  }

  #announceRegularly(): void {
    this.#announce();
    this.#cancelAnnounce = this.#later(ANNOUNCE_EVERY_MS, () => this.#announceRegularly());
  }

  #announce(): void {
    if (this.#ended) return;
    this.#answers = false;
    this.#announcedAtMs = this.#station.device.monotonicMs();
    const address = `http://${this.#station.host}:${this.#self.port}`;
    this.#send({ type: "announcement", self: this.#self, address });
  }

  #onAnnouncement(self: Announcement, address: string): void {
    const { deviceId } = self;
    const before = this.#heard.get(deviceId);
    // Behind all others: who was heard longest ago comes first.
    this.#heard.delete(deviceId);
    const expiresAtMs = this.#station.device.monotonicMs() + EXPIRY_MS;
    this.#heard.set(deviceId, { self, address, expiresAtMs });
    if (this.#cancelExpiry === null) this.#expireLater(EXPIRY_MS);
    if (before === undefined || before.address !== address || !saysTheSame(before.self, self)) {
      this.#onEvent({ type: "sighted", sighting: { ...self, addresses: [address] } });
    }
  }

  #onGone(deviceId: string, reason: "goodbye" | "expired"): void {
    if (!this.#heard.delete(deviceId)) return;
    this.#onEvent({ type: "gone", deviceId, reason });
  }

  /** One timer for all: in a crowd everybody is heard again and again, and nearly nobody expires. */
  #expireLater(delayMs: number): void {
    this.#cancelExpiry = this.#later(delayMs, () => {
      this.#cancelExpiry = null;
      const nowMs = this.#station.device.monotonicMs();
      for (const [deviceId, { expiresAtMs }] of [...this.#heard]) {
        // Less than a tick is not waited for.
        if (expiresAtMs > nowMs + 1) return this.#expireLater(expiresAtMs - nowMs);
        this.#onGone(deviceId, "expired");
      }
    });
  }

  #later(delayMs: number, run: () => void): () => void {
    return this.#station.device.schedule(delayMs, run);
  }
}

/** Most announcements are the very object that was heard before: written out they need to be compared only when they are not. */
function saysTheSame(before: Announcement, now: Announcement): boolean {
  return before === now || JSON.stringify(before) === JSON.stringify(now);
}
