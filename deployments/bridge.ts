/** What a real node does over NATS, put together: client and leaf (`nats/bridge.ts`), and the services of the mesh on top of them. */
import type { BridgeParts } from "../actors/bridge/bridge.ts";
import { MESH_KEY } from "../actors/members/load.ts";
import type { NodeDependencies } from "../actors/node.ts";
import type { SensorRecord } from "../actors/sensors/commands.ts";
import { type BrokerServices, brokerServices } from "../platform/broker_services.ts";
import { combinedDiscovery } from "../platform/combined_discovery.ts";
import type { Discovery } from "../platform/discovery.ts";
import type { Identity } from "../platform/identity_subkeys.ts";
import type { Clock, Crypto, Log, Random } from "../platform/ports.ts";
import { rendezvousRouter } from "../platform/rendezvous_router.ts";
import type { Rendezvous, Transport } from "../platform/transport.ts";
import { brokerTagOf } from "../protocols/bridge/subjects.ts";
import { type DeviceId, deviceIdOf, parseMeshId } from "../protocols/ids.ts";
import { sensorReadySubject, sensorSubjects } from "../protocols/sensors/mqtt.ts";
import { isAdmitted, type Registry } from "../protocols/registry/registry.ts";
import type { Store } from "../store/store.ts";
import { rendezvousAddresses } from "./addresses.ts";
import type { Config } from "./config.ts";
import { type NatsBridge, startNatsBridge } from "./nats/bridge.ts";

export interface BridgeOptions {
  readonly config: Pick<Config, "bridge" | "dataDirectory">;
  readonly signer: Identity;
  readonly store: Pick<Store, "blocks" | "settings">;
  readonly crypto: Crypto;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** Where this device may be reached without the broker, best first. */
  readonly addresses: () => readonly string[];
  readonly isAdmitted: (device: DeviceId) => boolean;
}

/** The bridge of a node, or its absence: every way in is there in both cases. */
export interface NodeBridge {
  /** Null when it is switched off. */
  readonly nats: NatsBridge | null;
  /** The last transport; none without a bridge. */
  readonly transports: readonly Transport[];
  /** For `NodeDependencies`. */
  readonly parts: { readonly bridge?: BridgeParts };
  /** Where else messages wait. */
  readonly mail: Pick<NodeDependencies["mail"], "broker">;
  /** Where sensors that speak MQTT are heard. */
  readonly sensors: Pick<
    NodeDependencies["sensors"],
    "broker" | "sensorSubject" | "onSensorsChanged"
  >;
  /** What is served at home, and over the broker too. */
  rendezvousOver(http: Rendezvous): Rendezvous;
  discoveryOver(local: Discovery): Discovery;
  setRegistry(registry: Registry | null): void;
  /** `keys` blocks have come. */
  keysChanged(): void;
  close(): Promise<void>;
}

/** Starts the bridge. Never fails because of NATS. */
export async function openBridge(options: BridgeOptions): Promise<NodeBridge> {
  const { config, signer, clock, random } = options;
  const self = deviceIdOf(signer.publicKey);
  const noted = await options.store.settings.get(MESH_KEY);
  const nats = await startNatsBridge({
    ...options,
    mesh: typeof noted === "string" ? parseMeshId(noted) ?? null : null,
    settings: config.bridge,
    dataDirectory: config.dataDirectory,
    environment: Deno.env.toObject(),
    self,
    login: signer.broker,
  });
  if (nats === null) return NO_BRIDGE;
  const services = brokerServices({
    ...options,
    broker: nats.broker,
    self,
    random: random.fork("bridge"),
  });
  return {
    nats,
    transports: [services.transport],
    parts: { bridge: bridgeParts(nats, services) },
    mail: { broker: services.mesh.broker },
    sensors: {
      broker: services.mesh.broker,
      sensorSubject: (mesh) => sensorSubjects(brokerTagOf(options.crypto, mesh)),
      onSensorsChanged: sensorDoor({ nats, services, clock }),
    },
    rendezvousOver: (http) =>
      rendezvousRouter(
        { http, nats: services.rendezvous },
        (delayMs, callback) => clock.schedule(delayMs, callback),
      ),
    discoveryOver: (local) => combinedDiscovery([local, services.discovery]),
    setRegistry(registry) {
      nats.setRegistry(registry);
      services.membersChanged(isAdmitted(registry, self) ? registry?.mesh ?? null : null);
    },
    keysChanged: () => nats.keysChanged(),
    async close() {
      await services.close();
      await nats.stop();
    },
  };
}

/** How long until the broker is asked again whether it keeps what sensors say, ms. */
const ASK_AGAIN_MS = 1_000;

/**
 * Lets sensors in, but not before the broker keeps what they say: it acknowledges a message to a sensor whether or not anybody has asked for it.
 */
function sensorDoor(
  { nats, services, clock }: {
    readonly nats: NatsBridge;
    readonly services: BrokerServices;
    readonly clock: Clock;
  },
): (sensors: readonly SensorRecord[]) => void {
  let wanted: readonly SensorRecord[] = [];
  let state: "closed" | "asking" | "open" = "closed";
  const letIn = (): void =>
    nats.setSensors(
      wanted.filter(({ revoked }) => !revoked).map(({ sensor, passwordHash }) => ({
        name: sensor,
        passwordHash,
      })),
    );
  const ask = (): void => {
    const tag = services.mesh.current()?.tag;
    if (tag === undefined) return void clock.schedule(ASK_AGAIN_MS, ask);
    const messageId = `ready-${clock.wallMs()}`;
    const subject = sensorReadySubject(tag);
    services.mesh.broker.keep({ subject, messageId, bytes: new Uint8Array(0) }, ({ type }) => {
      if (type !== "kept") return void clock.schedule(ASK_AGAIN_MS, ask);
      state = "open";
      letIn();
    });
  };
  return (sensors) => {
    wanted = sensors;
    if (state === "open") return letIn();
    if (state === "asking" || sensors.length === 0) return;
    state = "asking";
    ask();
  };
}

function bridgeParts(nats: NatsBridge, services: BrokerServices): BridgeParts {
  return {
    broker: services.mesh.broker,
    traffic: () => services.mesh.traffic(),
    leaf() {
      const port = nats.leafPort();
      return port === null ? null : { addresses: hostsOfThisMachine(), port };
    },
    useServers: (servers) => nats.useServers(servers),
  };
}

function hostsOfThisMachine(): readonly string[] {
  return rendezvousAddresses(0).map((address) => new URL(address).hostname.replace(/^\[|\]$/g, ""));
}

const NO_BRIDGE: NodeBridge = {
  nats: null,
  transports: [],
  parts: {},
  mail: {},
  sensors: {},
  rendezvousOver: (http) => http,
  discoveryOver: (local) => local,
  setRegistry() {},
  keysChanged() {},
  close: () => Promise.resolve(),
};
