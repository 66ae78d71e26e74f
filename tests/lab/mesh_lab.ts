/** The real program on hosts of the lab: started with its command line, watched through its events, asked over its HTTP API. */
import { createHash } from "node:crypto";
import { fileURLToPath } from "node:url";
import type { NodeEvent } from "../../actors/events.ts";
import type {
  InviteOptions,
  InviteView,
  MemberView,
  NodeStatus,
  PairingView,
  PeerView,
} from "../../actors/handle.ts";
import type { SearchPage } from "../../store/store.ts";
import type { HostProcess } from "./host_process.ts";
import type { Finished, Host } from "./lab.ts";
import { stretched } from "../busy_machine.ts";

const program = (path: string) => fileURLToPath(new URL(path, import.meta.url));
const MAIN = program("../../cli/main.ts");
const RELAY = program("../../deployments/lab/unix_relay.ts");
const RUN = [Deno.execPath(), "run", "--quiet", "--no-check", "-A"];
/** Each host has a loopback of its own, so every gateway may have the same port. */
const GATEWAY_PORT = 7_463;
export const RENDEZVOUS_PORT = 7_464;
const START_MS = 20_000;
const POLL_MS = 25;

export interface Ready {
  readonly type: "ready";
  readonly pid: number;
  readonly deviceId: string;
  readonly rendezvousAddresses: readonly string[];
  readonly multicast: boolean;
}

/** Where a node runs: a host of one of the labs. */
export interface NodeHost {
  readonly namespace: string;
  spawn(command: readonly string[], env?: Record<string, string>): HostProcess;
  run(...command: readonly string[]): Promise<Finished>;
}

export interface LabNodeOptions<H extends NodeHost = Host> {
  readonly host: H;
  /** Shown to people; also the name of the data folder. */
  readonly name: string;
  /** Where data folders and sockets are made. */
  readonly folder: string;
  /** More arguments of `submind up`. */
  readonly args?: readonly string[];
  /** Default 7463; another one for a second node on the same host. */
  readonly gatewayPort?: number;
}

/** What a call of the HTTP API gave. */
export interface Answer {
  readonly status: number;
  readonly text: string;
}

