/**
 * What stands in the lab's public network: a TURN server and NATS hubs, with the configurations that people get. Everything runs as a
 * child of this process and ends with `close`; services of the machine are never touched.
 */
import { createUser } from "@nats-io/nkeys";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { systemClock } from "../../platform/system_clock.ts";
import { turnServerConfig } from "../coturn/turnserver_conf.ts";
import { hubConfig } from "../nats/relay/hub_config.ts";
import { RELAY_PORTS, type RelayHub, type RelayPlan } from "../nats/relay/plan.ts";

/** Where a service runs: a host of the lab, or this machine. */
export interface Place {
  readonly address: string;
  /** The command line that runs `command` there. */
  inside(command: readonly string[]): readonly string[];
}

/** A program that was started here and can be killed here. */
export interface Service {
  readonly pid: number;
  /** SIGKILL; resolves when it is gone. */
  kill(): Promise<void>;
}

const clock = systemClock();
const TURN_PORT = 3_478;
const MAIL_BYTES_MAX = 256 * 1024 * 1024;
const READY_MS = 20_000;
const POLL_MS = 50;
const STREAMS_PROGRAM = fileURLToPath(new URL("./relay_streams.ts", import.meta.url));
const ASK_PROGRAM = "console.log(await (await fetch(Deno.args[0])).text())";

/** coturn with the configuration of `deployments/coturn`; the lab's documentation addresses are opened, nothing else. */
export async function startTurnServer(
  { place, folder, secret, program = "turnserver" }: {
    readonly place: Place;
    readonly folder: string;
    readonly secret: string;
    readonly program?: string;
  },
): Promise<Service> {
  const config = turnServerConfig({
    realm: "turn.lab",
    secret,
    port: TURN_PORT,
    listeningIp: place.address,
    stateDirectory: folder,
  }).split("\n").filter((line) => !line.includes("203.0.113.")).join("\n");
  const path = join(folder, "turnserver.conf");
  await Deno.writeTextFile(path, config, { mode: 0o600 });
  const log = join(folder, "turnserver.log");
  const service = startService(place.inside([program, "-c", path]), log);
  // Its output is buffered; the kernel knows at once. The port stands there in hex.
  const listening = `:${TURN_PORT.toString(16).toUpperCase().padStart(4, "0")} `;
  await until("the TURN server to listen", async () => {
    const sockets = await output(place.inside(["cat", "/proc/net/udp"]));
    return sockets.text.includes(listening);
  }).catch(async (error: unknown) => {
    await service.kill();
    throw error;
  });
  return service;
}

/** Address of the lab's TURN server for settings. */
function turnAddress(
  place: Place,
): { readonly stun: string; readonly turn: string; readonly turnTcp: string } {
  return {
    stun: `stun:${place.address}:${TURN_PORT}`,
    turn: `turn:${place.address}:${TURN_PORT}`,
    turnTcp: `turn:${place.address}:${TURN_PORT}?transport=tcp`,
  };
}

/** The settings of a node in a home of the lab, as `config.toml`; an empty list leaves the section out. */
export function homeSettings(
  { natsServer, hubs, credentials, turn, relayOnly = false }: {
    readonly natsServer: string;
    readonly hubs: readonly string[];
    /** File with the site's seed. */
    readonly credentials: string;
    readonly turn: {
      readonly place: Place;
      readonly secret: string;
      /** Also over TCP; default no. */
      readonly tcp?: boolean;
    } | null;
    /** No direct paths: what is left when there is no TURN server either is the broker. */
    readonly relayOnly?: boolean;
  },
): string {
  const toml = JSON.stringify;
  const addresses = turn === null ? null : turnAddress(turn.place);
  return [
    "[bridge]",
    "enabled = true",
    `natsServer = ${toml(natsServer)}`,
    ...(addresses === null ? ['host = "127.0.0.1"'] : []),
    `hubs = ${toml(hubs)}`,
    `hubCredentials = ${toml(credentials)}`,
    "storeBytesMax = 134217728",
    "[ice]",
    `relayOnly = ${relayOnly}`,
    ...(turn === null || addresses === null ? [] : [
      `stunServers = ${toml([addresses.stun])}`,
      `turnServers = ${toml([addresses.turn, ...(turn.tcp === true ? [addresses.turnTcp] : [])])}`,
      `turnSecret = ${toml(turn.secret)}`,
    ]),
    "[portMapping]",
    "enabled = false",
    // Whoever measures asks often.
    "[limits]",
    "ownerRequestsPerMinute = 1000000",
    "",
  ].join("\n");
}

