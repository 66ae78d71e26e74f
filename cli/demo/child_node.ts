/** A node as a process of its own: `submind up` in its own folder on its own ports, watched through its output. */
import { z } from "zod";
import { fileURLToPath } from "node:url";
import { NodeClient } from "../client.ts";
import { readLines } from "../client_events.ts";
import type { CommandContext } from "../command.ts";
import { CliError, EXIT } from "../exit_codes.ts";
import { readNodeFile } from "../node_file.ts";
import { sleep } from "../wait.ts";

const readySchema = z.object({
  type: z.literal("ready"),
  deviceId: z.string(),
  gatewayUrl: z.string(),
  loginUrl: z.string(),
  rendezvousAddresses: z.array(z.string()),
  multicast: z.boolean(),
});

/** What a node says once it answers. */
export type Ready = z.output<typeof readySchema>;

export interface ChildOptions {
  readonly name: string;
  readonly directory: string;
  readonly multicast: boolean;
  /** 0 takes any; a node that comes back uses the port it had. */
  readonly rendezvousPort: number;
  /** Where it runs when not simply on this machine. */
  readonly place?: ChildPlace;
}

/** A network of its own in which a node runs. */
export interface ChildPlace {
  /** The command line that runs `command` there. */
  inside(command: readonly string[]): readonly string[];
  /** A Unix socket that leads to a port of its loopback. */
  socketTo(port: number): Promise<string>;
}

export interface ChildNode {
  readonly name: string;
  readonly options: ChildOptions;
  readonly ready: Ready;
  readonly client: NodeClient;
  /** The port others reach it at. */
  readonly rendezvousPort: number;
  /** Whether its process is still there. */
  running(): boolean;
  /** Ends it without any chance to say goodbye. */
  kill(): Promise<void>;
  /** Asks it to end, insists after a while. */
  stop(): Promise<void>;
}

const START_TIMEOUT_MS = 60_000;
const STOP_TIMEOUT_MS = 5_000;

/** Starts a node and waits until it answers. Throws `CliError` when it ends or says nothing in time. */
export async function startChild(
  context: CommandContext,
  options: ChildOptions,
): Promise<ChildNode> {
  const { place } = options;
  const command = [Deno.execPath(), ...programArguments(), ...upArguments(options)];
  const [program = "", ...args] = place?.inside(command) ?? command;
  const process = new Deno.Command(program, {
    args,
    env: environmentOf(context),
    clearEnv: true,
    // When this process dies, whatever the way, the pipe closes and the node ends by itself.
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  let alive = true;
  const status = process.status.then((ended) => {
    alive = false;
    return ended;
  });
  void writeLog(process.stderr, `${options.directory}.log`);

  const lines = readLines(process.stdout);
  const first = await Promise.race([
    firstReady(lines),
    status.then((ended) => ended.code),
    sleep(context.clock, START_TIMEOUT_MS, context.interrupted).then(() => null),
  ]);
  const send = (signal: Deno.Signal) => {
    try {
      if (alive) process.kill(signal);
    } catch (error) {
      // It has ended, and the word about that is still on its way.
      if (!(error instanceof TypeError)) throw error;
    }
  };
  const stop = async () => {
    for (const signal of ["SIGTERM", "SIGKILL"] as const) {
      send(signal);
      const ended = status.then(() => true);
      const late = sleep(context.clock, STOP_TIMEOUT_MS).then(() => false);
      if (await Promise.race([ended, late])) break;
    }
    await process.stdin.close().catch(() => undefined);
  };
  const found = readNodeFile(options.directory);
  if (first === null || typeof first === "number" || found.type !== "found") {
    await stop();
    throw startError(context, options, typeof first === "number" ? first : null);
  }
  void drain(lines);
  const socket = await place?.socketTo(Number(new URL(first.gatewayUrl).port));
  return {
    name: options.name,
    options,
    ready: first,
    client: new NodeClient(found.node, context.texts, socket),
    rendezvousPort: portOf(first) ?? options.rendezvousPort,
    running: () => alive,
    stop,
    async kill() {
      send("SIGKILL");
      await status;
    },
  };
}

function programArguments(): readonly string[] {
  // A compiled program is its own executable; from the checkout the runtime is told what to run.
  if (Deno.build.standalone) return [];
  return ["run", "--allow-all", fileURLToPath(new URL("../main.ts", import.meta.url))];
}

function upArguments(options: ChildOptions): readonly string[] {
  return [
    ...["up", "--json", "--until-stdin-closes", "--data", options.directory],
    ...["--name", options.name, "--gateway-port", "0"],
    ...["--rendezvous-port", String(options.rendezvousPort), "--log-level", "info"],
    ...(options.multicast ? [] : ["--no-multicast"]),
  ];
}

/** The demo shows what it shows on every machine: settings of the person stay out of it. */
function environmentOf(context: CommandContext): Record<string, string> {
  return Object.fromEntries(
    Object.entries(context.environment).filter(([name]) => !name.startsWith("SUBMIND_")),
  );
}

async function firstReady(lines: AsyncGenerator<string>): Promise<Ready | null> {
  while (true) {
    const { value, done } = await lines.next();
    if (done === true) return await new Promise<never>(() => undefined);
    try {
      const parsed = readySchema.safeParse(JSON.parse(value));
      if (parsed.success) return parsed.data;
    } catch {
      // Not a line of ours: the status of the process tells the rest.
    }
  }
}

async function drain(lines: AsyncGenerator<string>): Promise<void> {
  try {
    for await (const _ of lines) { /* A full pipe would stop the node. */ }
  } catch {
    // It was killed in the middle of a line, as the story demands.
  }
}

async function writeLog(stderr: ReadableStream<Uint8Array>, path: string): Promise<void> {
  try {
    const file = await Deno.open(path, { write: true, create: true, append: true, mode: 0o600 });
    await stderr.pipeTo(file.writable);
  } catch {
    // The folder is removed while the last lines come: nobody will read them.
  }
}

function portOf(ready: Ready): number | null {
  const port = ready.rendezvousAddresses.map((address) => Number(new URL(address).port))[0];
  return port === undefined || !Number.isInteger(port) ? null : port;
}

function startError(
  context: CommandContext,
  options: ChildOptions,
  code: number | null,
): CliError {
  const texts = context.texts.demo;
  const message = code === null
    ? texts.waited(`${texts.events.start} (${options.name})`, `${START_TIMEOUT_MS / 1_000} s`)
    : texts.exited(options.name, code);
  const hint = texts.waitedHint(`${options.directory}.log`);
  return new CliError(message, { code: "demo", exitCode: EXIT.failed, hint });
}
