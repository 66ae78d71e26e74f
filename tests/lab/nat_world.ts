/**
 * Two homes behind routers, a TURN server and NATS hubs between them, and in each home a real node that was paired with the other one
 * beforehand: as at the kitchen table, then carried home. Built from `deployments/lab`; ended as a whole by `close`.
 */
import {
  createNatLab,
  type Home,
  type Machine,
  type NatKind,
  type NatLab,
} from "../../deployments/lab/nat_lab.ts";
import {
  homeSettings,
  type Hubs,
  type Service,
  startHubs,
  startTurnServer,
} from "../../deployments/lab/nat_services.ts";
import type { PeerView } from "../../actors/handle.ts";
import { HostProcess } from "./host_process.ts";
import type { Finished } from "./lab.ts";
import { labAvailability } from "./lab.ts";
import { connected, LabNode, type NodeHost, pair, until } from "./mesh_lab.ts";
import { natsServer } from "./nats_server.ts";

/** How the frames of a session travel. */
export type WayKind = "direct" | "turn" | "nats";
export interface Way {
  readonly path: WayKind;
  readonly transport: string;
}

const TURN_SECRET = "of-the-lab-only";
const PAIRED_MS = 20_000;
const NAMES = ["anna", "ben"] as const;

export interface NatWorldOptions {
  readonly nats: readonly [NatKind, NatKind];
  /** Data folders, logs and sockets go here. */
  readonly folder: string;
  /** Default 1; 3 make a cluster. */
  readonly hubs?: 1 | 3;
  /** The nodes may reach the TURN server over TCP as well; default no. */
  readonly turnTcp?: boolean;
}

/** Why such a world cannot be made here; null when it can. */
export async function whyNoNatWorld(): Promise<string | null> {
  const lab = await labAvailability();
  if (!lab.ok) return lab.reason;
  for (const [program, name] of [["nft", "nftables"], ["turnserver", "coturn"]] as const) {
    const found = await new Deno.Command("which", { args: [program], stdout: "null" }).output();
    if (!found.success) return `the program ${program} (package ${name}) is missing`;
  }
  const server = await natsServer();
  return server.ok ? null : server.reason;
}

/** A host of the NAT lab that remembers what it started. */
class NatHost implements NodeHost {
  readonly #processes: HostProcess[] = [];

  constructor(readonly machine: Machine) {}

  get namespace(): string {
    return this.machine.namespace;
  }

  spawn(command: readonly string[], env: Record<string, string> = {}): HostProcess {
    const process = new HostProcess(this.machine.inside(command), env);
    this.#processes.push(process);
    return process;
  }

  async run(...command: readonly string[]): Promise<Finished> {
    const [program = "", ...args] = this.machine.inside(command);
    const options = { args, stdin: "null", stdout: "piped", stderr: "piped" } as const;
    const { code, stdout, stderr } = await new Deno.Command(program, options).output();
    const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
    return { code, stdout: decode(stdout), stderr: decode(stderr) };
  }

  async end(): Promise<void> {
    await Promise.all(this.#processes.map((process) => process.end()));
  }
}

export type WorldNode = LabNode<NodeHost>;

/** The world; make it with `createNatWorld`. */
export class NatWorld {
  /** Anna's in home 0, Ben's in home 1. */
  nodes: readonly [WorldNode, WorldNode];
  turn: Service;
  #closing: Promise<void> | undefined;

  constructor(
    readonly lab: NatLab,
    readonly hubs: Hubs,
    private readonly parts: {
      readonly hosts: readonly NatHost[];
      readonly guest: WorldNode;
      readonly startTurn: () => Promise<Service>;
      readonly turn: Service;
      readonly nodes: readonly [WorldNode, WorldNode];
    },
  ) {
    this.nodes = parts.nodes;
    this.turn = parts.turn;
  }

  get anna(): WorldNode {
    return this.nodes[0];
  }
  get ben(): WorldNode {
    return this.nodes[1];
  }
  /** Ben's node as a guest in Anna's home, as when both were paired. It has the data of `ben`: only one of the two may run. */
  get guest(): WorldNode {
    return this.parts.guest;
  }
  home(index: 0 | 1): Home {
    return this.lab.homes[index]!;
  }

  async restartTurn(): Promise<void> {
    this.turn = await this.parts.startTurn();
  }

  /** Asks both nodes to end. */
  async stopNodes(): Promise<void> {
    await Promise.all(this.nodes.map((node) => node.stop()));
  }