/** Asks until `attempt` gives something. @throws after `timeoutMs`, longer on a busy machine, naming what was waited for */
export async function until<T>(
  what: string,
  timeoutMs: number,
  attempt: () => Promise<T | undefined | false>,
): Promise<T> {
  const startedMs = performance.now();
  while (true) {
    const found = await attempt();
    if (found !== undefined && found !== false) return found;
    const waitedMs = Math.round(performance.now() - startedMs);
    if (waitedMs > stretched(timeoutMs)) throw new Error(`Waited ${waitedMs} ms for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

/** Runs `work` and gives how long it took, whole ms. */
export async function stopwatch(work: () => Promise<unknown>): Promise<number> {
  const startedMs = performance.now();
  await work();
  return Math.round(performance.now() - startedMs);
}

/** One `submind up` on a host. It survives being killed: `start` again continues with the same data. */
export class LabNode<H extends NodeHost = Host> {
  readonly name: string;
  readonly host: H;
  readonly data: string;
  readonly #args: readonly string[];
  readonly #gatewayPort: number;
  readonly #socket: string;
  readonly #http: Deno.HttpClient;
  #process: HostProcess | undefined;
  #ready: Ready | undefined;
  #token = "";

  private constructor(options: LabNodeOptions<H>) {
    this.host = options.host;
    this.name = options.name;
    this.data = `${options.folder}/${options.name}`;
    this.#args = options.args ?? [];
    this.#gatewayPort = options.gatewayPort ?? GATEWAY_PORT;
    // A node may be carried to another host with its data; the old relay still listens then.
    this.#socket = `${options.folder}/${options.name}-${options.host.namespace}.sock`;
    const socket = this.#socket;
    this.#http = Deno.createHttpClient({ proxy: { transport: "unix", path: socket } });
  }

  /** Starts a node and waits until it answers. */
  static async start<H extends NodeHost>(options: LabNodeOptions<H>): Promise<LabNode<H>> {
    const node = new LabNode(options);
    await Promise.all([node.#listen(), node.start()]);
    return node;
  }

  /** A node that does not run yet: with the data of another host, for example. */
  static async prepare<H extends NodeHost>(options: LabNodeOptions<H>): Promise<LabNode<H>> {
    const node = new LabNode(options);
    await node.#listen();
    return node;
  }

  async #listen(): Promise<void> {
    const relay = this.host.spawn([...RUN, RELAY, this.#socket, String(this.#gatewayPort)]);
    await relay.waitFor((lines) => lines.includes("listening") || undefined, START_MS);
  }

  get id(): string {
    return this.ready.deviceId;
  }
  get ready(): Ready {
    if (this.#ready === undefined) throw new Error(`${this.name} is not running`);
    return this.#ready;
  }
  get process(): HostProcess {
    if (this.#process === undefined) throw new Error(`${this.name} is not running`);
    return this.#process;
  }
  /** The place in its events from which `event` may look: now. */
  get mark(): number {
    return this.process.lines.length;
  }

  async start(): Promise<void> {
    const rendezvousPort = this.#gatewayPort === GATEWAY_PORT ? RENDEZVOUS_PORT : 0;
    const ports = [
      "--gateway-port",
      `${this.#gatewayPort}`,
      "--rendezvous-port",
      `${rendezvousPort}`,
    ];
    const up = ["up", "--json", "--data", this.data, "--name", this.name, "--log-level", "warning"];
    this.#process = this.host.spawn([...RUN, MAIN, ...up, ...ports, ...this.#args]);
    this.#ready = await this.#process.waitFor(
      (lines) => parsed<Ready>(lines).find(({ type }) => type === "ready"),
      START_MS,
    );
    const file = JSON.parse(await Deno.readTextFile(`${this.data}/run/node.json`));
    this.#token = file.token;
  }

  /** The first event from `from` on that fits, now or later. */
  async event<Type extends NodeEvent["type"]>(
    type: Type,
    options: {
      readonly timeoutMs: number;
      readonly from?: number;
      readonly fits?: (event: Extract<NodeEvent, { type: Type }>) => boolean;
    },
  ): Promise<Extract<NodeEvent, { type: Type }>> {
    const { timeoutMs, from = 0, fits = () => true } = options;
    type Wanted = Extract<NodeEvent, { type: Type }>;
    const find = (lines: readonly string[]) =>
      parsed<NodeEvent>(lines.slice(from)).find((event): event is Wanted =>
        event.type === type && fits(event as Wanted)
      );
    try {
      return await this.process.waitFor(find, timeoutMs);
    } catch (cause) {
      const message = `${this.name} waited ${timeoutMs} ms for the event ${type} in vain`;
      throw new Error(message, { cause });
    }
  }

  /** Calls the HTTP API as the owner. */
  async call(path: string, init: RequestInit = {}): Promise<Answer> {
    const headers = new Headers(init.headers);
    headers.set("authorization", `Bearer ${this.#token}`);
    const response = await fetch(`http://localhost:${this.#gatewayPort}${path}`, {
      ...init,
      headers,
      client: this.#http,
    }).catch((cause: unknown) => {
      const last = this.process.stderr.slice(-2_000);
      const state = this.process.ended ? "has ended" : "runs";
      throw new Error(`${this.name}, which ${state}, does not answer ${path}: ${last}`, { cause });
    });
    return { status: response.status, text: await response.text() };
  }

  /** Calls with a JSON body (POST) or without (GET). @throws when the node refuses */
  async json<T>(path: string, body?: unknown, headers: Record<string, string> = {}): Promise<T> {
    const answer = await this.call(
      path,
      body === undefined ? {} : {
        method: "POST",
        headers: { "content-type": "application/json", ...headers },
        body: JSON.stringify(body),
      },
    );
    if (answer.status >= 300) {
      throw new Error(`${this.name}: ${path} answered ${answer.status}: ${answer.text}`);
    }
    return (answer.text === "" ? null : JSON.parse(answer.text)) as T;
  }

  status(): Promise<NodeStatus> {
    return this.json("/v1/status");
  }
  async peers(): Promise<readonly PeerView[]> {
    return (await this.json<{ peers: readonly PeerView[] }>("/v1/peers")).peers;
  }
  async peer(other: LabNode<NodeHost>): Promise<PeerView | undefined> {
    return (await this.peers()).find(({ deviceId }) => deviceId === other.id);
  }
  async pairings(): Promise<readonly PairingView[]> {
    return (await this.json<{ pairings: readonly PairingView[] }>("/v1/pairings")).pairings;
  }
  invite(options: InviteOptions): Promise<InviteView> {
    return this.json("/v1/invites", options);
  }
  search(text: string): Promise<SearchPage> {
    return this.json(`/v1/search?text=${encodeURIComponent(text)}`);
  }

  /** Adds a text; its id. */
  async add(text: string, topic = "notes"): Promise<string> {
    const { blocks } = await this.json<{ blocks: { id: string }[] }>("/v1/blocks", { topic, text });
    return blocks[0]?.id ?? "";
  }

  /** Ids of every block here, sorted. */
  async blockIds(): Promise<readonly string[]> {
    const ids: string[] = [];
    let cursor: string | null = null;
    do {
      const more: string = cursor === null ? "" : `&cursor=${cursor}`;
      const page: { blocks: { id: string }[]; nextCursor: string | null } = await this.json(
        `/v1/blocks?limit=500${more}`,
      );
      ids.push(...page.blocks.map(({ id }) => id));
      cursor = page.nextCursor;
    } while (cursor !== null);
    return ids.toSorted();
  }

  /** The registry as this node sees it, without what differs by who looks. */
  async registry(): Promise<readonly Omit<MemberView, "self">[]> {
    const { members } = await this.json<{ members: readonly MemberView[] }>("/v1/members");
    return members.map(({ self: _, ...member }) => member)
      .toSorted((a, b) => a.deviceId < b.deviceId ? -1 : 1);
  }

  /** SHA-256 of a block's whole body. */
  async bodyHash(id: string): Promise<string> {
    const response = await fetch(`http://localhost:${this.#gatewayPort}/v1/blocks/${id}/body`, {
      headers: { authorization: `Bearer ${this.#token}` },
      client: this.#http,
    });
    const bytes = new Uint8Array(await response.arrayBuffer());
    return createHash("sha256").update(bytes).digest("hex");
  }

  /** Another command of the program, on this host and for this node. */
  cli(...args: readonly string[]): Promise<Finished> {
    return this.host.run(...RUN, MAIN, ...args, "--data", this.data, "--json");
  }

  /** Ends the process without warning and waits for its end. */
  async kill(): Promise<void> {
    await this.process.end();
  }

  /** Asks it to end; its exit code and the time it took, ms. */
  async stop(): Promise<{ readonly code: number; readonly ms: number }> {
    const startedMs = performance.now();
    this.process.kill("SIGTERM");
    const { code } = await this.process.status();
    return { code, ms: Math.round(performance.now() - startedMs) };
  }

  /** Closes what this process holds open for it. */
  [Symbol.dispose](): void {
    this.#http.close();
  }
}

