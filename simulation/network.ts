/**
 * The network between simulated devices: who reaches whom, how long it takes, what gets lost. Paths, rendezvous requests and
 * discovery datagrams are beside this file; all of them ask here.
 *
 * Loss, duplication and reordering are for datagrams and requests. A path keeps its promise (in order, once, or it closes): what a
 * bad network does to a path is to end it.
 */
import type { Random } from "../platform/ports.ts";
import type { Device } from "./device.ts";
import type { World } from "./world.ts";

export interface LinkQuality {
  /** One way, ms. */
  readonly latencyMs: number;
  /** Added to the latency, uniformly from 0, ms. */
  readonly jitterMs: number;
  /** How likely one datagram or request is lost, 0–1. */
  readonly loss: number;
  /** How likely it comes twice. */
  readonly duplication: number;
  /** What one path carries, bytes per second. */
  readonly bytesPerSecond: number;
}

/** A quiet home network. */
export const LAN: LinkQuality = {
  latencyMs: 2,
  jitterMs: 3,
  loss: 0.01,
  duplication: 0.01,
  bytesPerSecond: 5_000_000,
};

/** The segment beyond all routers: everybody reaches it, and what is in it reaches everybody that connected to it. */
export const INTERNET = "internet";

/** A path waits this long before it sends a lost frame again, then twice as long; TCP's least (RFC 6298, as Linux has it), ms. */
const RETRANSMIT_MS = 200;

/** How long the ends of a path that carries nothing any more need to notice, ms. */
const SILENCE_NOTICED_MS = { least: 3_000, most: 12_000 };

/** One device as the network sees it. */
export interface Station {
  readonly device: Device;
  /** "10.0.3.7": where others find it. */
  readonly host: string;
  /** Devices of one segment hear each other's multicast. */
  readonly segment: string;
}

/** How frames travel: straight from device to device, or with a detour over somebody in between. */
export type Way = "direct" | "relayed";

/** Something that ends when its two ends no longer reach each other. */
export interface Connection {
  readonly stations: readonly [Station, Station];
  /** Default relayed: it does not depend on direct links. */
  readonly way?: Way;
  /** Nothing arrives any more in either direction. */
  breakSilently(): void;
}

export class Network {
  readonly world: World;
  readonly quality: LinkQuality;
  readonly random: Random;
  readonly #stations = new Map<string, Station>();
  readonly #bySegment = new Map<string, Station[]>();
  readonly #connections = new Set<Connection>();
  /** The same ones, by either end, in the order in which they were opened: in a crowd a device has few of all. */
  readonly #byStation = new Map<Station, Set<Connection>>();
  readonly #cuts = new Set<string>();
  readonly #directCuts = new Set<string>();
  readonly #corruption = new Map<string, number>();
  readonly #watchers = new Map<Station, Set<() => void>>();
  #islands: ReadonlyMap<string, number> | undefined;
  #frameLoss = 0;
  /** Segments are homes behind routers that let nobody in. */
  homesApart = false;

  constructor(world: World, quality: LinkQuality = LAN) {
    this.world = world;
    this.quality = quality;
    this.random = world.random.fork("network");
  }

  /** Plugs a device in. */
  addStation(device: Device, segment = "home"): Station {
    const number = this.#stations.size + 1;
    const host = `10.${number >> 16 & 255}.${number >> 8 & 255}.${number & 255}`;
    const station: Station = { device, host, segment };
    this.#stations.set(host, station);
    const neighbours = this.#bySegment.get(segment);
    if (neighbours === undefined) this.#bySegment.set(segment, [station]);
    else neighbours.push(station);
    return station;
  }

  /** The device at a rendezvous address ("http://10.0.0.7:7464"); undefined when the address names none. */
  stationAt(address: string): Station | undefined {
    const url = URL.parse(address);
    return url === null ? undefined : this.#stations.get(url.hostname);
  }

  /** Everyone who hears the multicast of `from`. */
  neighbours(from: Station): readonly Station[] {
    return this.#bySegment.get(from.segment) ?? [];
  }

