/** Real nats-servers on loopback for tests: started on a port of their own, stopped, killed and started again. */
import { join } from "node:path";
import { natsBroker, type NatsBrokerOptions } from "../../platform/nats_broker.ts";
import type { Broker } from "../../platform/broker.ts";
import { systemClock } from "../../platform/system_clock.ts";
import { systemRandom } from "../../platform/system_random.ts";
import { natsServer } from "../lab/nats_server.ts";
import { stretched } from "../busy_machine.ts";
import { skipped } from "../skipped.ts";

export const SERVER = await natsServer();
skipped("brokers of NATS", SERVER.ok ? null : SERVER.reason);

/** One server with a folder of its own. */
export class TestServer {
  #child: Deno.ChildProcess | undefined;
  #port = -1;

  private constructor(readonly folder: string, readonly config: string) {}

  /** `config` follows the lines about names, ports and JetStream; "$DIR" stands for the folder. */
  static async start(config = ""): Promise<TestServer> {
    const folder = await Deno.makeTempDir({ prefix: "submind-nats-" });
    const server = new TestServer(folder, config);
    await server.start();
    return server;
  }

  get url(): string {
    return `nats://127.0.0.1:${this.#port}`;
  }

  get port(): number {
    return this.#port;
  }

  get pid(): number {
    return this.#child?.pid ?? 0;
  }

  /** Starts it, on the same port as before. */
  async start(): Promise<void> {
    if (!SERVER.ok) throw new Error(SERVER.reason);
    const path = join(this.folder, "nats.conf");
    const jetstream = /^(# no )?jetstream/m.test(this.config)
      ? ""
      : `jetstream { store_dir: "$DIR/js", max_mem: 32MB, max_file: 1GB }\n`;
    const text =
      `server_name: "test"\nhost: 127.0.0.1\nport: ${this.#port}\nhttp: "127.0.0.1:-1"\n` +
      `ports_file_dir: "$DIR"\n${jetstream}${this.config}`;
    await Deno.writeTextFile(path, text.replaceAll("$DIR", this.folder));
    const child = new Deno.Command(SERVER.path, {
      args: ["-c", path, "-l", join(this.folder, "log")],
      stdin: "null",
      stdout: "null",
      stderr: "null",
    }).spawn();
    this.#child = child;
    const ports = await this.#ports(child);
    this.#port = Number(new URL(ports.nats[0] ?? "").port);
    const health = `${ports.monitoring[0]}/healthz`;
    while (!await isHealthy(health)) await soon();
  }

  async #ports(child: Deno.ChildProcess): Promise<{ nats: string[]; monitoring: string[] }> {
    let ended = false;
    child.status.then(() => ended = true);
    while (true) {
      try {
        return JSON.parse(
          await Deno.readTextFile(join(this.folder, `nats-server_${child.pid}.ports`)),
        );
      } catch (error) {
        if (ended) {
          const log = await Deno.readTextFile(join(this.folder, "log")).catch(() => "");
          throw new Error(`nats-server ended:\n${log.slice(-2_000)}`, { cause: error });
        }
        await soon();
      }
    }
  }

  /** Ends it without a word. */
  async kill(signal: Deno.Signal = "SIGKILL"): Promise<void> {
    const child = this.#child;
    if (child === undefined) return;
    this.#child = undefined;
    child.kill(signal);
    await child.status;
  }

  /** Lets it do nothing more, or go on: its connections stay open meanwhile. */
  freeze(frozen: boolean): void {
    this.#child?.kill(frozen ? "SIGSTOP" : "SIGCONT");
  }

  async close(): Promise<void> {
    await this.kill();
    await Deno.remove(this.folder, { recursive: true });
  }
}

async function isHealthy(url: string): Promise<boolean> {
  try {
    const response = await fetch(url);
    await response.body?.cancel();
    return response.ok;
  } catch {
    return false;
  }
}

/** A moment; only ever between two looks at something real. */
export function soon(delayMs = 5): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, delayMs));
}

/** Waits until `check` is true, but not for ever; longer on a busy machine. */
export async function until(
  what: string,
  check: () => Promise<boolean> | boolean,
  waitMs = 30_000,
): Promise<void> {
  const startedMs = performance.now();
  while (!await check()) {
    const waitedMs = Math.round(performance.now() - startedMs);
    if (waitedMs > stretched(waitMs)) throw new Error(`waited ${waitedMs} ms in vain: ${what}`);
    await soon(10);
  }
}

/** A client of servers. */
export function brokerAt(
  servers: readonly string[] | (() => readonly string[]),
  options: Partial<NatsBrokerOptions> = {},
): Broker {
  return natsBroker({
    clock: systemClock(),
    random: systemRandom(),
    servers: typeof servers === "function" ? servers : () => servers,
    login: null,
    name: "test",
    ...options,
  });
}
