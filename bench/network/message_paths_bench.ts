/**
 * Question: how long does a message take on each way a session can go: on one LAN, over a TURN server, over the NATS relay? Real nodes in network
 * namespaces, with coturn and a NATS hub between their homes, SQLite with synchronous=FULL on both sides, MLS inside boxes. Beside it what
 * cannot be avoided: the round trip of the same session in the same run, and durable commits on the same disk.
 */
import type { NatKind } from "../../deployments/lab/nat_lab.ts";
import type { ConversationView } from "../../actors/mail_handle.ts";
import type { DeviceId } from "../../protocols/ids.ts";
import { NodeSqlite } from "../../store/node_sqlite.ts";
import { until } from "../../tests/lab/mesh_lab.ts";
import { sendAll, sendMail } from "../../tests/lab/nat_mail.ts";
import {
  createNatWorld,
  type NatWorld,
  type Way,
  type WayKind,
  wayOf,
  whyNoNatWorld,
  type WorldNode,
} from "../../tests/lab/nat_world.ts";
import { type Figure, median } from "../harness.ts";
import { quantile } from "./webrtc_bench.ts";

interface Route {
  readonly name: string;
  /** What the session has to use. */
  readonly way: WayKind;
  /** Routers of both homes that leave this way as the best. */
  readonly nats: readonly [NatKind, NatKind];
  /** Ben is a guest in Anna's home. */
  readonly guest?: true;
}

const ROUTES: readonly Route[] = [
  { name: "LAN", way: "direct", nats: ["port-restricted", "port-restricted"], guest: true },
  { name: "TURN", way: "turn", nats: ["symmetric", "symmetric"] },
  { name: "NATS relay", way: "nats", nats: ["udp-blocked", "udp-blocked"] },
];

const WAY_MS = 60_000;
const ARRIVED_MS = 60_000;
/** A session that has used its way this long without a change stays there, ms. */
const STEADY_MS = 1_500;
/** Heartbeats come once a second, and what is told of them is smoothed. */
const HEARTBEAT_MS = 1_000;
/** Requests of the sending program under way at once. */
const SENDERS = 32;
/** What a message leaves in the log of SQLite, about, bytes. */
const COMMIT_BYTES = 8 * 1024;

