/** What goes wrong in a world, chosen by its seed. Every fault is undone by `end`, after which checkers demand order. */
import type { BlockId } from "../protocols/ids.ts";
import { StoreError } from "../store/store.ts";
import type { Cluster } from "./cluster.ts";
import type { SimulatedNode } from "./simulated_node.ts";

export type FaultKind =
  /** Power fails; the node comes back later with what its disk made durable. */
  | "crash"
  /** The devices fall into two groups that do not reach each other. */
  | "partition"
  /** Two devices do not reach each other. */
  | "cut"
  | "slowDisk"
  | "fullDisk"
  /** One stored row changes under the node's feet; it finds out by verifying. */
  | "corruptRow"
  /** The wall clock jumps, and the clocks run at another speed. */
  | "wrongClock"
  /** Some frames arrive with a flipped bit. */
  | "corruptFrames";

export const FAULT_KINDS: readonly FaultKind[] = [
  "crash",
  "partition",
  "cut",
  "slowDisk",
  "fullDisk",
  "corruptRow",
  "wrongClock",
  "corruptFrames",
];

/** Injects faults into one cluster. */
export class Faults {
  readonly #cluster: Cluster;
  /** What was done, for people: "12.3 s crash n4". */
  readonly history: string[] = [];
  /** Nodes whose rows were damaged: they verify before the faults end. */
  readonly #damaged = new Set<SimulatedNode>();
  readonly #damagedBlocks = new Set<BlockId>();
  /** What these disks held at this mark is the only sound copy of something: a loss of power must not take it back. */
  readonly #reliedMarks = new Map<SimulatedNode, number>();

  constructor(cluster: Cluster) {
    this.#cluster = cluster;
  }

  /** Lets one fault of a random one of `kinds` happen. */
  inject(kinds: readonly FaultKind[]): void {
    const { random } = this.#cluster;
    const kind = kinds[random.below(kinds.length)]!;
    const node = this.#cluster.anyNodeUp();
    if (node === undefined) return;
    this.#note(kind, node);
    switch (kind) {
      case "crash":
        return node.crash(
          random.below(2) === 0 && node.device.heardDiskMark >= (this.#reliedMarks.get(node) ?? 0),
        );
      case "partition":
        return this.#partition();
      case "cut":
        return this.#cluster.network.cut(node.station, this.#otherThan(node).station);
      case "slowDisk":
        node.device.slowness = 50;
        return;
      case "fullDisk":
        node.disk.faults.full = true;
        return;
      case "corruptRow":
        return this.#corruptRow(node);
      case "wrongClock":
        node.device.wallSkewMs = (random.float() - 0.5) * 4 * 3_600_000;
        node.device.rate = 0.98 + random.float() * 0.04;
        return;
      case "corruptFrames":
        return this.#cluster.network.corruptFrames(node.station, 0.02);
      default:
        kind satisfies never;
    }
  }

  /**
   * A node goes on with the old copy of its disk, as if nothing had happened: what it writes next has places in its log that were
   * used before. What only its newer disk held is gone, as its owner must expect.
   */
  async equivocate(node: SimulatedNode): Promise<void> {
    this.#note("equivocate", node);
    node.crash(false);
    node.putBackOldDisk();
    this.#cluster.forgetLost();
    await node.start();
  }

  /** Lets some nodes that are down come back, each with `probability`. */
  async restartSome(probability: number): Promise<void> {
    for (const node of this.#cluster.nodes) {
      if (node.isUp || this.#cluster.random.float() >= probability) continue;
      this.#note("restart", node);
      try {
        await node.start();
      } catch (error) {
        // A device whose disk is full and damaged cannot even set the damage aside: it stays down until somebody makes room.
        if (!(error instanceof StoreError)) throw error;
        this.#note(`start refused (${error.reason})`, node);
      }
    }
  }

  /** Ends partitions and cuts now and then, so that the network changes its shape. */
  heal(): void {
    this.#cluster.network.heal();
    this.history.push(`${seconds(this.#cluster)} heal`);
  }

  /** Lets faults of `kinds` happen every few hundred to few thousand ms for `ms` of virtual time, brings nodes back, and ends them all. */
  async during(ms: number, kinds: readonly FaultKind[]): Promise<void> {
    const { world, random } = this.#cluster;
    const endMs = world.nowMs + ms;
    while (world.nowMs < endMs) {
      await world.advance(300 + random.below(3_000));
      this.inject(kinds);
      await this.restartSome(0.4);
      if (random.below(3) === 0) this.heal();
    }
    await this.end();
  }

  /** Ends all faults and brings every node back. Clocks stay wrong: order must not need right clocks. */
  async end(): Promise<void> {
    this.heal();
    for (const node of this.#cluster.nodes) {
      node.disk.faults = {};
      node.device.slowness = 1;
    }
    await this.restartSome(1);
    // What changed under a node's feet only its own check can find.
    await this.#cluster.world.advance(1_000);
    for (const node of this.#damaged) {
      await this.#cluster.world.wait(node.handle.verifyStore());
    }
    this.#damaged.clear();
  }

  #partition(): void {
    const { random, network, nodes } = this.#cluster;
    const groups: SimulatedNode[][] = [[], []];
    for (const node of nodes) groups[random.below(2)]!.push(node);
    network.partition(groups.map((group) => group.map(({ station }) => station)));
  }

  /** Damages a row of which another device holds a sound copy: nothing could bring back the only one. */
  #corruptRow(node: SimulatedNode): void {
    const { nodes, random } = this.#cluster;
    const others = nodes.filter((other) => other !== node);
    const keeperOf = (id: BlockId): SimulatedNode | undefined =>
      others.find(({ disk }) => disk.tables.blocks.get(id)?.block.payload);
    // Each block is damaged once at most, so the other copies of it are sound.
    const ids = [...node.disk.tables.blocks.keys()].filter((id) =>
      !this.#damagedBlocks.has(id) && keeperOf(id) !== undefined
    );
    if (ids.length === 0) return;
    const block = ids[random.below(ids.length)]!;
    const part = random.below(2) === 0 ? "header" : "payload";
    if (!node.disk.corrupt({ block, part })) return;
    this.#damagedBlocks.add(block);
    this.#damaged.add(node);
    const keeper = keeperOf(block)!;
    this.#reliedMarks.set(keeper, keeper.disk.mark());
  }

  #otherThan(node: SimulatedNode): SimulatedNode {
    const { nodes, random } = this.#cluster;
    const others = nodes.filter((other) => other !== node);
    return others[random.below(Math.max(1, others.length))] ?? node;
  }

  #note(what: string, node: SimulatedNode): void {
    this.history.push(`${seconds(this.#cluster)} ${what} ${node.name}`);
  }
}

function seconds(cluster: Cluster): string {
  return `${(cluster.world.nowMs / 1_000).toFixed(1)} s`;
}
