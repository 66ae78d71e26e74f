/** The composition root: takes settings, chooses adapters, starts a node and its gateway, and takes them down in reverse. */
import { join } from "node:path";
import type { NodeEvent } from "../actors/events.ts";
import type { NodeHandle, Outcome } from "../actors/handle.ts";
import { ActorSystem } from "../actors/kernel/system.ts";
import { type MembershipChanged, membershipChanged } from "../actors/members/commands.ts";
import { type BlocksCommitted, blocksCommitted } from "../actors/storage/commands.ts";
import { meshTagOf } from "../actors/discovery/discovery.ts";
import { NODE_KEY, nodeTree } from "../actors/node.ts";
import { nodeHandle } from "../actors/node_handle.ts";
import { nodeRefs } from "../actors/refs.ts";
import { STATIC_PEER_PREFIX } from "../actors/sessions/static_peers.ts";
import { INTEREST_KEY } from "../actors/sync/interest.ts";
import { type GatewayServer, startGateway } from "../gateway/server.ts";
import { openTokens, OWNER } from "../gateway/tokens.ts";
import type { Discovery } from "../platform/discovery.ts";
import { openHttpRendezvous } from "../platform/http_rendezvous.ts";
import { openIdentity } from "../platform/identity.ts";
import { jsonFileLog, jsonLog } from "../platform/json_log.ts";
import { mdnsDiscovery } from "../platform/mdns.ts";
import { mlsGroupCrypto } from "../platform/mls_crypto.ts";
import { nodeCrypto } from "../platform/node_crypto.ts";
import { checkPassword, hashPassword } from "../platform/password_hash.ts";
import type { Crypto, Log } from "../platform/ports.ts";
import { noDiscovery } from "../platform/static_discovery.ts";
import { systemClock } from "../platform/system_clock.ts";
import { systemRandom } from "../platform/system_random.ts";
import { deviceIdOf } from "../protocols/ids.ts";
import { isAdmitted, type Registry } from "../protocols/registry/registry.ts";
import { openBackupVault } from "../store/backup_vault.ts";
import { makePrivateFolder } from "../store/private_folder.ts";
import { toStoreError } from "../store/sqlite_errors.ts";
import { openSqliteStore } from "../store/sqlite_store.ts";
import type { Store } from "../store/store.ts";
import { rendezvousAddresses } from "./addresses.ts";
import { openBridge } from "./bridge.ts";
import { startBringing } from "./bringing.ts";
import type { Config } from "./config.ts";
import { openLearning } from "./learning.ts";
import { carryOutLeaving, forgetLeaving, noteLeaving } from "./leaving.ts";
import { openPaths } from "./paths.ts";
import { readTlsFiles } from "./tls_files.ts";
import { VERSION } from "./version.ts";

/** Version of what devices say to each other. */
export const PROTOCOL_VERSION = 1;
/** The owner's token for this machine's own command line is renewed by every start. */
const OWNER_TOKEN_VALID_MS = 365 * 24 * 60 * 60 * 1000;

/** A node that runs in this process. */
export interface RunningNode {
  readonly handle: NodeHandle;
  readonly gatewayUrl: string;
  /** Opens the first page in a browser: good once, for five minutes. */
  readonly loginUrl: string;
  /** Bearer token of the person at this machine. */
  readonly token: string;
  readonly rendezvousAddresses: readonly string[];
  /**
   * Resolves when a person has chosen to leave the mesh: everything is prepared, and whoever runs the node then calls `stop`
   * and `startNode` again. Until then the node goes on as before.
   */
  readonly leaving: Promise<void>;
  /** Resolves with the cause when the node could not be mended by restarting its parts: whoever runs it then ends it and says so. */
  readonly failed: Promise<unknown>;
  /** Graceful; twice is harmless. */
  stop(): Promise<void>;
}

/** Things to undo, last taken first. */
class Teardown {
  readonly #steps: (() => unknown)[] = [];

  add(step: () => unknown): void {
    this.#steps.push(step);
  }

  /** Runs every step even when one fails; the first failure is thrown at the end. */
  async run(): Promise<void> {
    let failure: { readonly error: unknown } | undefined;
    for (let step = this.#steps.pop(); step !== undefined; step = this.#steps.pop()) {
      try {
        await step();
      } catch (error) {
        failure ??= { error };
      }
    }
    if (failure !== undefined) throw failure.error;
  }
}

/**
 * Starts a node from its settings.
 *
 * @throws {StoreError | IdentityError | DoorError | GatewayStartError} with a message and, where it helps, a `hint` for people;
 * everything that was opened before is closed again
 */
export async function startNode(
  { config, onEvent = () => {} }: {
    readonly config: Config;
    /** Told everything from the first moment on, also what happens before the node is given back. */
    readonly onEvent?: (event: NodeEvent) => void;
  },
): Promise<RunningNode> {
  const teardown = new Teardown();
  try {
    return await compose(config, { teardown, onEvent });
  } catch (error) {
    await teardown.run().catch(() => {});
    throw error;
  }
}

