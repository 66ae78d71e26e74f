/** The node's own broker: finds nats-server, keeps it running with a configuration that follows membership, and says how it is. */
import { join } from "node:path";
import { userNkey } from "../../platform/nats_broker_nkey.ts";
import type { Clock, Log } from "../../platform/ports.ts";
import { leafConfig, type LeafMember, type LeafPlan, type LeafSensor } from "./leaf_config.ts";
import { LeafProcess, type LeafView } from "./leaf_process.ts";
import { findNatsServer, NATS_SERVER_MIN, type NatsProgram } from "./program.ts";

/** Changes of membership come in bursts; the server is told of all of them once, ms. */
const GATHER_MS = 200;

/** Settings of the leaf: the section `bridge` of the configuration. */
export interface LeafSettings {
  readonly enabled: "auto" | "true" | "false";
  readonly natsServer: string;
  readonly host: string;
  readonly port: number;
  readonly mqttPort: number;
  readonly websocketPort: number;
  readonly hubs: readonly string[];
  /** File with the site's nkey seed. */
  readonly hubCredentials: string;
  readonly hubCertificateAuthority: string;
  readonly storeBytesMax: number;
}

/** Who may use the leaf. */
export interface LeafAccess {
  /** Stands for the mesh on brokers; null before there is one. */
  readonly tag: string | null;
  readonly members: readonly { readonly device: string; readonly brokerKey: Uint8Array }[];
  readonly sensors: readonly LeafSensor[];
}

/** A leaf that runs, or tries to. */
export interface Leaf {
  /** Where our own client connects; empty while it does not run. */
  servers(): readonly string[];
  view(): LeafView;
  /** Membership, keys or sensors have changed: the server follows within a second and drops whoever may not stay. */
  setAccess(access: LeafAccess): void;
  /** Resolves when what was set before is in effect. */
  settled(): Promise<void>;
  stop(): Promise<void>;
}

/** Why there is no leaf. */
export type NoLeaf =
  | { readonly type: "off" }
  | { readonly type: "unavailable"; readonly program: NatsProgram; readonly problem: string };

/** Starts the leaf unless it is off or there is no usable nats-server: then everything else works without. */
export async function startLeaf(
  { self, settings, dataDirectory, environment, access, clock, log }: {
    /** Id of this device; the server is named after it. */
    readonly self: string;
    readonly settings: LeafSettings;
    readonly dataDirectory: string;
    readonly environment: Readonly<Record<string, string>>;
    readonly access: LeafAccess;
    readonly clock: Clock;
    readonly log: Log;
  },
): Promise<{ readonly type: "started"; readonly leaf: Leaf } | NoLeaf> {
  if (settings.enabled === "false") return { type: "off" };
  const program = await findNatsServer({ configured: settings.natsServer, environment });
  if (program.type !== "found") {
    return { type: "unavailable", program, problem: problemOf(program) };
  }
  const hubs = await hubsOf(settings);
  const folder = join(dataDirectory, "nats");
  let current = access;
  const plan = (): LeafPlan => ({
    folder,
    device: self,
    serverName: `leaf-${self.slice(0, 16)}`,
    host: settings.host,
    port: settings.port,
    mqttPort: settings.mqttPort,
    websocketPort: settings.websocketPort,
    tag: current.tag,
    members: current.members.map(({ device, brokerKey }): LeafMember => ({
      device,
      nkey: userNkey(brokerKey),
    })),
    sensors: current.sensors,
    hubs,
    storeBytesMax: settings.storeBytesMax,
  });
  const server = new LeafProcess({
    clock,
    log,
    program: program.path,
    version: program.version,
    folder,
    config: () => leafConfig(plan()),
  });
  let cancel: (() => void) | undefined;
  let reloading: Promise<void> = Promise.resolve();
  let written = leafConfig(plan());
  const reload = (): void => {
    cancel?.();
    cancel = undefined;
    reloading = reloading.then(async () => {
      const wanted = leafConfig(plan());
      if (wanted === written) return;
      written = wanted;
      await server.reload();
    });
  };
  return {
    type: "started",
    leaf: {
      servers() {
        const { url } = server.view();
        return url === null ? [] : [url.replace("0.0.0.0", "127.0.0.1").replace("[::]", "[::1]")];
      },
      view: () => server.view(),
      setAccess(next) {
        current = next;
        cancel ??= clock.schedule(GATHER_MS, reload);
      },
      async settled() {
        if (cancel !== undefined) reload();
        await reloading;
      },
      async stop() {
        cancel?.();
        await reloading;
        await server.stop();
      },
    },
  };
}

async function hubsOf(settings: LeafSettings): Promise<LeafPlan["hubs"]> {
  if (settings.hubs.length === 0) return null;
  const seed = (await Deno.readTextFile(settings.hubCredentials)).trim();
  if (!/^SU[A-Z2-7]{56}$/.test(seed)) {
    throw new Error(
      `Cannot use "${settings.hubCredentials}": it holds no nkey seed of a site, expected a file that "submind relay init" wrote`,
    );
  }
  return { urls: settings.hubs, seed, caFile: settings.hubCertificateAuthority };
}

/** What is wrong with the program, for people. */
function problemOf(program: NatsProgram): string {
  switch (program.type) {
    case "found":
      return "";
    case "tooOld":
      return `"${program.path}" has version ${program.version}, expected ${NATS_SERVER_MIN} or newer`;
    case "unusable":
      return `"${program.path}" cannot be used: ${program.reason}`;
    case "missing":
      return "no nats-server on PATH";
    default:
      return program satisfies never;
  }
}
