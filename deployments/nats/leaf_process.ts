/**
 * nats-server as a child of the node: checked before it starts, watched while it runs, started again when it ends, taken down with
 * us. Whatever happens to it, the node goes on.
 */
import { join } from "node:path";
import { errorText } from "../../platform/error_text.ts";
import { type FileLock, lockFile } from "../../platform/file_lock.ts";
import type { Clock, Log } from "../../platform/ports.ts";
import { pipeLog } from "./leaf_log.ts";
import { fetchMonitoring } from "./monitoring.ts";

/** How long a server may take until it is healthy, ms: it may have to read back what it stores. */
const HEALTHY_MS_MAX = 30_000;
const LOOK_EVERY_MS = 25;
/** Between looks at a running server's health, and how many may fail, ms. */
const HEALTH_EVERY_MS = 5_000;
const HEALTH_FAILURES_MAX = 3;
/** Pauses before it is started again, ms; after running for a minute they begin anew. */
const AGAIN_MS_MIN = 250;
const AGAIN_MS_MAX = 30_000;
const STEADY_MS = 60_000;
const TERM_MS_MAX = 5_000;
const RELOAD_MS_MAX = 3_000;

/** The server as views see it. */
export interface LeafView {
  readonly state: "starting" | "running" | "waiting" | "stopped";
  readonly pid: number | null;
  readonly version: string;
  /** Where devices reach it: "nats://127.0.0.1:4222"; null while it does not run. */
  readonly url: string | null;
  readonly websocketUrl: string | null;
  /** "http://127.0.0.1:…" of its monitoring. */
  readonly monitoringUrl: string | null;
  /** How long it has run, ms. */
  readonly uptimeMs: number;
  /** How often it was started again. */
  readonly restarts: number;
  /** Why it does not run; null when it does. */
  readonly problem: string | null;
}

export interface LeafProcessOptions {
  readonly clock: Clock;
  readonly log: Log;
  /** Path of nats-server. */
  readonly program: string;
  readonly version: string;
  /** A folder of its own; made when missing. */
  readonly folder: string;
  /** The configuration as it is to be now. */
  readonly config: () => string;
}

interface Ports {
  readonly nats?: readonly string[];
  readonly monitoring?: readonly string[];
  readonly websocket?: readonly string[];
}

/** One supervised server. */
export class LeafProcess {
  #state: LeafView["state"] = "starting";
  #child: Deno.ChildProcess | undefined;
  #ports: Ports = {};
  #startedMs = 0;
  #restarts = -1;
  #problem: string | null = null;
  #lock: FileLock | undefined;
  /** The configuration on disk. */
  #written = "";
  /** One after another, and so are writers of the file: a restart may come while the server is told to reload. */
  #reloading: Promise<unknown> = Promise.resolve();
  #writing: Promise<unknown> = Promise.resolve();
  readonly #stopping = new AbortController();
  readonly #running: Promise<void>;

  constructor(readonly options: LeafProcessOptions) {
    this.#running = this.#run();
  }

