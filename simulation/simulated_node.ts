/** A whole node on a simulated device: the same tree, store rules and cryptography as in production, on virtual time. */
import { meshTagOf } from "../actors/discovery/discovery.ts";
import type { NodeHandle } from "../actors/handle.ts";
import { ActorSystem } from "../actors/kernel/system.ts";
import { membershipChanged } from "../actors/members/commands.ts";
import { NODE_KEY, nodeTree } from "../actors/node.ts";
import { nodeHandle } from "../actors/node_handle.ts";
import { type NodeRefs, nodeRefs } from "../actors/refs.ts";
import { type BrokerServices, brokerServices } from "../platform/broker_services.ts";
import { combinedDiscovery } from "../platform/combined_discovery.ts";
import type { MailLimits } from "../actors/mailboxes/limits.ts";
import { invariant } from "../platform/invariant.ts";
import { checkPassword, hashPassword } from "../platform/password_hash.ts";
import { inlineMaskWork } from "../learning/secure/mask_work.ts";
import { nodeMaskStream } from "../platform/mask_stream.ts";
import { simulatedPaillierWork } from "./simulated_paillier.ts";
import { InlineTrainer } from "../learning/engine/inline_trainer.ts";
import { NO_EXAMPLES } from "../learning/no_examples.ts";
import type { ExampleSource, LearningTask } from "../learning/task.ts";
import { nodeSealer } from "../platform/identity_subkeys.ts";
import { nodeSigner } from "../platform/node_crypto.ts";
import type { BatchSigner, Clock, Crypto, Random, Sealer } from "../platform/ports.ts";
import type { decodeBlock } from "../protocols/blocks/decode.ts";
import { rendezvousRouter } from "../platform/rendezvous_router.ts";
import { type ContentHash, type DeviceId, deviceIdOf } from "../protocols/ids.ts";
import { isAdmitted, type Registry } from "../protocols/registry/registry.ts";
import { memoryVectors } from "../store/memory_vectors.ts";
import { MemoryDisk, openMemoryStore } from "../store/memory_store.ts";
import type { Store } from "../store/store.ts";
import type { Device } from "./device.ts";
import type { Network, Station } from "./network.ts";
import type { SimulatedBrokers, SimulatedBrokerServer } from "./simulated_broker.ts";
import { type SimulatedDiscovery, simulatedDiscovery } from "./simulated_discovery.ts";
import { simulatedGroupCrypto } from "./simulated_group_crypto.ts";
import { type SimulatedRendezvous, simulatedRendezvous } from "./simulated_rendezvous.ts";
import { type SimulatedTransport, simulatedTransport } from "./simulated_transport.ts";
import type { World } from "./world.ts";

const RENDEZVOUS_PORT = 7464;
/** Transactions a loss of power may take back at most. */
const UNHEARD_TRANSACTIONS_MAX = 256;

/** What exists only while the node runs. */
interface Running {
  readonly system: ActorSystem;
  readonly refs: NodeRefs;
  readonly handle: NodeHandle;
  readonly store: Store;
  /** Straight to others, and over a detour; the latter only where the scenario has one. */
  readonly transport: SimulatedTransport;
  readonly relay: SimulatedTransport | null;
  readonly rendezvous: SimulatedRendezvous;
  readonly discovery: SimulatedDiscovery;
  /** Null where no broker is known. */
  readonly bridge: BrokerServices | null;
  registry: Registry | null;
}

export interface SimulatedNodeOptions {
  readonly world: World;
  readonly network: Network;
  readonly crypto: Crypto;
  readonly decodeBlock: typeof decodeBlock;
  readonly name: string;
  /** Devices of one segment discover each other; default "home". */
  readonly segment?: string;
  /** Besides direct paths there are relayed ones, which are slow and hard to break. Default false. */
  readonly relays?: boolean;
  /** Rendezvous addresses it knows from the beginning. */
  readonly staticPeers?: readonly string[];
  /** Bounds and times of its mail that are not the usual ones. */
  readonly mailLimits?: Partial<MailLimits>;
  /** Brokers it may use, the first one that it reaches; default none. */
  readonly brokers?: {
    readonly all: SimulatedBrokers;
    readonly servers: readonly SimulatedBrokerServer[];
  };
  /** What it can learn, and from what; default nothing. */
  readonly learning?: {
    readonly tasks: readonly LearningTask[];
    readonly source?: (device: Device) => ExampleSource;
    readonly epsilonMax?: number;
  };
  /** Finds the node on a station. */
  readonly nodeAt: (station: Station) => SimulatedNode | undefined;
}