  /** Whether anything from `a` reaches `b` now that way. */
  reaches(a: Station, b: Station, way: Way = "relayed"): boolean {
    // Names of pairs are made only where something is cut: every datagram of a crowd asks.
    if (way === "direct" && this.#directCuts.size > 0 && this.#directCuts.has(pairName(a, b))) {
      return false;
    }
    if (this.#cuts.size > 0 && this.#cuts.has(pairName(a, b))) return false;
    if (
      this.homesApart && a.segment !== b.segment && a.segment !== INTERNET && b.segment !== INTERNET
    ) return false;
    if (this.#islands === undefined) return true;
    return (this.#islands.get(a.host) ?? 0) === (this.#islands.get(b.host) ?? 0);
  }

  /** One way between two devices, ms, drawn anew each time. A detour takes four times as long. */
  delayMs(way: Way = "direct"): number {
    const once = this.#delayOnceMs();
    return way === "direct" ? once : 4 * once;
  }

  #delayOnceMs(): number {
    return this.quality.latencyMs + this.random.float() * this.quality.jitterMs;
  }

  /** How long a frame of a path takes that would take `delayMs`: what is lost on the way is sent again. */
  withLosses(delayMs: number): number {
    let takesMs = delayMs;
    for (let waitMs = RETRANSMIT_MS; this.#frameLoss > 0; waitMs *= 2) {
      if (this.random.float() >= this.#frameLoss) break;
      takesMs += waitMs;
    }
    return takesMs;
  }

  /** From now on this share of all transmissions of frames is lost; a frame holds up what comes behind it. 0 ends it. */
  loseFrames(share: number): void {
    this.#frameLoss = share;
  }

  /** When a datagram arrives, as delays in ms: none when it is lost, two when it is doubled. */
  datagramDelaysMs(from: Station, to: Station): readonly number[] {
    if (!this.reaches(from, to) || this.random.float() < this.quality.loss) return [];
    // Some take much longer than others, so that datagrams overtake each other.
    const late = this.random.float() < 0.05 ? this.random.float() * 500 : 0;
    const once = [this.delayMs() + late];
    if (this.random.float() >= this.quality.duplication) return once;
    return [...once, this.delayMs() + this.random.float() * 1_000];
  }

  /** Notes a connection, so that cuts and crashes end it. Returns a function that forgets it. */
  track(connection: Connection): () => void {
    this.#connections.add(connection);
    for (const station of connection.stations) {
      const own = this.#byStation.get(station) ?? new Set();
      this.#byStation.set(station, own.add(connection));
    }
    return () => {
      this.#connections.delete(connection);
      for (const station of connection.stations) this.#byStation.get(station)?.delete(connection);
    };
  }

  /** Nothing passes between two devices until `mend`. */
  cut(a: Station, b: Station): void {
    this.#cuts.add(pairName(a, b));
    this.#breakUnreachable(this.#between(a, b));
  }

  mend(a: Station, b: Station): void {
    this.#cuts.delete(pairName(a, b));
  }

  /** Nothing passes between two devices without a detour, until `mendDirect`: their routers let no strangers in. */
  cutDirect(a: Station, b: Station): void {
    this.#directCuts.add(pairName(a, b));
    this.#breakUnreachable(this.#between(a, b));
  }

  mendDirect(a: Station, b: Station): void {
    this.#directCuts.delete(pairName(a, b));
  }

  /** A device gets other addresses: what it had open straight to others falls silent, and it is told. */
  move(station: Station): void {
    for (const connection of this.#connectionsOf(station)) {
      if (connection.way === "direct") connection.breakSilently();
    }
    for (const onMove of this.#watchers.get(station) ?? []) onMove();
  }

  /** Calls back whenever the device gets other addresses. Returns a function that ends it. */
  watch(station: Station, onMove: () => void): () => void {
    const watchers = this.#watchers.get(station) ?? new Set();
    this.#watchers.set(station, watchers.add(onMove));
    return () => void watchers.delete(onMove);
  }

  /** Splits the devices into groups that do not reach each other, until `heal`. Devices in no group stay with the first. */
  partition(groups: readonly (readonly Station[])[]): void {
    this.#islands = new Map(
      groups.flatMap((group, island) => group.map(({ host }) => [host, island] as const)),
    );
    this.#breakUnreachable([...this.#connections]);
  }

  /** Ends every cut, partition and corruption. */
  heal(): void {
    this.#islands = undefined;
    this.#cuts.clear();
    this.#directCuts.clear();
    this.#corruption.clear();
  }

  /** A device has lost power: its connections fall silent. */
  dropStation(station: Station): void {
    for (const connection of this.#connectionsOf(station)) connection.breakSilently();
    this.#watchers.delete(station);
  }

  /** From now on this share of the frames that arrive at `station` have one bit flipped. 0 ends it. */
  corruptFrames(station: Station, share: number): void {
    if (share > 0) this.#corruption.set(station.host, share);
    else this.#corruption.delete(station.host);
  }

  /** The frame as it arrives: usually as it was sent. */
  corrupted(to: Station, frame: Uint8Array): Uint8Array {
    const share = this.#corruption.get(to.host) ?? 0;
    if (share === 0 || frame.length === 0 || this.random.float() >= share) return frame;
    const damaged = frame.slice();
    const at = this.random.below(damaged.length);
    damaged[at] = damaged[at]! ^ (1 << this.random.below(8));
    return damaged;
  }

  /** How long an end takes to notice silence, ms. */
  noticeMs(): number {
    const { least, most } = SILENCE_NOTICED_MS;
    return least + this.random.float() * (most - least);
  }

  #connectionsOf(station: Station): readonly Connection[] {
    return [...this.#byStation.get(station) ?? []];
  }

  #between(a: Station, b: Station): readonly Connection[] {
    return this.#connectionsOf(a).filter(({ stations }) => stations.includes(b));
  }

  #breakUnreachable(connections: readonly Connection[]): void {
    for (const connection of connections) {
      if (!this.reaches(...connection.stations, connection.way ?? "relayed")) {
        connection.breakSilently();
      }
    }
  }
}

function pairName(a: Station, b: Station): string {
  return a.host < b.host ? `${a.host} ${b.host}` : `${b.host} ${a.host}`;
}