/** A site of the relay tier: what one home needs to become a leaf. */
export interface Site {
  readonly name: string;
  readonly nkey: string;
  readonly seed: string;
}

/** Hubs that run, each in its place. */
export interface Hubs {
  readonly plan: RelayPlan;
  readonly sites: readonly Site[];
  /** "nats-leaf://…" of each hub. */
  readonly leafUrls: readonly string[];
  /** Name of the hub that leads the stream of mail; null while there is none. */
  leader(): Promise<string | null>;
  kill(name: string): Promise<void>;
  start(name: string): Promise<void>;
  close(): Promise<void>;
}

/**
 * Starts one hub per place, a cluster when there are several, and makes the stream of mail as `submind relay` does.
 *
 * @throws when a hub does not become healthy; nothing is left running then
 */
export async function startHubs(
  { places, folder, natsServer, sites: siteNames, ports = () => RELAY_PORTS }: {
    readonly places: readonly Place[];
    readonly folder: string;
    /** Path of nats-server. */
    readonly natsServer: string;
    readonly sites: readonly string[];
    /** Where several places share one address, their ports must differ. */
    readonly ports?: (
      index: number,
    ) => typeof RELAY_PORTS | Record<keyof typeof RELAY_PORTS, number>;
  },
): Promise<Hubs> {
  const admin = keyPair();
  const sites = siteNames.map((name): Site => ({ name, ...keyPair() }));
  const plan: RelayPlan = {
    hubs: places.map((place, index): RelayHub => {
      const { client, leaf, cluster, monitoring } = ports(index);
      return {
        name: `hub-${index + 1}`,
        host: place.address,
        clientPort: client,
        leafPort: leaf,
        clusterPort: cluster,
        monitoringPort: monitoring,
        listen: place.address,
        tlsFolder: "",
        storeFolder: join(folder, `hub-${index + 1}`),
      };
    }),
    sites,
    devices: [],
    adminNkey: admin.nkey,
    clusterPassword: keyPair().nkey,
    tls: false,
    mailBytesMax: MAIL_BYTES_MAX,
    mailPerDeviceMax: 100_000,
    connectionsMax: 1_000,
  };
  const running = new Map<string, Service>();
  const at = (name: string) => {
    const index = plan.hubs.findIndex((hub) => hub.name === name);
    const [hub, place] = [plan.hubs[index], places[index]];
    if (hub === undefined || place === undefined) throw new RangeError(`No hub "${name}"`);
    return { hub, place };
  };
  const start = async (name: string): Promise<void> => {
    const { hub, place } = at(name);
    const path = join(folder, `${name}.conf`);
    await Deno.writeTextFile(path, hubConfig(plan, hub), { mode: 0o600 });
    running.set(
      name,
      startService(place.inside([natsServer, "-c", path]), join(folder, `${name}.log`)),
    );
    await until(`${name} to be healthy`, async () => {
      const said = await ask(place, hub, "healthz?js-server-only=true");
      return said?.includes('"ok"') ?? false;
    });
  };
  const kill = async (name: string): Promise<void> => {
    await running.get(name)?.kill();
    running.delete(name);
  };
  const close = async (): Promise<void> => {
    await Promise.all([...running.keys()].map(kill));
  };
  const [first] = plan.hubs;
  if (first === undefined) throw new RangeError("Cannot start hubs: no places were given");
  try {
    await Promise.all(plan.hubs.map(({ name }) => start(name)));
    const { place, hub } = at(first.name);
    const job = JSON.stringify({
      server: `nats://${hub.host}:${hub.clientPort}`,
      seed: admin.seed,
      replicas: plan.hubs.length,
      mailBytesMax: plan.mailBytesMax,
      mailPerDeviceMax: plan.mailPerDeviceMax,
    });
    const made = await output(place.inside([...DENO_RUN, STREAMS_PROGRAM]), { RELAY_JOB: job });
    if (made.code !== 0) throw new Error(`Cannot make the stream of mail: ${made.text}`);
  } catch (error) {
    await close();
    throw error;
  }
  return {
    plan,
    sites,
    leafUrls: plan.hubs.map(({ host, leafPort }) => `nats-leaf://${host}:${leafPort}`),
    async leader() {
      for (const name of running.keys()) {
        const { place, hub } = at(name);
        const said = await ask(place, hub, "jsz?accounts=true&streams=true");
        const found = said?.replaceAll(/\s/g, "").match(/"name":"mail".*?"leader":"(hub-\d+)"/)
          ?.[1];
        if (found !== undefined && running.has(found)) return found;
      }
      return null;
    },
    kill,
    start,
    close,
  };
}