export class SimulatedNode {
  readonly name: string;
  readonly device: Device;
  readonly station: Station;
  disk = new MemoryDisk({ undoTransactionsMax: UNHEARD_TRANSACTIONS_MAX });
  /** Large vectors on its disk. */
  readonly vectors = new Map<ContentHash, Uint8Array>();
  readonly deviceId: DeviceId;
  readonly #options: SimulatedNodeOptions;
  readonly #signer: BatchSigner;
  readonly #sealer: Sealer;
  #running: Running | undefined;
  #oldDisk: MemoryDisk | undefined;
  /** How often it was started. */
  starts = 0;

  constructor(options: SimulatedNodeOptions) {
    this.#options = options;
    this.name = options.name;
    this.device = options.world.addDevice(options.name);
    this.device.diskMark = () => this.disk.mark();
    this.station = options.network.addStation(this.device, options.segment);
    const seed = this.device.random.fork("identity").bytes(32);
    this.#signer = nodeSigner(seed);
    this.#sealer = nodeSealer(seed);
    this.deviceId = deviceIdOf(this.#signer.publicKey);
  }

  get isUp(): boolean {
    return this.#running !== undefined;
  }

  /** What runs; only while `isUp`. */
  get running(): Running {
    invariant(this.#running !== undefined, () => `Node ${this.name} does not run`);
    return this.#running;
  }

  get handle(): NodeHandle {
    return this.running.handle;
  }

  /** Where others find it. */
  get address(): string {
    return `http://${this.station.host}:${RENDEZVOUS_PORT}`;
  }

  /** The registry as its actors published it last; null before it belongs to a mesh or while it is down. */
  get registry(): Registry | null {
    return this.#running?.registry ?? null;
  }

  /** Starts the node on what its disk holds, looking for damage first, as a real node does. No virtual time passes. */
  async start(): Promise<void> {
    invariant(this.#running === undefined, () => `Node ${this.name} runs already`);
    const { network, crypto, decodeBlock, nodeAt } = this.#options;
    const { device, station } = this;
    // Every start draws other numbers than the ones before, as a real device would.
    const random = device.random.fork(`start ${++this.starts}`);
    const system = new ActorSystem({
      clock: device,
      random,
      log: device.log,
      dispatcher: device,
      onFailed: (error) => device.log.write("error", "node failed", { error: String(error) }),
    });
    const store = openMemoryStore({ disk: this.disk });
    const damage = await store.verify({ deep: false });
    const refs = nodeRefs(NODE_KEY);
    const bridge = this.#bridge(random);
    const learning = this.#learning();
    const running: Running = {
      system,
      bridge,
      refs,
      store,
      registry: null,
      transport: simulatedTransport(network, station, (at) => nodeAt(at)?.parts?.transport),
      relay: this.#options.relays === true
        ? simulatedTransport(
          network,
          station,
          (at) => nodeAt(at)?.parts?.relay ?? undefined,
          "relayed",
        )
        : null,
      rendezvous: simulatedRendezvous(network, station, (at) => nodeAt(at)?.parts?.rendezvous),
      discovery: simulatedDiscovery(network, station, (at) => nodeAt(at)?.parts?.discovery),
      handle: nodeHandle({
        system,
        refs,
        store,
        clock: device,
        crypto,
        random: random.fork("handle"),
        self: this.deviceId,
        displayName: this.name,
        version: "simulated",
        learning,
        rendezvousAddresses: () => [this.address],
        damage,
        sensorAccess: { checkPassword, mqttUrl: () => "", httpUrl: () => this.address },
        onStop: () => this.#stop(),
      }),
    };
    this.#running = running;
    system.subscribe(membershipChanged, (event) => {
      running.registry = event.registry;
      const isMember = isAdmitted(event.registry, this.deviceId);
      bridge?.membersChanged(isMember ? event.registry?.mesh ?? null : null);
    });
    system.spawn(
      NODE_KEY,
      nodeTree({
        crypto,
        decodeBlock,
        signer: this.#signer,
        store,
        ...withBridge(running, device),
        announcement: () => ({
          deviceId: this.deviceId,
          displayName: this.name,
          role: running.registry?.members.get(this.deviceId)?.role ?? "submind",
          capabilities: ["sync", "pairing"],
          meshTag: meshTagOf(crypto, running.registry?.mesh ?? null),
          protocolVersion: 1,
          port: RENDEZVOUS_PORT,
        }),
        rendezvousAddresses: () => [this.address],
        staticPeers: this.#options.staticPeers ?? [],
        mail: {
          sealer: this.#sealer,
          groupCrypto: simulatedGroupCrypto({
            deviceId: this.deviceId,
            random: random.fork("groups"),
            clock: device,
            crypto,
          }),
          brokerKey: new Uint8Array(32),
          ...(bridge !== null && { broker: bridge.mesh.broker }),
          ...(this.#options.mailLimits && { limits: this.#options.mailLimits }),
        },
        watchNetwork: (onChange) => network.watch(station, onChange),
        sensors: { hashPassword },
        learning,
      }),
    );
  }

  #learning() {
    const { tasks = [], source, epsilonMax } = this.#options.learning ?? {};
    return {
      masks: nodeMaskStream(),
      maskWork: inlineMaskWork({ crypto: this.#options.crypto, masks: nodeMaskStream() }),
      paillier: simulatedPaillierWork(),
      vectors: memoryVectors(this.vectors),
      tasks,
      trainer: new InlineTrainer(),
      source: source?.(this.device) ?? NO_EXAMPLES,
      ...(epsilonMax !== undefined && { epsilonMax }),
    };
  }

  #bridge(random: Random): BrokerServices | null {
    const { brokers, crypto } = this.#options;
    if (brokers === undefined) return null;
    return brokerServices({
      broker: brokers.all.client(this.station, brokers.servers),
      self: this.deviceId,
      signer: this.#signer,
      crypto,
      random: random.fork("bridge"),
      clock: this.device,
      addresses: () => [this.address],
      isAdmitted: (device) => isAdmitted(this.registry, device),
    });
  }

  /** Like `running`, but undefined while it is down. */
  get parts(): Running | undefined {
    return this.#running;
  }

  /** Power fails. What its actors had not heard of as durable may be gone too (`loseUnheard`). */
  crash(loseUnheard: boolean): void {
    if (this.#running === undefined) return;
    this.#running = undefined;
    this.device.losePower();
    this.#options.network.dropStation(this.station);
    const { heardDiskMark } = this.device;
    const unheard = this.disk.mark() - heardDiskMark;
    if (loseUnheard && unheard <= UNHEARD_TRANSACTIONS_MAX) this.disk.crash(heardDiskMark);
    else this.disk.crash();
    this.device.heardDiskMark = this.disk.mark();
  }

  /** Copies its disk, for `putBackOldDisk`. */
  async keepOldDisk(): Promise<void> {
    const backups = new Map<string, MemoryDisk>();
    await openMemoryStore({ disk: this.disk, backups }).backup("old");
    this.#oldDisk = backups.get("old");
  }

  /** The disk as it was; only while the node is down. Nothing tells the node that it is old. */
  putBackOldDisk(): void {
    const { deviceId } = this;
    invariant(this.#running === undefined, () => `Node ${this.name} runs`);
    invariant(this.#oldDisk !== undefined, () => `No old disk of ${deviceId} was kept`);
    this.disk = this.#oldDisk;
    this.#oldDisk = undefined;
    this.device.heardDiskMark = this.disk.mark();
  }

  async #stop(): Promise<void> {
    const running = this.#running;
    if (running === undefined) return;
    await running.system.stop();
    await running.transport.close();
    await running.relay?.close();
    await running.bridge?.close();
    await running.store.close();
    this.#running = undefined;
  }
}

/** What the network is for the node: its own segment, and what it reaches over a broker. */
function withBridge(
  { discovery, transport, relay, rendezvous, bridge }: Running,
  clock: Clock,
) {
  const own = relay === null ? [transport] : [transport, relay];
  if (bridge === null) return { discovery, transports: own, rendezvous };
  return {
    discovery: combinedDiscovery([discovery, bridge.discovery]),
    transports: [...own, bridge.transport],
    rendezvous: rendezvousRouter(
      { http: rendezvous, nats: bridge.rendezvous },
      (delayMs, callback) => clock.schedule(delayMs, callback),
    ),
    bridge: {
      broker: bridge.mesh.broker,
      traffic: () => bridge.mesh.traffic(),
      leaf: () => null,
      useServers() {},
    },
  };
}