  view(): LeafView {
    const up = this.#state === "running";
    const first = (urls: readonly string[] | undefined) => (up ? urls?.[0] : undefined) ?? null;
    return {
      state: this.#state,
      pid: this.#child?.pid ?? null,
      version: this.options.version,
      url: first(this.#ports.nats),
      websocketUrl: first(this.#ports.websocket),
      monitoringUrl: first(this.#ports.monitoring),
      uptimeMs: up ? this.options.clock.monotonicMs() - this.#startedMs : 0,
      restarts: Math.max(0, this.#restarts),
      problem: up ? null : this.#problem,
    };
  }

  /** Makes the server use the configuration as it is now; a change it cannot take while running restarts it. */
  reload(): Promise<void> {
    const turn = this.#reloading.then(() => this.#reload());
    this.#reloading = turn.catch(() => {});
    return turn;
  }

  async #reload(): Promise<void> {
    const child = this.#child;
    const monitoring = this.view().monitoringUrl;
    if (child === undefined || monitoring === null) return;
    if (this.options.config() === this.#written) return;
    const problem = await this.#writeConfig();
    if (problem !== null) {
      this.options.log.write("error", "nats-server configuration refused", { problem });
      return;
    }
    const before = await this.#configTime(monitoring);
    signal(child, "SIGHUP");
    const untilMs = this.options.clock.monotonicMs() + RELOAD_MS_MAX;
    while (this.options.clock.monotonicMs() < untilMs && this.#child === child) {
      if (await this.#configTime(monitoring) !== before) return;
      await this.#pause(LOOK_EVERY_MS);
    }
    if (this.#child !== child) return;
    this.options.log.write("warning", "nats-server did not reload; restarting it");
    signal(child, "SIGTERM");
  }

  /** Ends it; resolves when the process is gone. Twice is harmless. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#running;
  }

  async #configTime(monitoring: string): Promise<string> {
    const varz = await fetchMonitoring(`${monitoring}/varz`, this.options.clock);
    return String(varz?.["config_load_time"] ?? "");
  }

  async #run(): Promise<void> {
    const { clock, log } = this.options;
    let againMs = AGAIN_MS_MIN;
    while (!this.#stopping.signal.aborted) {
      this.#restarts += 1;
      this.#state = "starting";
      const startedMs = clock.monotonicMs();
      const problem = await this.#once().catch(errorText);
      this.#child = undefined;
      if (this.#stopping.signal.aborted) break;
      this.#state = "waiting";
      this.#problem = problem;
      if (clock.monotonicMs() - startedMs > STEADY_MS) againMs = AGAIN_MS_MIN;
      log.write("warning", "nats-server ended", { problem, againMs });
      await this.#pause(againMs);
      againMs = Math.min(AGAIN_MS_MAX, againMs * 2);
    }
    this.#state = "stopped";
    this.#problem = "stopped";
    this.#lock?.release();
  }

  /** From start to end; resolves with why it ended. */
  async #once(): Promise<string> {
    const { folder, log, program } = this.options;
    await Deno.mkdir(folder, { recursive: true, mode: 0o700 });
    const busy = await this.#takeLock();
    if (busy !== null) return busy;
    const refused = await this.#writeConfig();
    if (refused !== null) return `its configuration was refused: ${refused}`;
    await removePortFiles(folder);
    const { file, args } = await launcher(program, ["-c", this.#configPath()]);
    const child = new Deno.Command(file, {
      args: [...args],
      stdin: "null",
      stdout: "null",
      stderr: "piped",
    }).spawn();
    this.#child = child;
    const lastLine = pipeLog(child.stderr, log);
    let ended = false;
    const status = child.status.finally(() => ended = true);
    const watch = new AbortController();
    const stop = () => signal(child, "SIGTERM");
    this.#stopping.signal.addEventListener("abort", stop, { once: true });
    if (this.#stopping.signal.aborted) stop();
    const watching = this.#watch(child, () => ended || watch.signal.aborted);
    let killed = () => {};
    this.#stopping.signal.addEventListener("abort", () => {
      killed = this.options.clock.schedule(TERM_MS_MAX, () => signal(child, "SIGKILL"));
    }, { once: true });
    const { code, signal: by } = await status;
    killed();
    watch.abort();
    this.#stopping.signal.removeEventListener("abort", stop);
    const seen = await watching;
    const line = await lastLine;
    return seen ?? (by === null ? `it ended with code ${code}: ${line}` : `it was ended by ${by}`);
  }

  /** Says when it is healthy; ends it when it stays unhealthy. Resolves with that problem, or null. */
  async #watch(child: Deno.ChildProcess, over: () => boolean): Promise<string | null> {
    const { clock, folder, log } = this.options;
    const untilMs = clock.monotonicMs() + HEALTHY_MS_MAX;
    let healthy = false;
    while (!over() && !healthy) {
      if (clock.monotonicMs() > untilMs) {
        signal(child, "SIGKILL");
        return `it was not healthy within ${HEALTHY_MS_MAX / 1_000} s`;
      }
      this.#ports = await readPorts(folder, child.pid) ?? {};
      healthy = await this.#isHealthy();
      if (!healthy) await this.#pause(LOOK_EVERY_MS);
    }
    if (over()) return null;
    this.#startedMs = clock.monotonicMs();
    this.#state = "running";
    const { url, version } = this.view();
    log.write("info", "nats-server runs", { url, version, pid: child.pid });
    // What changed while it started came too late for its first reading, and too early for `reload`.
    if (this.options.config() !== this.#written) {
      void this.reload().catch((error: unknown) =>
        log.write("error", "nats-server was not told of changes", { error: String(error) })
      );
    }
    let failures = 0;
    while (!over()) {
      await this.#pauseUnless(HEALTH_EVERY_MS, child);
      if (over()) break;
      failures = await this.#isHealthy() ? 0 : failures + 1;
      if (failures >= HEALTH_FAILURES_MAX) {
        signal(child, "SIGKILL");
        return "it did not answer any more";
      }
    }
    return null;
  }

  async #isHealthy(): Promise<boolean> {
    const [monitoring] = this.#ports.monitoring ?? [];
    if (monitoring === undefined) return false;
    const answer = await fetchMonitoring(
      `${monitoring}/healthz?js-server-only=true`,
      this.options.clock,
    );
    return answer?.["status"] === "ok";
  }

  #configPath(): string {
    return join(this.options.folder, "nats.conf");
  }

  /** Writes the configuration when the server accepts it; else says what it says about it and leaves the old one. */
  #writeConfig(): Promise<string | null> {
    const turn = this.#writing.then(() => this.#writeNow());
    this.#writing = turn.catch(() => {});
    return turn;
  }

  async #writeNow(): Promise<string | null> {
    const draft = `${this.#configPath()}.new`;
    const text = this.options.config();
    await Deno.writeTextFile(draft, text, { mode: 0o600 });
    const problem = await checkConfig(this.options.program, draft);
    if (problem !== null) return problem;
    await Deno.rename(draft, this.#configPath());
    this.#written = text;
    return null;
  }

  /** The server itself takes no lock on its files, and two on one folder destroy them. */
  async #takeLock(): Promise<string | null> {
    if (this.#lock !== undefined) return null;
    const outcome = await lockFile(join(this.options.folder, "lock"));
    if (outcome.type === "busy") return `process ${outcome.pid ?? "unknown"} uses its folder`;
    this.#lock = outcome.lock;
    return null;
  }

  #pause(delayMs: number): Promise<void> {
    return this.#pauseUnless(delayMs, undefined);
  }

  async #pauseUnless(delayMs: number, child: Deno.ChildProcess | undefined): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const { signal: stopping } = this.#stopping;
    // Once it is to stop, a pause is as long as a turn.
    const cancel = this.options.clock.schedule(
      stopping.aborted ? Math.min(delayMs, LOOK_EVERY_MS) : delayMs,
      resolve,
    );
    const stop = () => resolve();
    stopping.addEventListener("abort", stop, { once: true });
    child?.status.then(stop);
    await promise;
    stopping.removeEventListener("abort", stop);
    cancel();
  }
}

