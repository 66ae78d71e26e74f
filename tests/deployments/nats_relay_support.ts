/** Three hubs as one cluster on loopback, from the configuration that people get. */
import { createUser } from "@nats-io/nkeys";
import { join } from "node:path";
import { hubConfig } from "../../deployments/nats/relay/hub_config.ts";
import type { RelayHub, RelayPlan } from "../../deployments/nats/relay/plan.ts";
import { makeRelayStreams } from "../../deployments/nats/relay/streams.ts";
import { systemClock } from "../../platform/system_clock.ts";
import { SERVER, until } from "../platform/nats_support.ts";
import { freePort } from "./nats_leaf_support.ts";

/** A key pair in NATS's spelling. */
export function nkeyPair() {
  const pair = createUser();
  return { nkey: pair.getPublicKey(), seed: new TextDecoder().decode(pair.getSeed()) };
}

/** A plan of `count` hubs on this machine. */
export function labPlan(
  { folder, count, sites, devices, adminNkey }: {
    readonly folder: string;
    readonly count: number;
    readonly sites: RelayPlan["sites"];
    readonly devices: readonly string[];
    readonly adminNkey: string;
  },
): RelayPlan {
  const hubs = Array.from({ length: count }, (_, index): RelayHub => ({
    name: `hub-${index + 1}`,
    host: "127.0.0.1",
    clientPort: freePort(),
    leafPort: freePort(),
    clusterPort: freePort(),
    monitoringPort: freePort(),
    listen: "127.0.0.1",
    tlsFolder: "",
    storeFolder: join(folder, `hub-${index + 1}`),
  }));
  return {
    hubs,
    sites,
    devices,
    adminNkey,
    clusterPassword: "for-this-test-only",
    tls: false,
    mailBytesMax: 64 * 1024 * 1024,
    mailPerDeviceMax: 100_000,
    connectionsMax: 12_000,
  };
}

/** Hubs that run. */
export class Hubs {
  readonly #children = new Map<string, Deno.ChildProcess>();

  constructor(readonly plan: RelayPlan, readonly folder: string) {}

  async start(): Promise<void> {
    await Promise.all(this.plan.hubs.map((hub) => this.startHub(hub)));
  }

  async startHub(hub: RelayHub): Promise<void> {
    if (!SERVER.ok) throw new Error(SERVER.reason);
    const path = join(this.folder, `${hub.name}.conf`);
    await Deno.writeTextFile(path, hubConfig(this.plan, hub));
    const child = new Deno.Command(SERVER.path, {
      args: ["-c", path, "-l", join(this.folder, `${hub.name}.log`)],
      stdin: "null",
      stdout: "null",
      stderr: "null",
    }).spawn();
    this.#children.set(hub.name, child);
    await until(
      `${hub.name} is healthy`,
      async () => (await monitoring(hub, "healthz?js-server-only=true"))?.["status"] === "ok",
    );
  }

  /** Ends it without a word. */
  async kill(name: string): Promise<void> {
    const child = this.#children.get(name);
    this.#children.delete(name);
    child?.kill("SIGKILL");
    await child?.status;
  }

  pid(name: string): number {
    return this.#children.get(name)?.pid ?? 0;
  }

  urls(kind: "client" | "leaf"): readonly string[] {
    return this.plan.hubs.map(({ host, clientPort, leafPort }) =>
      kind === "client" ? `nats://${host}:${clientPort}` : `nats-leaf://${host}:${leafPort}`
    );
  }

  /** Makes the streams as people do, once the hubs have chosen a leader. */
  async makeStreams(seed: string): Promise<number> {
    let replicas = 0;
    let problem: unknown;
    await until("the streams are made", async () => {
      try {
        const stream = await makeRelayStreams({
          server: this.urls("client")[0] ?? "",
          seed,
          replicas: this.plan.hubs.length,
          mailBytesMax: this.plan.mailBytesMax,
          mailPerDeviceMax: this.plan.mailPerDeviceMax,
          caCertificates: [],
          clock: systemClock(),
        });
        replicas = stream.replicas;
        return true;
      } catch (error) {
        problem = error;
        return false;
      }
    }).catch((error: unknown) => {
      throw new Error(String(error), { cause: problem });
    });
    return replicas;
  }

  /** The hub that leads the stream of mail. */
  async leader(): Promise<string> {
    let leader = "";
    await until("there is a leader", async () => {
      for (const hub of this.plan.hubs) {
        const jsz = await monitoring(hub, "jsz?accounts=true&streams=true");
        const text = JSON.stringify(jsz?.["account_details"] ?? []);
        const found = /"name":"mail".*?"leader":"(hub-\d)"/.exec(text)?.[1];
        if (found !== undefined) leader = found;
      }
      return leader !== "";
    });
    return leader;
  }

  async close(): Promise<void> {
    for (const name of [...this.#children.keys()]) await this.kill(name);
  }
}

/** The monitoring of a hub; null when it does not answer. */
export async function monitoring(
  hub: RelayHub,
  path: string,
): Promise<Record<string, unknown> | null> {
  try {
    const response = await fetch(`http://${hub.host}:${hub.monitoringPort}/${path}`);
    return await response.json() as Record<string, unknown>;
  } catch {
    return null;
  }
}
