/**
 * Messages flow between two homes while what carries them is killed: each home's broker, the hub that leads, the link to the hubs, a node
 * itself, the TURN server. The order and the moments come from a seed; in the end everything is counted.
 */
import type { MessageView } from "../../actors/mail_handle.ts";
import type { Random } from "../../platform/ports.ts";
import { seededRandom } from "../../platform/seeded_random.ts";
import { until } from "./mesh_lab.ts";
import { countMail, type MailCount, sendMail } from "./nat_mail.ts";
import { createNatWorld, type NatWorld, type WayKind, wayOf, type WorldNode } from "./nat_world.ts";

/** What is done to the homes. `turn` is killed while the way leads through it, everything else while the broker is the only way. */
const FAULTS = ["leaf", "hubLeader", "leafLink", "node", "turn"] as const;
export type Fault = typeof FAULTS[number];

/** One fault and how long it was felt. */
export interface FaultResult {
  readonly fault: Fault;
  /** The home it was done to; null for what stands between them. */
  readonly home: 0 | 1 | null;
  /** Until a message of each side, written right after the fault, was shown at the other, ms; of `leafLink` counted from healing. */
  readonly failover_ms: number;
}

/** What became of everything. */
export interface FaultsReport {
  readonly seed: string;
  readonly messages: number;
  readonly lost: number;
  readonly duplicated: number;
  readonly ordered: boolean;
  readonly faults: readonly FaultResult[];
  /** From the first message to the last one shown. */
  readonly ms: number;
}

const UP_MS = 60_000;
const FELT_MS = 120_000;
const ARRIVED_MS = 180_000;
const CUT_MS = 5_000;
/** Messages between two looks at how many may be sent. */
const BATCH = 8;
const RETRY_MS = 250;

export async function runFaults(
  { seed, messages, folder, signal, onProgress }: {
    readonly seed: string;
    /** Both directions together. */
    readonly messages: number;
    readonly folder: string;
    readonly signal?: AbortSignal;
    readonly onProgress: (text: string) => void;
  },
): Promise<FaultsReport> {
  onProgress("making two homes, a TURN server and three hubs; pairing the nodes on one LAN");
  const random = seededRandom(seed);
  await using world = await createNatWorld({
    nats: ["symmetric", "udp-blocked"],
    folder,
    hubs: 3,
  });
  signal?.addEventListener("abort", () => void world.close(), { once: true });
  signal?.throwIfAborted();
  await Promise.all(world.nodes.map((node) => node.start()));
  await waitForWay(world, "nats");
  const startedMs = performance.now();
  const flow = new Flow(world, messages / 2);
  const faults: FaultResult[] = [];
  try {
    const order = shuffled(FAULTS.filter((fault) => fault !== "turn"), random);
    for (const [index, fault] of [...order, "turn" as const].entries()) {
      // Spread over the first three quarters of what flows, at moments that differ from seed to seed.
      await flow.reached((index + 0.2 + 0.6 * random.float()) / FAULTS.length * 0.75);
      if (fault === "turn") {
        await world.home(1).setNat("symmetric");
        await waitForWay(world, "turn");
      }
      const home = fault === "hubLeader" || fault === "turn" ? null : random.float() < 0.5 ? 0 : 1;
      onProgress(`${flow.sent} sent; ${fault}${home === null ? "" : ` of home ${home}`}`);
      const failover_ms = await inject(world, fault, home);
      onProgress(`felt for ${failover_ms} ms`);
      faults.push({ fault, home, failover_ms });
    }
    await flow.end();
  } finally {
    flow.stop();
  }
  onProgress(`${flow.sent} sent; waiting for the last to arrive`);
  const counts = [
    await countMail(world.ben, flow.texts[0], ARRIVED_MS),
    await countMail(world.anna, flow.texts[1], ARRIVED_MS),
  ];
  const sum = (of: (count: MailCount) => number) => counts.reduce((all, one) => all + of(one), 0);
  return {
    seed,
    messages: sum(({ sent }) => sent),
    lost: sum(({ lost }) => lost),
    duplicated: sum(({ duplicated }) => duplicated),
    ordered: counts.every(({ ordered }) => ordered),
    faults,
    ms: Math.round(performance.now() - startedMs),
  };
}

/** Does it, and measures how long it is felt. */
async function inject(world: NatWorld, fault: Fault, home: 0 | 1 | null): Promise<number> {
  const startedMs = performance.now();
  const since = (ms: number) => Math.round(performance.now() - ms);
  switch (fault) {
    case "leaf": {
      Deno.kill(await leafPid(world.nodes[home ?? 0]), "SIGKILL");
      await probe(world, "leaf");
      return since(startedMs);
    }
    case "hubLeader": {
      const name = await until(
        "a hub that leads",
        UP_MS,
        async () => await world.hubs.leader() ?? undefined,
      );
      const killedMs = performance.now();
      await world.hubs.kill(name);
      await probe(world, "hub");
      const ms = since(killedMs);
      await world.hubs.start(name);
      return ms;
    }
    case "leafLink": {
      await world.home(home ?? 0).cut();
      const probes = send(world, "link");
      await new Promise((resolve) => setTimeout(resolve, CUT_MS));
      await world.home(home ?? 0).heal();
      const healedMs = performance.now();
      await shownAt(world, await probes);
      return since(healedMs);
    }
    case "node": {
      const node = world.nodes[home ?? 0];
      await node.kill();
      await node.start();
      await probe(world, "node");
      return since(startedMs);
    }
    case "turn": {
      await world.turn.kill();
      await probe(world, "turn");
      const ms = since(startedMs);
      await world.restartTurn();
      return ms;
    }
    default:
      return fault satisfies never;
  }
}

