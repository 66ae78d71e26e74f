/**
 * The node's side of NATS put together: its own leaf where nats-server is installed, the client that uses the nearest of all servers known,
 * and the list of those who may log in, which follows membership and published keys.
 */
import type { RelaySample } from "../../gateway/relay_metrics.ts";
import type { Broker } from "../../platform/broker.ts";
import { errorText } from "../../platform/error_text.ts";
import { natsBroker } from "../../platform/nats_broker.ts";
import { MAIL_LIMITS } from "../../platform/nats_broker_mail.ts";
import type { BrokerLogin, Clock, Crypto, Log, Random } from "../../platform/ports.ts";
import { brokerTagOf } from "../../protocols/bridge/subjects.ts";
import type { DeviceId, MeshId } from "../../protocols/ids.ts";
import { decodeDeviceKeys } from "../../protocols/keys/device_keys.ts";
import { isAdmitted, type Registry } from "../../protocols/registry/registry.ts";
import type { Store } from "../../store/store.ts";
import { rendezvousAddresses } from "../addresses.ts";
import { type Leaf, type LeafAccess, type LeafSettings, startLeaf } from "./leaf.ts";
import { HUB_DOMAIN, type LeafSensor } from "./leaf_config.ts";
import type { LeafView } from "./leaf_process.ts";
import { relaySampler } from "./samples.ts";

/** Settings of the bridge: the section `bridge` of the configuration. */
export interface BridgeSettings extends LeafSettings {
  /** Other brokers to use, such as "tls://relay.example.org:4222". */
  readonly servers: readonly string[];
  /** Addresses of hubs' monitoring. */
  readonly monitoring: readonly string[];
  /** PEM file of the authority that signed their certificates; empty: the system's. */
  readonly certificateAuthority: string;
}

