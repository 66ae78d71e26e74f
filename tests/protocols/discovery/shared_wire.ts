/** A network in memory for the discovery machine: virtual time, everybody hears everybody (also the sender), some packets are lost. */
import type { Announcement } from "../../../platform/discovery.ts";
import type { Random } from "../../../platform/ports.ts";
import { seededRandom } from "../../../platform/seeded_random.ts";
import type { DnsMessage } from "../../../protocols/discovery/dns.ts";
import { DnsSd, type DnsSdAction, type DnsSdEvent } from "../../../protocols/discovery/dns_sd.ts";
import { deviceIdOf } from "../../../protocols/ids.ts";

export interface Sent {
  readonly atMs: number;
  readonly from: string;
  readonly message: DnsMessage;
  readonly to: "group" | "oneShot" | { readonly address: string; readonly port: number };
}

export type Told = Exclude<DnsSdAction, { type: "send" }> & { readonly atMs: number };

/** An announcement with everything in it. */
export function announcement(name: string, change: Partial<Announcement> = {}): Announcement {
  return {
    deviceId: deviceIdOf(seededRandom(`device ${name}`).bytes(32)),
    displayName: name,
    role: "submind",
    capabilities: ["storage", "learning"],
    meshTag: "0123abcd",
    protocolVersion: 1,
    port: 7464,
    ...change,
  };
}

/** One device on the wire. */
export class Station {
  readonly machine: DnsSd;
  readonly told: Told[] = [];
  alive = true;

  constructor(readonly address: string, self: Announcement, random: Random) {
    this.machine = new DnsSd(self, random);
  }

  /** Device ids that were sighted and not gone since. */
  present(): readonly string[] {
    const present = new Set<string>();
    for (const event of this.told) {
      if (event.type === "sighted") present.add(event.sighting.deviceId);
      if (event.type === "gone") present.delete(event.deviceId);
    }
    return [...present];
  }
}

/** The wire: 1 ms for every packet. */
export class SharedWire {
  nowMs = 1_000;
  lossPercent = 0;
  readonly sent: Sent[] = [];
  readonly stations: Station[] = [];
  readonly #random: Random;
  #queue: { atMs: number; run: () => void }[] = [];

  constructor(seed: number | string) {
    this.#random = seededRandom(seed);
  }

  join(self: Announcement, address = `10.0.0.${this.stations.length + 1}`): Station {
    const station = new Station(address, self, this.#random.fork(`station ${address}`));
    this.stations.push(station);
    const subnets = [{ address, prefixBits: 24 }];
    this.event(station, { type: "linkUp", link: { id: "eth0/4", interfaceName: "eth0", subnets } });
    return station;
  }

  event(station: Station, event: DnsSdEvent): void {
    if (!station.alive) return;
    for (const action of station.machine.handle(event, this.nowMs)) {
      if (action.type === "send") this.#send(station, action);
      else station.told.push({ ...action, atMs: this.nowMs });
    }
  }

  /** A message from a stranger to one station. */
  inject(
    station: Station,
    message: DnsMessage,
    source = { address: "10.0.0.99", port: 5353 },
    oneShot = false,
  ): void {
    this.event(station, { type: "message", linkId: "eth0/4", source, message, oneShot });
  }

  /** Lets virtual time pass. */
  run(durationMs: number): void {
    const endMs = this.nowMs + durationMs;
    while (true) {
      let nextMs = Math.min(...this.#queue.map(({ atMs }) => atMs), Infinity);
      for (const station of this.stations) {
        if (station.alive) nextMs = Math.min(nextMs, station.machine.nextMs());
      }
      if (nextMs > endMs) break;
      this.nowMs = Math.max(this.nowMs, nextMs);
      const due = this.#queue.filter(({ atMs }) => atMs <= this.nowMs);
      this.#queue = this.#queue.filter(({ atMs }) => atMs > this.nowMs);
      for (const { run } of due) run();
      for (const station of this.stations) {
        if (station.alive && station.machine.nextMs() <= this.nowMs) {
          this.event(station, { type: "due" });
        }
      }
    }
    this.nowMs = endMs;
  }

  #send(from: Station, action: Extract<DnsSdAction, { type: "send" }>): void {
    const { message, to } = action;
    this.sent.push({ atMs: this.nowMs, from: from.address, message, to });
    const port = to === "oneShot" ? 40_000 : 5353;
    for (const station of this.stations) {
      const direct = typeof to === "object";
      if (direct && to.address !== station.address) continue;
      if (this.#random.float() * 100 < this.lossPercent) continue;
      const oneShot = direct && to.port !== 5353;
      const source = { address: from.address, port };
      this.#queue.push({
        atMs: this.nowMs + 1,
        run: () =>
          this.event(station, { type: "message", linkId: "eth0/4", source, message, oneShot }),
      });
    }
  }
}
