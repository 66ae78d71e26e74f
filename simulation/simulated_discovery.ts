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

type Datagram =
  | { readonly type: "announcement"; readonly self: Announcement; readonly address: string }
  | { readonly type: "goodbye"; readonly deviceId: string }
  | { readonly type: "query" };

interface Heard {
  /** What was told of it, to tell changes from repetitions. Announcements are never changed, only replaced. */
  readonly self: Announcement;
  readonly address: string;
  readonly cancelExpiry: () => void;
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
      session = new Session({ station, send, self, onEvent });
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

  constructor(
    options: {
      station: Station;
      send: (datagram: Datagram) => void;
      self: Announcement;
      onEvent: (event: DiscoveryEvent) => void;
    },
  ) {
    this.#station = options.station;
    this.#send = options.send;
    this.#self = options.self;
    this.#onEvent = options.onEvent;
    this.#later(
      0,
      () =>
        this.#onEvent({ type: "availability", multicast: true, interfaces: ["sim0"], reason: "" }),
    );
    this.#send({ type: "query" });
    this.#announceRegularly();
  }

  update(self: Announcement): void {
    this.#self = self;
    this.#announce();
  }

  refresh(): void {
    this.#send({ type: "query" });
  }

  // deno-lint-ignore require-await -- the port is asynchronous
  async stop(): Promise<void> {
    if (!this.#ended) this.#send({ type: "goodbye", deviceId: this.#self.deviceId });
    this.end();
  }

  end(): void {
    this.#ended = true;
    this.#cancelAnnounce();
    for (const { cancelExpiry } of this.#heard.values()) cancelExpiry();
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
        // Answers of many devices are spread, as in RFC 6762.
        this.#later(20 + this.#station.device.random.float() * 100, () => this.#announce());
        return;
      default:
        datagram satisfies never;
    }
  }

  #announceRegularly(): void {
    this.#announce();
    this.#cancelAnnounce = this.#later(ANNOUNCE_EVERY_MS, () => this.#announceRegularly());
  }

  #announce(): void {
    if (this.#ended) return;
    const address = `http://${this.#station.host}:${this.#self.port}`;
    this.#send({ type: "announcement", self: this.#self, address });
  }

  #onAnnouncement(self: Announcement, address: string): void {
    const { deviceId } = self;
    const before = this.#heard.get(deviceId);
    before?.cancelExpiry();
    const cancelExpiry = this.#later(EXPIRY_MS, () => this.#onGone(deviceId, "expired"));
    this.#heard.set(deviceId, { self, address, cancelExpiry });
    if (before === undefined || before.address !== address || !saysTheSame(before.self, self)) {
      this.#onEvent({ type: "sighted", sighting: { ...self, addresses: [address] } });
    }
  }

  #onGone(deviceId: string, reason: "goodbye" | "expired"): void {
    const known = this.#heard.get(deviceId);
    if (known === undefined) return;
    known.cancelExpiry();
    this.#heard.delete(deviceId);
    this.#onEvent({ type: "gone", deviceId, reason });
  }

  #later(delayMs: number, run: () => void): () => void {
    return this.#station.device.schedule(delayMs, run);
  }
}

/** Most announcements are the very object that was heard before: written out they need to be compared only when they are not. */
function saysTheSame(before: Announcement, now: Announcement): boolean {
  return before === now || JSON.stringify(before) === JSON.stringify(now);
}
