/**
 * Question: what does one block cost every node of a mesh, and how long until everybody has it, as the mesh grows? Whole nodes on
 * virtual time over a quiet network, everybody within reach of everybody; counted is what the actors hand to their sessions, with the
 * framing of a session added. One block of somebody every second, after the mesh has settled. Figures follow from the seed: two
 * commits compare exactly.
 */
import { Cell } from "../../actors/kernel/cell.ts";
import type { SessionsCommand } from "../../actors/sessions/commands.ts";
import { blocksCommitted } from "../../actors/storage/commands.ts";
import { decodeCanonical } from "../../protocols/codec.ts";
import { converged } from "../../simulation/checkers/convergence.ts";
import { Cluster } from "../../simulation/cluster.ts";
import { type Figure, median } from "../harness.ts";

/** Envelope, frame and its authentication around every message, bytes. */
const FRAMING_BYTES = 31;
/** Until everybody has a session with those it wants, and every admission; at most, virtual ms. */
const SETTLE_MS = 300_000;
/** Not measured: the first blocks, by which the mesh finds its ways. */
const WARM_UP_BLOCKS = 10;
const BLOCK_EVERY_MS = 1_000;
/** After the last block: what follows from it still counts. */
const TAIL_MS = 160_000;
const SESSIONS_MS = 30_000;
const IDLE_MS = 10_000;

interface Size {
  readonly nodes: number;
  readonly blocks: number;
}

const FULL: readonly Size[] = [
  { nodes: 10, blocks: 60 },
  { nodes: 40, blocks: 40 },
  { nodes: 100, blocks: 30 },
  { nodes: 300, blocks: 20 },
];
const QUICK: readonly Size[] = [{ nodes: 6, blocks: 3 }];

/** Messages and bytes per block and node, time until everybody has a block, and what silence costs, by size of the mesh. */
export async function run({ quick }: { readonly quick: boolean }): Promise<Figure[]> {
  const figures: Figure[] = [];
  for (const size of quick ? QUICK : FULL) figures.push(...await live(size));
  return figures;
}

async function live({ nodes, blocks }: Size): Promise<Figure[]> {
  const traffic = new Traffic();
  try {
    const cluster = new Cluster({ seed: "gossip" });
    await settle(cluster, nodes);
    await write(cluster, WARM_UP_BLOCKS);
    traffic.clear();
    const spread = new Spread(cluster);
    await write(cluster, blocks);
    await cluster.world.advance(TAIL_MS);
    const busy = traffic.take();
    if (!converged(cluster.nodes)) throw new Error(`${nodes} nodes did not come to hold the same`);

    traffic.clear();
    await cluster.world.advance(IDLE_MS);
    const idle = traffic.take();
    return [
      ...costs(nodes, blocks, busy),
      ...spread.figures(nodes),
      {
        name: `gossip ${nodes} nodes: sent while nothing happens`,
        value: round(bytesOf([...idle.values()]) / nodes / (IDLE_MS / 1_000)),
        unit: "B/s per node",
        note: "by sync and gossip; heartbeats and failure detection are not in it",
      },
    ];
  } finally {
    traffic.stop();
  }
}

async function settle(cluster: Cluster, nodes: number): Promise<void> {
  for (let i = 0; i < nodes; i++) await cluster.addNode();
  await cluster.world.advance(1_000);
  await cluster.formMesh();
  const known = () =>
    converged(cluster.nodes) &&
    cluster.nodes.every(({ registry }) => registry?.members.size === nodes);
  if (!await cluster.world.until(known, SETTLE_MS, 1_000)) {
    throw new Error(`${nodes} nodes did not become one mesh within ${SETTLE_MS} ms`);
  }
  // Sessions that were wanted while the registry was still growing are let go, others begun.
  await cluster.world.advance(SESSIONS_MS);
}

async function write(cluster: Cluster, blocks: number): Promise<void> {
  for (let i = 0; i < blocks; i++) {
    cluster.publishLater(cluster.nodes[cluster.random.below(cluster.nodes.length)]!);
    await cluster.world.advance(BLOCK_EVERY_MS);
  }
}

