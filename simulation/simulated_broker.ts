/**
 * Brokers on simulated stations: servers at home, one beyond the routers, links between them. Connections are as good as the network
 * between the stations: messages take time and keep their order, silence is noticed late, and a server that loses power takes with it
 * what was under way, and its disk with the mail if the fault says so.
 */
import type { Broker } from "../platform/broker.ts";
import { hubBroker, type HubWire } from "../platform/memory_broker.ts";
import {
  BrokerHub,
  emptyHubDisk,
  type HubCalls,
  type HubPeer,
  type HubSession,
} from "../platform/memory_broker_hub.ts";
import type { Network, Station } from "./network.ts";

/** A client tries again after this long, ms. */
const RETRY_MS = 500;
const PORT = 4222;

export interface BrokerServerOptions {
  readonly name: string;
  readonly segment: string;
  /** The server beyond it, with which it exchanges messages and where mail is kept. */
  readonly uplink?: SimulatedBrokerServer;
}

/** All servers of one network. */
export class SimulatedBrokers {
  readonly servers: SimulatedBrokerServer[] = [];

  constructor(readonly network: Network) {}

  /** Sets up a server and starts it. */
  addServer(options: BrokerServerOptions): SimulatedBrokerServer {
    const server = new SimulatedBrokerServer(this, options);
    this.servers.push(server);
    server.start();
    return server;
  }

  /** A client on `station`; of `servers` it uses the first that it reaches. */
  client(station: Station, servers: readonly SimulatedBrokerServer[]): Broker {
    const { device } = station;
    return hubBroker({
      name: `${device.name}x${this.network.random.uint32()}`,
      clock: device,
      retryMs: RETRY_MS,
      connect(peer, onLost) {
        for (const server of servers) {
          const wire = server.connect(station, peer, onLost);
          if (wire !== null) return wire;
        }
        return null;
      },
    });
  }
}

export class SimulatedBrokerServer {
  readonly station: Station;
  readonly name: string;
  readonly #brokers: SimulatedBrokers;
  readonly #uplink: SimulatedBrokerServer | null;
  readonly #clients = new Set<Client>();
  #disk = emptyHubDisk();
  #hub: BrokerHub | null = null;

  constructor(brokers: SimulatedBrokers, options: BrokerServerOptions) {
    const { network } = brokers;
    this.#brokers = brokers;
    this.name = options.name;
    this.station = network.addStation(network.world.addDevice(options.name), options.segment);
    this.#uplink = options.uplink ?? null;
  }

  get isUp(): boolean {
    return this.#hub !== null;
  }

  get address(): string {
    return `nats://${this.station.host}:${PORT}`;
  }

