/**
 * Where two homes live: behind real routers in network namespaces, or, where those cannot be made, on this machine with nothing but brokers
 * between them. Both end as a whole by `close`.
 */
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { createNatLab, type NatLab, natLabAvailability } from "../../deployments/lab/nat_lab.ts";
import {
  homeSettings,
  type Hubs,
  startHubs,
  startService,
  startTurnServer,
} from "../../deployments/lab/nat_services.ts";
import { findNatsServer, NATS_SERVER_MIN } from "../../deployments/nats/program.ts";
import type { CommandContext } from "../command.ts";
import { CliError, EXIT } from "../exit_codes.ts";
import type { ChildPlace } from "./child_node.ts";
import { waitFor } from "./wait_for.ts";

export const HOME_NAMES = ["Anna", "Ben"] as const;

/** Where a node of the story runs. */
export interface HomePlace {
  readonly place?: ChildPlace;
  readonly multicast: boolean;
}

export interface TwoHomesWorld {
  readonly kind: "routers" | "loopback";
  /** What is real here and what is not, for people. */
  readonly honestly: string;
  /** Where both are set up. */
  readonly kitchen: readonly [HomePlace, HomePlace];
  /** Where they live then; the same places when nobody has to move. */
  readonly homes: readonly [HomePlace, HomePlace];
  /** Breaks the way that is in use and leaves another; says what was broken. */
  breakWay(): Promise<string>;
  mendWay(): Promise<string>;
  /** Cuts Ben's home off from everything; says so. */
  cut(): Promise<string>;
  heal(): Promise<void>;
  close(): Promise<void>;
}

const RELAY_PROGRAM = fileURLToPath(
  new URL("../../deployments/lab/unix_relay.ts", import.meta.url),
);
const TURN_SECRET_BYTES = 24;

/** Builds the best world that can be had here, with settings for both nodes in `folder`. @throws {CliError} without nats-server */
export async function buildTwoHomes(
  context: CommandContext,
  folder: string,
): Promise<TwoHomesWorld> {
  const { texts, environment } = context;
  const server = await findNatsServer({ configured: "", environment });
  if (server.type !== "found") {
    throw new CliError(texts.twoHomes.noServer(NATS_SERVER_MIN), {
      code: "missingProgram",
      exitCode: EXIT.failed,
      hint: texts.twoHomes.noServerHint,
    });
  }
  const tag = context.random.bytes(3).toHex();
  const reason = await whyNoRouters(context, tag);
  const options = { context, folder, natsServer: server.path };
  return reason === null
    ? await behindRouters({ ...options, tag })
    : await onLoopback({ ...options, reason });
}

async function whyNoRouters(context: CommandContext, tag: string): Promise<string | null> {
  const texts = context.texts.twoHomes;
  if (Deno.build.os !== "linux") return texts.notLinux;
  if (Deno.build.standalone) return texts.compiled;
  try {
    // It rejects when there is no such program; what the program says does not matter.
    await new Deno.Command("turnserver", {
      args: ["--version"],
      stdin: "null",
      stdout: "null",
      stderr: "null",
    }).output();
  } catch {
    return texts.noTurn;
  }
  const lab = await natLabAvailability(tag);
  return lab.ok ? null : lab.reason;
}

interface BuildOptions {
  readonly context: CommandContext;
  readonly folder: string;
  readonly natsServer: string;
}

async function behindRouters(
  { context, folder, natsServer, tag }: BuildOptions & { readonly tag: string },
): Promise<TwoHomesWorld> {
  const texts = context.texts.twoHomes;
  const undo = new Undo();
  try {
    const lab = await createNatLab({
      homes: [{ nat: "port-restricted", hosts: 2 }, { nat: "port-restricted" }],
      publicHosts: 2,
      tag,
    });
    undo.add(() => lab.close());
    const [turnPlace, hubPlace] = lab.publicHosts;
    if (turnPlace === undefined || hubPlace === undefined) throw new Error("no public hosts");
    const secret = context.random.bytes(TURN_SECRET_BYTES).toHex();
    const turnServer = await startTurnServer({ place: turnPlace, folder, secret });
    undo.add(() => turnServer.kill());
    const hubs = await startHubs({ places: [hubPlace], folder, natsServer, sites: HOME_NAMES });
    undo.add(() => hubs.close());
    writeSettings({ folder, natsServer, hubs, turn: { place: turnPlace, secret } });
    const place = (home: number, host: number): HomePlace => ({
      place: childPlace(context, { lab, home, host, folder, undo }),
      multicast: true,
    });
    const anna = place(0, 0);
    return {
      kind: "routers",
      honestly: texts.routers,
      kitchen: [anna, place(0, 1)],
      homes: [anna, place(1, 0)],
      async breakWay() {
        await lab.separate(0, 1);
        return texts.separated;
      },
      async mendWay() {
        await lab.join(0, 1);
        return "";
      },
      async cut() {
        await lab.homes[1]?.cut();
        return texts.cut;
      },
      heal: async () => await lab.homes[1]?.heal(),
      close: () => undo.run(),
    };
  } catch (error) {
    await undo.run();
    throw error;
  }
}