export interface NatsBridgeOptions {
  readonly settings: BridgeSettings;
  readonly dataDirectory: string;
  readonly environment: Readonly<Record<string, string>>;
  readonly self: DeviceId;
  /** The mesh as noted on disk: the registry is read later, and a leaf that began without would have to be started twice. */
  readonly mesh?: MeshId | null;
  readonly login: BrokerLogin;
  readonly store: Pick<Store, "blocks">;
  readonly crypto: Pick<Crypto, "sha256">;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

/** The bridge of a running node. */
export interface NatsBridge {
  readonly broker: Broker;
  /** The leaf as views see it; null when none runs here. */
  leaf(): LeafView | null;
  /** Port at which the other devices of this home reach the leaf; null when they cannot. */
  leafPort(): number | null;
  /** "mqtt://…:1883" for sensors; empty when MQTT is off. */
  mqttUrl(): string;
  /** The leaf and the hubs as their monitoring shows them. */
  relays(): Promise<readonly RelaySample[]>;
  /** Why no leaf runs although one was not switched off; empty when there is nothing to say. */
  readonly problem: string;
  /** Servers that members told of. */
  useServers(servers: readonly string[]): void;
  /** Membership has changed. */
  setRegistry(registry: Registry | null): void;
  /** `keys` blocks have come. */
  keysChanged(): void;
  setSensors(sensors: readonly LeafSensor[]): void;
  stop(): Promise<void>;
}

/** Starts the bridge; null when it is switched off. Never fails because of NATS: what does not work is said and left out. */
export async function startNatsBridge(options: NatsBridgeOptions): Promise<NatsBridge | null> {
  const { settings, self, login, clock, random, log } = options;
  if (settings.enabled === "false") return null;
  let registry: Registry | null = null;
  let mesh = options.mesh ?? null;
  let sensors: readonly LeafSensor[] = [];
  let learned: readonly string[] = [];
  const access = async (): Promise<LeafAccess> => ({
    tag: mesh === null ? null : brokerTagOf(options.crypto, mesh),
    members: [
      { device: self, brokerKey: login.publicKey },
      ...await otherMembers(options, registry),
    ],
    sensors,
  });
  const { leaf, problem } = await openLeaf(options, await access());
  // Changes are read one after another: a slow read never puts an old list over a newer one.
  let updating: Promise<void> = Promise.resolve();
  const update = (): void => {
    if (leaf === null) return;
    updating = updating.then(async () => leaf.setAccess(await access())).catch((error: unknown) => {
      log.write("error", "list of broker users was not renewed", { error: String(error) });
    });
  };
  const broker = natsBroker({
    clock,
    random: random.fork("broker"),
    login,
    name: `submind ${self.slice(0, 8)}`,
    servers: () => [...leaf?.servers() ?? [], ...settings.servers, ...learned],
    caCertificates: await authority(settings.certificateAuthority),
    mailDomain: settings.hubs.length > 0 && leaf !== null ? HUB_DOMAIN : null,
    // Half for the mail and half for the sensors of this home.
    mailLimits: { ...MAIL_LIMITS, bytesMax: Math.floor(settings.storeBytesMax / 2) },
  });
  const isOpen = !/^(127\.|::1$|localhost$)/.test(settings.host);
  return {
    broker,
    problem,
    relays: relaySampler(() => {
      const own = leaf?.view().monitoringUrl ?? null;
      return [
        ...own === null ? [] : [{ server: "leaf", monitoringUrl: own }],
        ...settings.monitoring.map((url) => ({ server: url, monitoringUrl: url })),
      ];
    }, clock),
    leaf: () => leaf?.view() ?? null,
    leafPort() {
      const [url] = isOpen ? leaf?.servers() ?? [] : [];
      return url === undefined ? null : Number(new URL(url.replace("nats:", "http:")).port);
    },
    mqttUrl() {
      // The ports file leaves MQTT out; the port is never one that the system has chosen.
      if (settings.mqttPort === 0 || leaf?.view().state !== "running") return "";
      const [lan = ""] = rendezvousAddresses(settings.mqttPort);
      const url = new URL(lan);
      if (!isOpen) url.hostname = settings.host;
      return `mqtt://${url.host}`;
    },
    useServers: (servers) => void (learned = servers),
    setRegistry(next) {
      registry = next;
      mesh = next?.mesh ?? null;
      update();
    },
    keysChanged: update,
    setSensors(next) {
      sensors = next;
      update();
    },
    async stop() {
      await broker.close();
      await updating;
      await leaf?.stop();
    },
  };
}

async function openLeaf(
  options: NatsBridgeOptions,
  access: LeafAccess,
): Promise<{ readonly leaf: Leaf | null; readonly problem: string }> {
  const { settings, log } = options;
  const problem = await startLeaf({ ...options, access }).catch((error: unknown) =>
    errorText(error)
  );
  if (typeof problem === "object" && problem.type === "started") {
    return { leaf: problem.leaf, problem: "" };
  }
  if (typeof problem === "object" && problem.type === "off") return { leaf: null, problem: "" };
  const text = typeof problem === "string" ? problem : problem.problem;
  // Whoever asked for it is told; a machine without nats-server is nothing to warn of.
  log.write(settings.enabled === "true" ? "warning" : "info", "no NATS leaf here", {
    problem: text,
  });
  return { leaf: null, problem: text };
}

/** Admitted members with the broker key they published last. */
async function otherMembers(
  { store, self }: Pick<NatsBridgeOptions, "store" | "self">,
  registry: Registry | null,
): Promise<LeafAccess["members"]> {
  if (registry === null) return [];
  const newest = new Map<DeviceId, { readonly sequence: number; readonly brokerKey: Uint8Array }>();
  for (const { header, payload } of await store.blocks.ofKinds(["keys"])) {
    const { author, sequence } = header;
    if (author === self || payload === null || !isAdmitted(registry, author)) continue;
    if ((newest.get(author)?.sequence ?? 0) >= sequence) continue;
    const keys = decodeDeviceKeys(payload);
    if (keys.ok) newest.set(author, { sequence, brokerKey: keys.message.brokerKey });
  }
  return [...newest].map(([device, { brokerKey }]) => ({ device, brokerKey }));
}

async function authority(path: string): Promise<readonly string[]> {
  return path === "" ? [] : [await Deno.readTextFile(path)];
}