/** Everything below the data folder is for its owner only; a folder that others could enter is closed to them, and said. */
async function closeToOthers(directory: string, log: Log): Promise<void> {
  const found = await makePrivateFolder(directory).catch((error: unknown) => {
    throw toStoreError(`use data folder "${directory}"`, error);
  });
  if (found === "private") return;
  const what = found.closed
    ? "data folder was open to others; closed"
    : "data folder is open to others";
  log.write("warning", what, { directory, mode: found.mode });
}

async function compose(
  config: Config,
  { teardown, onEvent }: {
    readonly teardown: Teardown;
    readonly onEvent: (event: NodeEvent) => void;
  },
): Promise<RunningNode> {
  const clock = systemClock();
  const random = systemRandom();
  const log = openLog(config, clock, teardown);
  const crypto = nodeCrypto();
  teardown.add(() => crypto.close());
  await closeToOthers(config.dataDirectory, log);
  const carriedOver = await carryOutLeaving(config.dataDirectory);
  const store = await openSqliteStore({ directory: config.dataDirectory, crypto });
  teardown.add(() => store.close());
  if (carriedOver !== null) {
    await store.settings.set(carriedOver);
    await forgetLeaving(config.dataDirectory);
  }
  const signer = await openIdentity({ directory: join(config.dataDirectory, "keys") });
  teardown.add(() => signer.close());
  const self = deviceIdOf(signer.publicKey);
  const damage = await store.verify({ deep: false });
  for (const { table, key, problem } of damage) {
    log.write("warning", "damaged row found", { table, key, problem });
  }

  const rendezvous = openHttpRendezvous({
    clock,
    listen: { hostname: config.rendezvous.host, port: config.rendezvous.port },
    limits: { requestsPerWindow: config.limits.rendezvousRequestsPerMinute },
  });
  teardown.add(() => rendezvous.close());

  // The transport refuses strangers before it spends anything on them, so it must know the registry as it is now.
  let registry: Registry | null = null;
  const bridge = await openBridge({
    config,
    signer,
    store,
    crypto,
    clock,
    random,
    log,
    addresses: () => addresses(),
    isAdmitted: (device) => isAdmitted(registry, device),
  });
  teardown.add(() => bridge.close());
  const meeting = bridge.rendezvousOver(rendezvous);
  const paths = await openPaths({
    config,
    clock,
    random,
    log,
    crypto,
    signer,
    rendezvous: meeting,
    rendezvousPort: rendezvous.port,
    isAdmitted: (device) => isAdmitted(registry, device),
    meshTag: () => meshTagOf(crypto, registry?.mesh ?? null),
  });
  teardown.add(() => paths.close());
  const addresses = () => [
    ...rendezvousAddresses(rendezvous.port ?? config.rendezvous.port),
    ...paths.outsideAddresses(),
  ];

  const discovery = bridge.discoveryOver(
    openDiscovery(config, { clock, random, log }, teardown),
  );
  const learning = await openLearning({ config, store, crypto });
  teardown.add(() => learning.trainer.close());
  teardown.add(() => learning.maskWork.close());
  teardown.add(() => learning.paillier.close());
  const failure = Promise.withResolvers<unknown>();
  const system = new ActorSystem({
    clock,
    random: random.fork("actors"),
    log,
    onFailed: (error) => failure.resolve(error),
  });
  system.subscribe(membershipChanged, (event: MembershipChanged) => {
    registry = event.registry;
    bridge.setRegistry(registry);
  });
  system.subscribe(blocksCommitted, ({ blocks }: BlocksCommitted) => {
    if (blocks.some(({ block }) => block.header.kind === "keys")) bridge.keysChanged();
  });
  let gatewayUrl = "";
  const handle = nodeHandle({
    system,
    refs: nodeRefs(NODE_KEY),
    store,
    clock,
    crypto,
    random: random.fork("handle"),
    self,
    displayName: config.displayName,
    version: VERSION,
    learning,
    rendezvousAddresses: addresses,
    damage,
    sensorAccess: {
      checkPassword,
      mqttUrl: () => bridge.nats?.mqttUrl() ?? "",
      httpUrl: () => gatewayUrl,
    },
    onStop: () => teardown.run(),
  });
  handle.subscribe(onEvent);
  system.spawn(
    NODE_KEY,
    nodeTree({
      crypto,
      signer,
      store,
      rendezvous: meeting,
      transports: [...paths.transports, ...bridge.transports],
      ...bridge.parts,
      watchNetwork: (onChange) => paths.watchNetwork(onChange),
      discovery,
      announcement: () => ({
        deviceId: self,
        displayName: config.displayName,
        role: registry?.members.get(self)?.role ?? "submind",
        capabilities: ["sync", "pairing"],
        meshTag: meshTagOf(crypto, registry?.mesh ?? null),
        protocolVersion: PROTOCOL_VERSION,
        port: rendezvous.port ?? config.rendezvous.port,
      }),
      rendezvousAddresses: addresses,
      staticPeers: config.discovery.staticPeers,
      mail: {
        sealer: signer.sealer,
        brokerKey: signer.broker.publicKey,
        groupCrypto: mlsGroupCrypto({ signer, crypto, clock }),
        ...bridge.mail,
      },
      sensors: { hashPassword, ...bridge.sensors },
      learning,
    }),
  );
  teardown.add(() => system.stop());

  const { promise: leaving, resolve: onLeaving } = Promise.withResolvers<void>();
  const leaveMesh = async (options: { readonly bring: boolean }): Promise<Outcome<null>> => {
    const outcome = await prepareLeaving({ handle, store, config, ...options });
    if (outcome.type === "done") onLeaving();
    return outcome;
  };
  const gateway = await openGateway(config, {
    handle,
    leaveMesh,
    relays: () => bridge.nats?.relays() ?? Promise.resolve([]),
    crypto,
    clock,
    random,
    log,
  });
  gatewayUrl = gateway.server.address;
  teardown.add(() => gateway.server.stop());
  const { dataDirectory } = config;
  teardown.add(startBringing({ dataDirectory, node: handle, crypto, clock, log }));
  return {
    handle,
    gatewayUrl: gateway.server.address,
    get loginUrl() {
      return gateway.server.loginUrl();
    },
    token: gateway.token,
    rendezvousAddresses: addresses(),
    leaving,
    failed: failure.promise,
    stop: () => handle.stop(),
  };
}