/** Asks the server whether it would take this configuration. Null: yes. */
export async function checkConfig(program: string, path: string): Promise<string | null> {
  const command = new Deno.Command(program, {
    args: ["-t", "-c", path],
    stdout: "null",
    stderr: "piped",
  });
  const { success, stderr } = await command.output();
  if (success) return null;
  return new TextDecoder().decode(stderr).trim().split("\n").at(-1)?.slice(0, 300) ??
    "no reason given";
}

function signal(child: Deno.ChildProcess, name: Deno.Signal): void {
  try {
    child.kill(name);
  } catch {
    // It has ended already.
  }
}

async function readPorts(folder: string, pid: number): Promise<Ports | undefined> {
  try {
    return JSON.parse(await Deno.readTextFile(join(folder, `nats-server_${pid}.ports`))) as Ports;
  } catch {
    return undefined;
  }
}

async function removePortFiles(folder: string): Promise<void> {
  for await (const entry of Deno.readDir(folder)) {
    if (/^\S+_\d+\.ports$/.test(entry.name)) await Deno.remove(join(folder, entry.name));
  }
}

/** Where the system can, the child is told to end when we are killed: children outlive their parents otherwise. */
async function launcher(
  program: string,
  args: readonly string[],
): Promise<{ readonly file: string; readonly args: readonly string[] }> {
  if (Deno.build.os === "linux") {
    try {
      const command = new Deno.Command("setpriv", {
        args: ["--version"],
        stdout: "null",
        stderr: "null",
      });
      if ((await command.output()).success) {
        return { file: "setpriv", args: ["--pdeathsig", "TERM", "--", program, ...args] };
      }
    } catch {
      // Without it, a node that is killed leaves its server running; the next start finds the lock free and the port taken.
    }
  }
  return { file: program, args };
}
