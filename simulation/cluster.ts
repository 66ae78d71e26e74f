/** Nodes in one world, and what scenarios do with them. Remembers every block that a node acknowledged to its user. */
import type { Outcome } from "../actors/handle.ts";
import type { Ref } from "../actors/kernel/actor.ts";
import type { MembersCommand } from "../actors/members/commands.ts";
import type { PublisherCommand } from "../actors/publisher/commands.ts";
import { DRAFTS_MAX } from "../actors/publisher/publisher.ts";
import { cachedCrypto } from "../platform/crypto_cache.ts";
import { nodeCrypto } from "../platform/node_crypto.ts";
import type { Crypto, Log, Random } from "../platform/ports.ts";
import type { Block, BlockDraft } from "../protocols/blocks/block.ts";
import { type BlockOutcome, decodeBlock } from "../protocols/blocks/decode.ts";
import type { BlockId, MeshId } from "../protocols/ids.ts";
import { DEFAULT_PERMISSIONS, type Role } from "../protocols/registry/roles.ts";
import {
  encodeStatement,
  MEMBER_MEDIA_TYPE,
  REGISTRY_TOPIC,
} from "../protocols/registry/statement.ts";
import { type LinkQuality, Network } from "./network.ts";
import { SimulatedNode, type SimulatedNodeOptions } from "./simulated_node.ts";
import { World } from "./world.ts";

/** How long a scenario waits for an answer of a node, virtual ms. */
const ANSWER_MS = 60_000;

/** How many admissions a device is told when it joins. */
const TOLD_MAX = 24;

// Checking a signature is a pure function: all nodes of all worlds of this process share the answers.
const sharedCrypto: Crypto = cachedCrypto(nodeCrypto({ workersMax: 0 }), { entriesMax: 200_000 });

/**
 * Decodes each block once for all nodes. As everywhere, nobody changes a block in place: disks that damage a row put another
 * block in its place.
 */
function sharedDecoder(): typeof decodeBlock {
  const blocks = new Map<string, BlockOutcome>();
  return (bytes, crypto) => {
    const name = crypto.sha256Hex(bytes);
    let outcome = blocks.get(name);
    // What is kept must not hold the whole message in which it came.
    if (outcome === undefined) blocks.set(name, outcome = decodeBlock(bytes.slice(), crypto));
    return outcome;
  };
}

export interface ClusterOptions {
  readonly seed: number | string;
  readonly quality?: LinkQuality;
  readonly log?: Log;
}

/** A block that a user was told to be safe. */
export interface Acknowledged {
  readonly id: BlockId;
  readonly node: string;
}

export class Cluster {
  readonly world: World;
  readonly network: Network;
  readonly random: Random;
  readonly nodes: SimulatedNode[] = [];
  readonly acknowledged: Acknowledged[] = [];
  readonly #decodeBlock = sharedDecoder();
  readonly #byHost = new Map<string, SimulatedNode>();
  #drafts = 0;

  constructor(options: ClusterOptions) {
    this.world = new World({
      seed: options.seed,
      ...(options.log === undefined ? {} : { log: options.log }),
    });
    this.network = new Network(this.world, options.quality);
    this.random = this.world.random.fork("scenario");
  }

  /** Adds a node and starts it. */
  async addNode(
    options: Pick<
      SimulatedNodeOptions,
      "segment" | "staticPeers" | "relays" | "brokers" | "mailLimits" | "learning"
    > = {},
  ): Promise<SimulatedNode> {
    const node = new SimulatedNode({
      ...options,
      world: this.world,
      network: this.network,
      crypto: sharedCrypto,
      decodeBlock: this.#decodeBlock,
      name: `n${this.nodes.length}`,
      nodeAt: (station) => this.#byHost.get(station.host),
    });
    this.nodes.push(node);
    this.#byHost.set(node.station.host, node);
    await node.start();
    return node;
  }