/** Latencies and rates of every way, and their bounds. `quick` measures the same with few messages. */
export async function run({ quick }: { readonly quick: boolean }): Promise<Figure[]> {
  const reason = await whyNoNatWorld();
  if (reason !== null) throw new Error(`Cannot measure messages on every path here: ${reason}`);
  const sizes = quick
    ? { warm: 2, latency: 5, rate: 20, heartbeats: 1 }
    : { warm: 20, latency: 300, rate: 1_000, heartbeats: 8 };
  const folder = await Deno.makeTempDir({ prefix: "submind-bench-" });
  try {
    await using world = await createNatWorld({
      nats: ["port-restricted", "port-restricted"],
      folder,
    });
    using disk = new Disk(folder);
    const figures: Figure[] = [];
    for (const route of ROUTES) {
      figures.push(...figuresOf(route, await measure(world, disk, route, sizes), sizes));
    }
    return figures;
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

interface Sizes {
  readonly warm: number;
  readonly latency: number;
  readonly rate: number;
  readonly heartbeats: number;
}

interface Measured {
  readonly way: Way;
  /** Smoothed round trips of the session as both ends told them, ms. */
  readonly roundTripsMs: readonly number[];
  /** Commits between the messages, ms. */
  readonly commitsMs: readonly number[];
  /** From the request to the event at the recipient, ms. */
  readonly arrivedMs: readonly number[];
  /** From the request to the event that the recipient's receipt has come back, ms. */
  readonly deliveredMs: readonly number[];
  /** Messages a second. */
  readonly rate: number;
}

async function measure(
  world: NatWorld,
  disk: Disk,
  route: Route,
  sizes: Sizes,
): Promise<Measured> {
  await world.home(0).setNat(route.nats[0]);
  await world.home(1).setNat(route.nats[1]);
  const nodes = [world.anna, route.guest ? world.guest : world.ben] as const;
  await Promise.all(nodes.map((node) => node.start()));
  try {
    const [from, to] = nodes;
    const way = await steadyWay(from, to, route.way);
    await warmUp(from, to, `warm ${route.name}`, sizes.warm);
    const before = await roundTripsMs(from, to, sizes.heartbeats);
    const latencies = await latenciesMs(
      from,
      to,
      textsOf(`latency ${route.name}`, sizes.latency),
      disk,
    );
    const after = await roundTripsMs(from, to, sizes.heartbeats);
    const rate = await ratePerSecond(from, to, `rate ${route.name}`, sizes.rate);
    const last = wayOf(await from.peer(to));
    if (last?.path !== way.path || last.transport !== way.transport) {
      throw new Error(`Cannot measure ${route.name}: the session has moved to ${last?.path}`);
    }
    return { way, roundTripsMs: [...before, ...after], ...latencies, rate };
  } finally {
    await Promise.all(nodes.map((node) => node.stop()));
  }
}

/** Waits until both ends use the way, and go on using it. */
async function steadyWay(from: WorldNode, to: WorldNode, wanted: WayKind): Promise<Way> {
  let sinceMs: number | null = null;
  let transport: string | undefined;
  return await until(`the path "${wanted}"`, WAY_MS, async () => {
    const [there, back] = [wayOf(await from.peer(to)), wayOf(await to.peer(from))];
    const isGood = there?.path === wanted && back?.path === wanted;
    if (!isGood || there.transport !== transport) sinceMs = null;
    transport = there?.transport;
    if (!isGood) return undefined;
    sinceMs ??= performance.now();
    return performance.now() - sinceMs >= STEADY_MS ? there : undefined;
  });
}

/** The first messages of a pair go before both know each other's keys; afterwards the group is there. */
async function warmUp(
  from: WorldNode,
  to: WorldNode,
  name: string,
  count: number,
): Promise<void> {
  await sendAll({ from, to, texts: textsOf(name, count) });
  await until("the group", ARRIVED_MS, async () => {
    return (await conversationWith(from, to))?.protection === "mls";
  });
}

/** One message after another: the next one is written when the receipt of the one before has come. */
async function latenciesMs(
  from: WorldNode,
  to: WorldNode,
  texts: readonly string[],
  disk: Disk,
): Promise<Pick<Measured, "arrivedMs" | "deliveredMs" | "commitsMs">> {
  const commitsMs: number[] = [];
  const arrivedMs: number[] = [];
  const deliveredMs: number[] = [];
  for (const text of texts) {
    const [fromMark, toMark] = [from.mark, to.mark];
    const startedMs = performance.now();
    const since = () => performance.now() - startedMs;
    // Others may be told sooner than the sender is answered, so both are looked for from the start.
    const sent = sendMail(from, to, text);
    const arrived = to.event("messageReceived", { timeoutMs: ARRIVED_MS, from: toMark })
      .then((event) => [event.message, since()] as const);
    const delivered = from.event("deliveryChanged", {
      timeoutMs: ARRIVED_MS,
      from: fromMark,
      fits: ({ state }) => state === "delivered",
    }).then((event) => [event.message, since()] as const);
    const { message } = await sent;
    for (const [times, came] of [[arrivedMs, arrived], [deliveredMs, delivered]] as const) {
      const [which, ms] = await came;
      if (which !== message) throw new Error(`Cannot measure: message ${which} came unasked`);
      times.push(ms);
    }
    // The disk is not equally fast all the time: what it takes is measured when it is used.
    commitsMs.push(disk.commitMs());
  }
  return { arrivedMs, deliveredMs, commitsMs };
}

/** Messages a second from the first request until all are durable at the recipient. */
async function ratePerSecond(
  from: WorldNode,
  to: WorldNode,
  name: string,
  count: number,
): Promise<number> {
  const countOf = async () => (await conversationWith(to, from))?.messages ?? 0;
  const before = await countOf();
  const left = [...textsOf(name, count)];
  const startedMs = performance.now();
  await Promise.all(Array.from({ length: SENDERS }, async () => {
    for (let text = left.shift(); text !== undefined; text = left.shift()) {
      await sendMail(from, to, text);
    }
  }));
  await until("all messages", ARRIVED_MS, async () => await countOf() >= before + count);
  return count / (performance.now() - startedMs) * 1_000;
}

async function conversationWith(
  node: WorldNode,
  other: WorldNode,
): Promise<ConversationView | undefined> {
  const { conversations } = await node.json<{ conversations: readonly ConversationView[] }>(
    "/v1/conversations",
  );
  return conversations.find(({ members }) => members.includes(other.id as DeviceId));
}

/** What both ends say of the session's round trip, once for each heartbeat. */
async function roundTripsMs(
  from: WorldNode,
  to: WorldNode,
  count: number,
): Promise<readonly number[]> {
  const trips: number[] = [];
  for (let i = 0; i < count; i++) {
    await new Promise((resolve) => setTimeout(resolve, HEARTBEAT_MS));
    for (const peer of [await from.peer(to), await to.peer(from)]) {
      if (typeof peer?.roundTripMs === "number") trips.push(peer.roundTripMs);
    }
  }
  return trips;
}

/** Commits as the store makes them, on the disk where the nodes have their data. */
class Disk {
  readonly #database: NodeSqlite;
  readonly #body = new Uint8Array(COMMIT_BYTES);

  constructor(folder: string) {
    this.#database = new NodeSqlite(`${folder}/commits.db`);
    this.#database.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL");
    this.#database.exec("CREATE TABLE bodies (id INTEGER PRIMARY KEY, body BLOB) STRICT");
  }

  /** Makes one, and says how long that took. */
  commitMs(): number {
    crypto.getRandomValues(this.#body);
    const startedMs = performance.now();
    this.#database.run("INSERT INTO bodies (body) VALUES (?)", this.#body);
    return performance.now() - startedMs;
  }

  [Symbol.dispose](): void {
    this.#database.close();
  }
}

function textsOf(name: string, count: number): readonly string[] {
  return Array.from({ length: count }, (_, index) => `${name} ${index}`);
}

function figuresOf(
  { name }: Route,
  { way, roundTripsMs, commitsMs, arrivedMs, deliveredMs, rate }: Measured,
  sizes: Sizes,
): Figure[] {
  const tripMs = median(roundTripsMs);
  const commitMs = median(commitsMs);
  const times = (what: string, values: readonly number[], bound: number, of: string): Figure[] => {
    const note = `${sizes.latency} messages one after another; limit: ${of}`;
    return [
      { name: `message paths: ${name}, ${what} p50`, value: median(values), note, limit: bound },
      { name: `message paths: ${name}, ${what} p95`, value: quantile(values, 0.95) },
      { name: `message paths: ${name}, ${what} p99`, value: quantile(values, 0.99) },
    ].map((figure) => ({
      ...figure,
      unit: "ms",
      ...("limit" in figure ? { ratio: figure.value / bound } : {}),
    }));
  };
  return [
    {
      name: `message paths: ${name}, session round trip p50`,
      value: tripMs,
      unit: "ms",
      note: `by its heartbeats, on ${way.transport}`,
    },
    {
      name: `message paths: ${name}, durable commit p50`,
      value: commitMs,
      unit: "ms",
      note: `${COMMIT_BYTES} B between the messages, synchronous=FULL; p95 ${
        quantile(commitsMs, 0.95).toFixed(1)
      } ms, p99 ${quantile(commitsMs, 0.99).toFixed(1)} ms`,
    },
    ...times(
      "shown at the other",
      arrivedMs,
      tripMs / 2 + 2 * commitMs,
      "half the round trip and two commits",
    ),
    ...times(
      "receipt back",
      deliveredMs,
      tripMs + 3 * commitMs,
      "the round trip and three commits",
    ),
    {
      name: `message paths: ${name}, end to end`,
      value: rate,
      unit: "1/s",
      note: `${sizes.rate} messages, ${SENDERS} requests at once, durable on both sides`,
    },
  ];
}