  /** Ends and removes everything; twice is harmless. */
  close(): Promise<void> {
    return this.#closing ??= this.#close();
  }

  async #close(): Promise<void> {
    for (const node of [...this.nodes, this.guest]) node[Symbol.dispose]();
    await Promise.all(this.parts.hosts.map((host) => host.end()));
    await this.turn.kill();
    await this.hubs.close();
    await this.lab.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

/** Makes the world with both nodes paired, carried home, and not running. @throws with what did not come up; nothing is left behind */
export async function createNatWorld(options: NatWorldOptions): Promise<NatWorld> {
  const { folder, nats, hubs: hubCount = 1, turnTcp = false } = options;
  const server = await natsServer();
  if (!server.ok) throw new Error(server.reason);
  const lab = await createNatLab({
    homes: [{ nat: nats[0], hosts: 2 }, { nat: nats[1] }],
    publicHosts: 1 + hubCount,
    tag: crypto.getRandomValues(new Uint8Array(3)).toHex(),
  });
  const undo: (() => Promise<unknown>)[] = [() => lab.close()];
  try {
    const [turnPlace, ...hubPlaces] = lab.publicHosts as [Machine, ...Machine[]];
    const services = `${folder}/public`;
    await Deno.mkdir(services, { recursive: true });
    const startTurn = () =>
      startTurnServer({ place: turnPlace, folder: services, secret: TURN_SECRET });
    const [turn, hubs] = await Promise.all([
      startTurn().then((turn) => (undo.push(() => turn.kill()), turn)),
      startHubs({
        places: hubPlaces,
        folder: services,
        natsServer: server.path,
        sites: [...NAMES],
      }).then((hubs) => (undo.push(() => hubs.close()), hubs)),
    ]);
    for (const [index, name] of NAMES.entries()) {
      const site = hubs.sites[index]!;
      await writeSettings({
        folder,
        name,
        natsServer: server.path,
        hubs,
        seed: site.seed,
        turnPlace,
        turnTcp,
      });
    }
    const places = [lab.homes[0]!.hosts[0]!, lab.homes[0]!.hosts[1]!, lab.homes[1]!.hosts[0]!];
    const hosts = places.map((machine) => new NatHost(machine));
    undo.push(() => Promise.all(hosts.map((host) => host.end())));
    const [atHome, guest, away] = hosts as [NatHost, NatHost, NatHost];
    const start = (host: NatHost, name: string) => LabNode.start<NodeHost>({ host, name, folder });
    const [anna, benHere] = await Promise.all([start(atHome, "anna"), start(guest, "ben")]);
    const invite = await anna.invite({ role: "owner" });
    await pair(anna, benHere, invite.link);
    await connected(anna, benHere, PAIRED_MS);
    await until("both to be in sync", PAIRED_MS, async () => {
      const [there, back] = [await anna.peer(benHere), await benHere.peer(anna)];
      return there?.inSync === true && back?.inSync === true;
    });
    await Promise.all([anna.stop(), benHere.stop()]);
    const ben = await LabNode.prepare<NodeHost>({ host: away, name: "ben", folder });
    return new NatWorld(lab, hubs, {
      hosts,
      guest: benHere,
      startTurn,
      turn,
      nodes: [anna, ben],
    });
  } catch (error) {
    for (const step of undo.reverse()) await step().catch(() => {});
    throw error;
  }
}

async function writeSettings(
  { folder, name, natsServer, hubs, seed, turnPlace, turnTcp }: {
    readonly folder: string;
    readonly name: string;
    readonly natsServer: string;
    readonly hubs: Hubs;
    readonly seed: string;
    readonly turnPlace: Machine;
    readonly turnTcp: boolean;
  },
): Promise<void> {
  const data = `${folder}/${name}`;
  await Deno.mkdir(data, { recursive: true, mode: 0o700 });
  const credentials = `${folder}/${name}.nk`;
  await Deno.writeTextFile(credentials, `${seed}\n`, { mode: 0o600 });
  const turn = { place: turnPlace, secret: TURN_SECRET, tcp: turnTcp };
  const settings = homeSettings({ natsServer, hubs: hubs.leafUrls, credentials, turn });
  await Deno.writeTextFile(`${data}/config.toml`, settings, { mode: 0o600 });
}

/** The way a session takes; undefined while it is not up. */
export function wayOf(peer: PeerView | undefined): Way | undefined {
  if (peer?.state !== "up" || peer.path === null) return undefined;
  const path = peer.path === "nats" ? "nats" : peer.relayed ? "turn" : "direct";
  return { path, transport: peer.path };
}