  /**
   * The first node founds a mesh and admits the others in one go; each adopts it as if it had been paired. Everyone is given the
   * statements about itself and a few others: the rest comes by sync, as it does to whoever was away.
   */
  async formMesh(
    role: Role = "submind",
    nodes: readonly SimulatedNode[] = this.nodes,
  ): Promise<MeshId> {
    const [founder, ...others] = nodes;
    const mesh = await this.world.wait(
      this.#members<MeshId>(founder!, (replyTo) => ({ type: "foundMesh", replyTo })),
    );
    const admissions: Block[] = [];
    for (let i = 0; i < others.length; i += DRAFTS_MAX) {
      const part = others.slice(i, i + DRAFTS_MAX).map((node) => admission(node, role, mesh));
      admissions.push(...await this.world.wait(this.#publish(founder!, part)));
    }
    const founding = founder!.disk.tables.blocks.get(mesh as string as BlockId)!.block;
    const joins = others.map((node, i) => {
      const first = Math.max(0, Math.min(i - TOLD_MAX / 2, admissions.length - TOLD_MAX));
      const blocks = [founding, ...admissions.slice(first, first + TOLD_MAX)];
      return this.#members<MeshId>(
        node,
        (replyTo) => ({ type: "joinMesh", mesh, blocks, replyTo }),
      );
    });
    await this.world.wait(Promise.all(joins));
    return mesh;
  }

  /** A user of `node` adds a block. Resolves when the answer has come; only "done" counts as acknowledged. */
  async publish(
    node: SimulatedNode,
    draft: Partial<BlockDraft> = {},
  ): Promise<Outcome<readonly { readonly id: BlockId }[]>> {
    const number = ++this.#drafts;
    const outcome = await node.handle.addBlocks([{
      kind: "put",
      topic: "notes",
      tags: [],
      mediaType: "text/plain",
      body: new TextEncoder().encode(`Note ${number} of ${node.name}`),
      ...draft,
    }]);
    if (outcome.type === "done") {
      for (const { id } of outcome.value) this.acknowledged.push({ id, node: node.name });
    }
    return outcome;
  }

  /** Starts a publish that nobody waits for: a crash may leave it unanswered. */
  publishLater(node: SimulatedNode, draft: Partial<BlockDraft> = {}): void {
    this.publish(node, draft).catch(() => {});
  }

  /** What no disk holds any more was given up by its user: nobody asks for it again. */
  forgetLost(): void {
    const kept = this.acknowledged.filter(({ id }) =>
      this.nodes.some(({ disk }) => disk.tables.blocks.has(id))
    );
    this.acknowledged.splice(0, Infinity, ...kept);
  }

  /** A node that is up, at random. */
  anyNodeUp(): SimulatedNode | undefined {
    const up = this.nodes.filter((node) => node.isUp);
    return up[this.random.below(Math.max(1, up.length))];
  }

  /** Blocks that no user wrote. */
  async #publish(
    node: SimulatedNode,
    drafts: readonly BlockDraft[],
  ): Promise<readonly Block[]> {
    const { system, refs } = node.running;
    const outcome = await system.ask<PublisherCommand, Outcome<readonly Block[]>>(
      refs.publisher,
      (replyTo) => ({ type: "publish", drafts, idempotencyKey: null, replyTo }),
      ANSWER_MS,
    );
    if (outcome.type === "unknown") throw new Error(`${node.name} did not answer`);
    if (outcome.value.type === "refused") throw new Error(outcome.value.message);
    return outcome.value.value;
  }

  async #members<T>(
    node: SimulatedNode,
    command: (replyTo: Ref<Outcome<T>>) => MembersCommand,
  ): Promise<T> {
    const { system, refs } = node.running;
    const outcome = await system.ask<MembersCommand, Outcome<T>>(
      refs.members,
      command,
      ANSWER_MS,
    );
    if (outcome.type === "unknown") throw new Error(`${node.name} did not answer`);
    if (outcome.value.type === "refused") throw new Error(outcome.value.message);
    return outcome.value.value;
  }
}

function admission(node: SimulatedNode, role: Role, mesh: MeshId): BlockDraft {
  return {
    kind: "member",
    topic: REGISTRY_TOPIC,
    tags: [],
    mediaType: MEMBER_MEDIA_TYPE,
    parents: [mesh as string as BlockId],
    body: encodeStatement({
      action: "add",
      device: node.deviceId,
      incarnation: 1,
      displayName: node.name,
      role,
      permissions: DEFAULT_PERMISSIONS[role],
      trust: "normal",
    }),
  };
}