  /** Starts it with what its disk holds, or (`loseDisk`) with an empty one. */
  start(options: { readonly loseDisk?: boolean } = {}): void {
    if (this.#hub !== null) return;
    if (options.loseDisk === true) this.#disk = emptyHubDisk();
    this.#hub = new BrokerHub({ name: this.name, clock: this.station.device, disk: this.#disk });
    for (const other of this.#brokers.servers) {
      if (other.#uplink !== this && this.#uplink !== other) continue;
      this.#linkTo(other);
      other.#linkTo(this);
    }
    for (const server of this.#brokers.servers) {
      for (const client of server.#clients) client.findKeeper();
    }
  }

  /** Power fails. */
  crash(): void {
    const hub = this.#hub;
    if (hub === null) return;
    this.#hub = null;
    for (const other of this.#brokers.servers) other.#hub?.removeLink(hub);
    hub.end();
    this.station.device.losePower();
    this.#brokers.network.dropStation(this.station);
  }

  /** A connection from `station`; null when nothing answers there. */
  connect(station: Station, peer: HubPeer, onLost: (reason: string) => void): HubWire | null {
    const { network } = this.#brokers;
    if (this.#hub === null || !network.reaches(station, this.station)) return null;
    const client = new Client({ network, station, server: this, peer, onLost, hub: this.#hub });
    this.#clients.add(client);
    client.onEnd = () => void this.#clients.delete(client);
    return client;
  }

  /** The hub that keeps mail, at the end of the links; null while it cannot be reached. */
  keeper(): BrokerHub | null {
    if (this.#uplink === null || this.#hub === null) return this.#hub;
    const { network } = this.#brokers;
    return network.reaches(this.station, this.#uplink.station) ? this.#uplink.keeper() : null;
  }

  #linkTo(other: SimulatedBrokerServer): void {
    const { network } = this.#brokers;
    if (this.#hub === null || other.#hub === null) return;
    const wire = new OrderedWire(network, this.station, other.station);
    this.#hub.addLink({
      other: other.#hub,
      isUp: () => network.reaches(this.station, other.station),
      carry: (byteCount, run) => wire.carry(byteCount, run),
    });
  }
}

interface ClientOptions {
  readonly network: Network;
  readonly station: Station;
  readonly server: SimulatedBrokerServer;
  readonly peer: HubPeer;
  readonly onLost: (reason: string) => void;
  readonly hub: BrokerHub;
}

/** One connection of one client. */
class Client implements HubWire {
  readonly server: string;
  readonly serverName: string;
  readonly roundTripMs: number;
  readonly durable = true;
  readonly stations: readonly [Station, Station];
  onEnd = () => {};
  readonly #options: ClientOptions;
  readonly #life: number;
  readonly #up: OrderedWire;
  readonly #down: OrderedWire;
  readonly #session: HubSession;
  readonly #forget: () => void;
  /** What is collected, to be asked of another keeper again. */
  readonly #collected = new Map<number, string>();
  #keeper: BrokerHub | null = null;
  #mail: HubSession | null = null;
  #open = true;

  constructor(options: ClientOptions) {
    const { network, station, server, peer, hub } = options;
    this.#options = options;
    this.server = server.address;
    this.serverName = server.name;
    this.roundTripMs = network.quality.latencyMs * 2;
    this.stations = [station, server.station];
    this.#life = station.device.life;
    this.#up = new OrderedWire(network, station, server.station);
    this.#down = new OrderedWire(network, server.station, station);
    this.#session = hub.attach({
      message: (id, message) => this.#back(message.bytes.length, () => peer.message(id, message)),
      mail: () => {},
    });
    this.#forget = network.track(this);
    this.findKeeper();
  }

  bufferedBytes(): number {
    return this.#up.bufferedBytes();
  }

  toHub(byteCount: number, run: (calls: HubCalls, back: (run: () => void) => void) => void): void {
    this.#up.carry(byteCount, () => {
      if (this.#alive()) run(this.#calls(), (answer) => this.#back(0, answer));
    });
  }

  close(): void {
    this.#end();
  }

  breakSilently(): void {
    const { network, onLost } = this.#options;
    this.#end();
    const [{ device }] = this.stations;
    network.world.after(network.noticeMs(), "broker lost", () => {
      if (device.life === this.#life) onLost("connection lost");
    });
  }

  /** Mail is collected from whichever hub keeps it now. */
  findKeeper(): void {
    const keeper = this.#options.server.keeper();
    if (keeper === null || keeper === this.#keeper || !this.#open) return;
    this.#mail?.detach();
    this.#keeper = keeper;
    const { peer, server } = this.#options;
    this.#mail = keeper.attach({
      message: () => {},
      mail: (id, mail, message, fate) => {
        // A link that is cut carries nothing; what was not acknowledged comes again.
        if (server.keeper() !== keeper) return;
        this.#back(message.bytes.length, () => peer.mail(id, mail, message, fate));
      },
    });
    for (const [id, subject] of this.#collected) this.#mail.collect(id, subject);
  }

  #calls(): HubCalls {
    const reachable = (): HubSession | null => {
      this.findKeeper();
      return this.#options.server.keeper() === this.#keeper ? this.#mail : null;
    };
    const session = this.#session;
    return {
      publish: (message) => session.publish(message),
      subscribe: (id, subject) => session.subscribe(id, subject),
      unsubscribe: (id) => session.unsubscribe(id),
      keep: (message) =>
        reachable()?.keep(message) ?? { type: "failed", reason: "no way to where mail is kept" },
      collect: (id, subject) => {
        this.#collected.set(id, subject);
        this.#mail?.collect(id, subject);
      },
      endCollection: (id) => {
        this.#collected.delete(id);
        this.#mail?.endCollection(id);
      },
      settle: (mail, taken) => reachable()?.settle(mail, taken),
    };
  }

  #back(byteCount: number, run: () => void): void {
    this.#down.carry(byteCount, () => {
      if (this.#alive()) run();
    });
  }

  #alive(): boolean {
    return this.#open && this.stations[0].device.life === this.#life;
  }

  #end(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#forget();
    this.#session.detach();
    this.#mail?.detach();
    this.onEnd();
  }
}

/** One direction of one connection: in order, with latency and a bandwidth; nothing arrives where nothing reaches. */
class OrderedWire {
  #leftAtMs = 0;
  #arrivesAtMs = 0;
  #buffered = 0;

  constructor(
    readonly network: Network,
    readonly from: Station,
    readonly to: Station,
  ) {}

  bufferedBytes(): number {
    return this.#buffered;
  }

  carry(byteCount: number, arrive: () => void): void {
    const { network, from, to } = this;
    const { world } = network;
    this.#leftAtMs = Math.max(world.nowMs, this.#leftAtMs) +
      byteCount / network.quality.bytesPerSecond * 1_000;
    this.#arrivesAtMs = Math.max(this.#arrivesAtMs, this.#leftAtMs + network.delayMs());
    if (byteCount > 0) {
      this.#buffered += byteCount;
      world.after(this.#leftAtMs - world.nowMs, "left", () => this.#buffered -= byteCount);
    }
    world.after(this.#arrivesAtMs - world.nowMs, "broker message", () => {
      if (network.reaches(from, to)) arrive();
    });
  }
}