/** Checks that nobody is left behind, and notes durably what the next start does. */
async function prepareLeaving(
  { handle, store, config, bring }: {
    readonly handle: NodeHandle;
    readonly store: Store;
    readonly config: Config;
    readonly bring: boolean;
  },
): Promise<Outcome<null>> {
  const refused = (reason: "noMesh" | "notPermitted" | "busy", message: string) =>
    ({ type: "refused", reason, message: `Cannot leave the mesh: ${message}` }) as const;
  const { mesh, members } = await handle.status();
  if (mesh === null) return refused("noMesh", "this device belongs to none");
  if (members > 1) {
    const message = `it has ${members} members, expected this device alone; ` +
      "have another member revoke this device, and start it with an empty data folder";
    return refused("notPermitted", message);
  }
  const pairings = await handle.pairings();
  if (pairings.some(({ phase }) => !["completed", "refused", "failed"].includes(phase))) {
    return refused("busy", "a pairing is under way; finish it first");
  }
  const interest = await store.settings.get(INTEREST_KEY);
  const settings = {
    ...Object.fromEntries(await store.settings.entries(STATIC_PEER_PREFIX)),
    ...(interest === undefined ? {} : { [INTEREST_KEY]: interest }),
  };
  await noteLeaving(config.dataDirectory, { mesh, bring, settings });
  return { type: "done", value: null };
}

function openLog(config: Config, clock: ReturnType<typeof systemClock>, teardown: Teardown): Log {
  if (config.log.file === "") return jsonLog({ clock, level: config.log.level });
  const file = jsonFileLog({ clock, level: config.log.level, path: config.log.file });
  teardown.add(() => file.close());
  return file;
}

function openDiscovery(
  config: Config,
  parts: Parameters<typeof mdnsDiscovery>[0],
  teardown: Teardown,
): Discovery {
  if (!config.discovery.multicast) {
    return noDiscovery("multicast is switched off by discovery.multicast");
  }
  const mdns = mdnsDiscovery({ ...parts, random: parts.random.fork("mdns") });
  // The actor that uses it has begun the goodbye by then; a process that ended now could cut it off.
  teardown.add(() => mdns.close());
  return mdns;
}

async function openGateway(
  config: Config,
  parts: {
    readonly handle: NodeHandle;
    readonly leaveMesh: NonNullable<Parameters<typeof startGateway>[0]["leaveMesh"]>;
    readonly relays: NonNullable<Parameters<typeof startGateway>[0]["relays"]>;
    readonly crypto: Crypto;
    readonly clock: ReturnType<typeof systemClock>;
    readonly random: ReturnType<typeof systemRandom>;
    readonly log: Log;
  },
): Promise<{ readonly server: GatewayServer; readonly token: string }> {
  const { handle, leaveMesh, relays, crypto, clock, random, log } = parts;
  const tokens = await openTokens({ directory: config.dataDirectory, clock, random });
  const { host, port, allowedHosts } = config.gateway;
  const tls = await readTlsFiles(config.gateway);
  const backups = config.backups.bytesPerDeviceMax === 0 ? {} : {
    backups: openBackupVault({
      directory: join(config.dataDirectory, "backups"),
      crypto,
      clock,
      ...config.backups,
    }),
  };
  const server = startGateway({
    node: handle,
    ...backups,
    leaveMesh,
    relays,
    tokens,
    clock,
    random,
    log,
    host,
    port,
    limits: config.limits,
    allowedHosts,
    ...(tls === null ? {} : { tls }),
  });
  const token = await tokens.mint({ subject: OWNER, scope: "full", validMs: OWNER_TOKEN_VALID_MS });
  return { server, token };
}