async function probe(world: NatWorld, name: string): Promise<void> {
  await shownAt(world, await send(world, name));
}

/** A message each way; beside the numbered ones that are counted. */
function send(world: NatWorld, name: string): Promise<readonly [MessageView, MessageView]> {
  const { anna, ben } = world;
  return Promise.all([sendMail(anna, ben, `probe ${name}`), sendMail(ben, anna, `probe ${name}`)]);
}

async function shownAt(
  { anna, ben }: NatWorld,
  [toBen, toAnna]: readonly [MessageView, MessageView],
): Promise<void> {
  const isThere = async (node: WorldNode, { message }: MessageView) =>
    (await node.call(`/v1/messages/${message}`)).status === 200;
  await until(
    "messages written after the fault",
    FELT_MS,
    async () => await isThere(ben, toBen) && await isThere(anna, toAnna),
  );
}

async function waitForWay(world: NatWorld, path: WayKind): Promise<void> {
  await until(`the path "${path}"`, UP_MS, async () => {
    const [there, back] = [await world.anna.peer(world.ben), await world.ben.peer(world.anna)];
    return wayOf(there)?.path === path && wayOf(back)?.path === path;
  });
}

/** Process id of the nats-server that a node runs. */
async function leafPid(node: WorldNode): Promise<number> {
  const { pid } = node.process;
  for await (const task of Deno.readDir(`/proc/${pid}/task`)) {
    const children = await Deno.readTextFile(`/proc/${pid}/task/${task.name}/children`);
    for (const child of children.trim().split(" ").filter((text) => text !== "")) {
      const name = await Deno.readTextFile(`/proc/${child}/comm`).catch(() => "");
      if (name.trim() === "nats-server") return Number(child);
    }
  }
  throw new Error(`${node.name} runs no nats-server`);
}

function shuffled<T>(items: readonly T[], random: Random): T[] {
  const left = [...items];
  const order: T[] = [];
  while (left.length > 0) order.push(...left.splice(Math.floor(random.float() * left.length), 1));
  return order;
}

/** Messages of both sides, sent as fast as the nodes take them, whatever happens to the nodes meanwhile. */
class Flow {
  readonly texts: readonly [readonly string[], readonly string[]];
  #sent = 0;
  #stopped = false;
  readonly #running: Promise<unknown>;
  readonly #done: [number, number] = [0, 0];
  #target = 0;

  constructor(readonly world: NatWorld, readonly each: number) {
    const numbered = (name: string) =>
      Array.from({ length: each }, (_, index) => `${name} ${index}`);
    this.texts = [numbered("from anna"), numbered("from ben")];
    const { anna, ben } = world;
    this.#running = Promise.all([this.#send(0, anna, ben), this.#send(1, ben, anna)]);
    this.#running.catch(() => {});
  }

  get sent(): number {
    return this.#sent;
  }

  /** Lets this share of all messages be sent, and waits until they are; a few more follow while what comes next happens. */
  async reached(share: number): Promise<void> {
    this.#target = Math.min(this.each, Math.floor(share * this.each));
    const wanted = this.#target * 2;
    this.#target = Math.min(this.each, this.#target + Math.floor(this.each * 0.1));
    await until(
      `${wanted} messages to be sent`,
      ARRIVED_MS,
      () => Promise.resolve(this.#sent >= wanted),
    );
  }

  /** Sends the rest. */
  async end(): Promise<void> {
    this.#target = this.each;
    await this.#running;
  }

  stop(): void {
    this.#stopped = true;
  }

  async #send(side: 0 | 1, from: WorldNode, to: WorldNode): Promise<void> {
    const texts = this.texts[side];
    while (this.#done[side] < this.each && !this.#stopped) {
      const at = this.#done[side];
      const end = Math.min(this.#target, at + BATCH);
      if (end <= at) {
        await new Promise((resolve) => setTimeout(resolve, RETRY_MS / 10));
        continue;
      }
      // The same text again is the same message: a node that died in between gives the answer it gave before.
      const batch = texts.slice(at, end);
      try {
        for (const text of batch) await sendMail(from, to, text);
        this.#done[side] = end;
        this.#sent += batch.length;
      } catch (error) {
        if (this.#stopped) throw error;
        await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
      }
    }
  }
}