const DENO_RUN = [Deno.execPath(), "run", "--quiet", "--no-check", "-A"] as const;

/** A key pair in NATS's spelling. */
function keyPair(): { readonly nkey: string; readonly seed: string } {
  const pair = createUser();
  return { nkey: pair.getPublicKey(), seed: new TextDecoder().decode(pair.getSeed()) };
}

/** What a hub's monitoring says; null when it does not answer. */
async function ask(place: Place, hub: RelayHub, path: string): Promise<string | null> {
  const url = `http://${hub.host}:${hub.monitoringPort}/${path}`;
  const { code, text } = await output(
    place.inside([Deno.execPath(), "eval", "--quiet", ASK_PROGRAM, url]),
  );
  return code === 0 ? text : null;
}

async function output(command: readonly string[], env: Record<string, string> = {}) {
  const [program = "", ...args] = command;
  const { code, stdout, stderr } = await new Deno.Command(program, {
    args,
    env,
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).output();
  const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, text: decode(stdout) + (code === 0 ? "" : decode(stderr)) };
}

/** Runs a program whose output goes to a file; it ends with this process. */
export function startService(command: readonly string[], log: string): Service {
  // A server that outlived a killed lab would hold its namespace for ever.
  const [program = "", ...args] = [
    ...Deno.build.os === "linux" ? ["setpriv", "--pdeathsig", "KILL", "--"] : [],
    ...command,
  ];
  const child = new Deno.Command(program, {
    args,
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  for (const stream of [child.stdout, child.stderr]) void appendTo(stream, log);
  return {
    pid: child.pid,
    async kill() {
      try {
        child.kill("SIGKILL");
      } catch {
        // It has ended.
      }
      await child.status;
    },
  };
}

async function appendTo(stream: ReadableStream<Uint8Array>, path: string): Promise<void> {
  try {
    const file = await Deno.open(path, { write: true, create: true, append: true, mode: 0o600 });
    await stream.pipeTo(file.writable);
  } catch {
    // The folder is removed while the last lines come: nobody will read them.
  }
}

async function until(what: string, attempt: () => Promise<boolean>): Promise<void> {
  const startedMs = clock.monotonicMs();
  while (!await attempt()) {
    if (clock.monotonicMs() - startedMs > READY_MS) {
      throw new Error(`Waited ${READY_MS} ms for ${what} in vain`);
    }
    await new Promise<void>((resolve) => clock.schedule(POLL_MS, resolve));
  }
}