function parsed<T>(lines: readonly string[]): T[] {
  return lines.filter((line) => line.startsWith("{")).map((line) => JSON.parse(line) as T);
}

/** Waits until the session between the two is up on both sides. */
export async function connected(
  a: LabNode<NodeHost>,
  b: LabNode<NodeHost>,
  timeoutMs: number,
): Promise<void> {
  await until(`a session between ${a.name} and ${b.name}`, timeoutMs, async () => {
    const [there, back] = [await a.peer(b), await b.peer(a)];
    return there?.state === "up" && back?.state === "up";
  });
}

/** Waits until every node has the same block ids, all of `wanted` among them; how many they are. */
export async function converged(
  nodes: readonly LabNode<NodeHost>[],
  wanted: readonly string[],
  timeoutMs: number,
): Promise<number> {
  const names = nodes.map(({ name }) => name).join(", ");
  return await until(`equal block ids on ${names}`, timeoutMs, async () => {
    const [first = [], ...others] = await Promise.all(nodes.map((node) => node.blockIds()));
    const have = new Set(first);
    const equal = others.every((ids) =>
      ids.length === first.length && ids.every((id) => have.has(id))
    );
    return equal && wanted.every((id) => have.has(id)) && first.length;
  });
}

/** Pairs through an invite as two people would; the words both saw. */
export async function pair(
  inviter: LabNode<NodeHost>,
  joiner: LabNode<NodeHost>,
  linkOrCode: string,
): Promise<readonly [string, string]> {
  const started = await joiner.json<PairingView>("/v1/pairings", { linkOrCode });
  const words = (node: LabNode<NodeHost>, other: LabNode<NodeHost>) =>
    until(`words on ${node.name}`, 10_000, async () => {
      const views = await node.pairings();
      const own = views.find(({ pairingId }) => pairingId === started.pairingId);
      if (own?.phase === "failed") throw new Error(`pairing failed: ${own.problem}`);
      return views.find((view) => view.remoteDeviceId === other.id && view.phase === "confirming");
    });
  const [there, here] = await Promise.all([words(joiner, inviter), words(inviter, joiner)]);
  const confirm = (node: LabNode<NodeHost>, view: PairingView) =>
    node.json(`/v1/pairings/${view.pairingId}/confirm`, { wordsMatch: true });
  await Promise.all([confirm(inviter, here), confirm(joiner, there)]);
  const completed = (node: LabNode<NodeHost>, { pairingId }: PairingView) =>
    until(`the pairing to complete on ${node.name}`, 10_000, async () => {
      const view = (await node.pairings()).find((item) => item.pairingId === pairingId);
      if (view?.phase === "failed") throw new Error(`pairing failed: ${view.problem}`);
      return view?.phase === "completed";
    });
  await Promise.all([completed(inviter, here), completed(joiner, there)]);
  return [here.words.join(" "), there.words.join(" ")];
}

/** How an invite is refused: the phase and problem of the joiner's pairing, or the answer of the API. */
export async function refusedPairing(
  joiner: LabNode<NodeHost>,
  linkOrCode: string,
): Promise<string> {
  const answer = await joiner.call("/v1/pairings", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ linkOrCode }),
  });
  if (answer.status >= 300) return `${answer.status} ${answer.text}`;
  const { pairingId } = JSON.parse(answer.text) as PairingView;
  const view = await until(`the refusal on ${joiner.name}`, 10_000, async () => {
    const found = (await joiner.pairings()).find((item) => item.pairingId === pairingId);
    if (found?.phase === "confirming") throw new Error("the invite was accepted");
    return found?.phase === "failed" || found?.phase === "refused" ? found : undefined;
  });
  return `${view.phase}: ${view.problem}`;
}

/** The mesh tag that discovery announces for a mesh. */
export function meshTag(mesh: string): string {
  return createHash("sha256").update("kiana mesh tag").update(mesh, "hex").digest("hex").slice(
    0,
    8,
  );
}