function costs(nodes: number, blocks: number, sent: ReadonlyMap<string, Sent>): Figure[] {
  const share = blocks * nodes;
  const rows = [...sent].sort(([a], [b]) => a < b ? -1 : 1);
  const per = (value: number): number => round(value / share);
  const parts = rows.map(([name, { messages, bytes }]) =>
    `${name} ${per(messages)} (${Math.round(bytes / share)} B)`
  );
  const all = rows.map(([, row]) => row);
  return [
    {
      name: `gossip ${nodes} nodes: messages`,
      value: per(all.reduce((sum, { messages }) => sum + messages, 0)),
      unit: "per block and node",
      note: parts.join(", "),
    },
    {
      name: `gossip ${nodes} nodes: bytes`,
      value: Math.round(bytesOf(all) / share),
      unit: "B per block and node",
      note: `with ${FRAMING_BYTES} B of framing per message`,
    },
    {
      name: `gossip ${nodes} nodes: announcements`,
      value: per(sent.get("gossip announce")?.messages ?? 0),
      unit: "per block and node",
      note: "one is needed, what is above it comes twice",
    },
  ];
}

interface Sent {
  messages: number;
  bytes: number;
}

function bytesOf(rows: readonly Sent[]): number {
  return rows.reduce((sum, { bytes }) => sum + bytes, 0);
}

/**
 * Counts what protocol actors hand to sessions, by kind of message. On a session everything is encrypted, so it listens where
 * commands come in; that is why there may be only one at a time.
 */
class Traffic {
  #sent = new Map<string, Sent>();
  readonly #accept = Cell.prototype.accept;

  constructor() {
    const accept = this.#accept;
    const count = (command: SessionsCommand): void => this.#count(command);
    Cell.prototype.accept = function (this: Cell, message: unknown): void {
      // Each session is told by the actor that this is counted at.
      if (this.path.endsWith("/sessions")) count(message as SessionsCommand);
      accept.call(this, message);
    };
  }

  stop(): void {
    Cell.prototype.accept = this.#accept;
  }

  clear(): void {
    this.#sent = new Map();
  }

  take(): ReadonlyMap<string, Sent> {
    return this.#sent;
  }

  #count(command: SessionsCommand): void {
    if (command.type !== "sendToPeer") return;
    const { protocol, body } = command;
    if (protocol !== "sync" && protocol !== "gossip") return;
    const decoded = decodeCanonical(body, { bytesMax: body.length });
    const kind = decoded.ok && Array.isArray(decoded.value) ? String(decoded.value[0]) : "unknown";
    const name = `${protocol} ${kind}`;
    const sent = this.#sent.get(name) ?? { messages: 0, bytes: 0 };
    sent.messages += 1;
    sent.bytes += body.length + FRAMING_BYTES;
    this.#sent.set(name, sent);
  }
}

/** When each block was stored first, and when by each of the others. */
class Spread {
  readonly #firstMs = new Map<string, number>();
  readonly #delaysMs = new Map<string, number[]>();

  constructor(cluster: Cluster) {
    for (const { running } of cluster.nodes) {
      running.system.subscribe(blocksCommitted, ({ blocks }) => {
        for (const { block } of blocks) this.#note(block.id, cluster.world.nowMs);
      });
    }
  }

  figures(nodes: number): Figure[] {
    const complete = [...this.#delaysMs.values()].filter(({ length }) => length === nodes - 1);
    if (complete.length < this.#firstMs.size) {
      throw new Error(`${this.#firstMs.size - complete.length} blocks did not reach everybody`);
    }
    const last = complete.map((delays) => Math.max(...delays));
    const each = complete.flat();
    return [
      figure(nodes, "until everybody has a block, p50", median(last)),
      figure(nodes, "until everybody has a block, p99", worst(last)),
      figure(nodes, "until a node has a block, p50", median(each)),
      figure(nodes, "until a node has a block, p99", worst(each)),
    ];
  }

  #note(id: string, nowMs: number): void {
    const firstMs = this.#firstMs.get(id);
    if (firstMs === undefined) {
      this.#firstMs.set(id, nowMs);
      this.#delaysMs.set(id, []);
    } else this.#delaysMs.get(id)!.push(nowMs - firstMs);
  }
}

function figure(nodes: number, what: string, ms: number): Figure {
  return { name: `gossip ${nodes} nodes: ${what}`, value: round(ms), unit: "ms" };
}

/** The 99th of a hundred. */
function worst(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.ceil(sorted.length * 0.99) - 1)] ?? NaN;
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}