function childPlace(
  context: CommandContext,
  { lab, home, host, folder, undo }: {
    readonly lab: NatLab;
    readonly home: number;
    readonly host: number;
    readonly folder: string;
    readonly undo: Undo;
  },
): ChildPlace {
  const machine = lab.homes[home]?.hosts[host];
  if (machine === undefined) throw new RangeError(`No host ${host} in home ${home}`);
  let made = 0;
  return {
    inside: (command) => machine.inside(command),
    async socketTo(port) {
      const socket = join(folder, `${home}${host}${made++}.sock`);
      const program = [Deno.execPath(), "run", "--quiet", "--allow-all", RELAY_PROGRAM];
      const relay = startService(
        machine.inside([...program, socket, String(port)]),
        join(folder, "relay.log"),
      );
      undo.add(() => relay.kill());
      const what = context.texts.demo.events.start;
      await waitFor(context, { what, timeoutMs: 20_000, everyMs: 25 }, async () => {
        const found = await Deno.stat(socket).catch(() => null);
        return found === null ? null : true;
      });
      return socket;
    },
  };
}

async function onLoopback(
  { context, folder, natsServer, reason }: BuildOptions & { readonly reason: string },
): Promise<TwoHomesWorld> {
  const texts = context.texts.twoHomes;
  const place = { address: "127.0.0.1", inside: (command: readonly string[]) => command };
  const hubs = await startHubs({
    places: [place, place, place],
    folder,
    natsServer,
    sites: HOME_NAMES,
    ports: () => ({
      client: freePort(),
      leaf: freePort(),
      cluster: freePort(),
      monitoring: freePort(),
    }),
  });
  writeSettings({ folder, natsServer, hubs, turn: null });
  const here: HomePlace = { multicast: false };
  let killed: readonly string[] = [];
  const kill = async (names: readonly string[]): Promise<void> => {
    killed = names;
    await Promise.all(names.map((name) => hubs.kill(name)));
  };
  const restart = async (): Promise<void> => {
    await Promise.all(killed.map((name) => hubs.start(name)));
    killed = [];
  };
  return {
    kind: "loopback",
    honestly: texts.loopback(reason),
    kitchen: [here, here],
    homes: [here, here],
    async breakWay() {
      // The one that leads the mail: whoever used it has to move, and the others have to elect.
      const name = await hubs.leader() ?? hubs.plan.hubs[0]?.name ?? "";
      await kill([name]);
      return texts.hubKilled(name);
    },
    async mendWay() {
      await restart();
      return texts.hubBack;
    },
    async cut() {
      await kill(hubs.plan.hubs.map(({ name }) => name));
      return texts.cutBroker;
    },
    heal: restart,
    close: () => hubs.close(),
  };
}

function writeSettings(
  { folder, natsServer, hubs, turn }: {
    readonly folder: string;
    readonly natsServer: string;
    readonly hubs: Hubs;
    readonly turn: Parameters<typeof homeSettings>[0]["turn"];
  },
): void {
  for (const name of HOME_NAMES) {
    const directory = homeFolder(folder, name);
    Deno.mkdirSync(directory, { recursive: true, mode: 0o700 });
    const credentials = join(folder, `${name}.nk`);
    const seed = hubs.sites.find((site) => site.name === name)?.seed ?? "";
    Deno.writeTextFileSync(credentials, `${seed}\n`, { mode: 0o600 });
    const settings = homeSettings({
      natsServer,
      hubs: hubs.leafUrls,
      credentials,
      turn,
      relayOnly: turn === null,
    });
    Deno.writeTextFileSync(join(directory, "config.toml"), settings, { mode: 0o600 });
  }
}

/** The data folder of a home's node. */
export function homeFolder(folder: string, name: string): string {
  return join(folder, name.toLowerCase());
}

function freePort(): number {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr as Deno.NetAddr;
  listener.close();
  return port;
}

/** Things to take down, last made first; a failure stops none of the others. */
class Undo {
  readonly #steps: (() => Promise<unknown>)[] = [];

  add(step: () => Promise<unknown>): void {
    this.#steps.push(step);
  }

  async run(): Promise<void> {
    for (let step = this.#steps.pop(); step !== undefined; step = this.#steps.pop()) {
      await step().catch(() => {});
    }
  }
}
