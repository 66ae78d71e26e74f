/** Nodes that hold nothing but a pairing actor and a stand-in for members, on one hand-driven clock and an in-memory rendezvous. */
import assert from "node:assert/strict";
import { setImmediate } from "node:timers";
import type { Clock } from "../../platform/ports.ts";
import type { Rendezvous, RendezvousReply, RendezvousRequest } from "../../platform/transport.ts";
import { nodeCrypto, nodeSigner } from "../../platform/node_crypto.ts";
import { seededRandom } from "../../platform/seeded_random.ts";
import { peerPresence } from "../../actors/discovery/commands.ts";
import { type NodeEvent, nodeEvents } from "../../actors/events.ts";
import type { InviteView, Outcome, PairingView } from "../../actors/handle.ts";
import type { Behaviour, Ref } from "../../actors/kernel/actor.ts";
import { refAt } from "../../actors/kernel/address.ts";
import { ActorSystem } from "../../actors/kernel/system.ts";
import type { MembersCommand } from "../../actors/members/commands.ts";
import type { SessionsCommand } from "../../actors/sessions/commands.ts";
import type { PairingCommand } from "../../actors/pairing/commands.ts";
import { pairing, PAIRING_CAPABILITY } from "../../actors/pairing/pairing.ts";
import type { Block } from "../../protocols/blocks/block.ts";
import { createBlock } from "../../protocols/blocks/encode.ts";
import { type BlockId, deviceIdOf, type MeshId } from "../../protocols/ids.ts";
import { openMemoryStore } from "../../store/memory_store.ts";
import type { Store } from "../../store/store.ts";

export const crypto = nodeCrypto({ workersMax: 0 });

/** Time that moves only in `advance`. */
export class TestClock implements Clock {
  #nowMs = 0;
  #timers: { readonly atMs: number; readonly callback: () => void }[] = [];
  wallMs = () => 1_800_000_000_000 + this.#nowMs;
  monotonicMs = () => this.#nowMs;

  schedule(delayMs: number, callback: () => void): () => void {
    const timer = { atMs: this.#nowMs + delayMs, callback };
    this.#timers.push(timer);
    return () => void (this.#timers = this.#timers.filter((other) => other !== timer));
  }

  /** Lets `ms` pass, everything due happening in order, and what follows from it. */
  async advance(ms: number): Promise<void> {
    const untilMs = this.#nowMs + ms;
    for (;;) {
      for (let i = 0; i < 3; i++) await new Promise<void>((go) => setImmediate(() => go()));
      this.#timers.sort((a, b) => a.atMs - b.atMs);
      const next = this.#timers[0];
      if (next === undefined || next.atMs > untilMs) break;
      this.#timers.shift();
      this.#nowMs = Math.max(this.#nowMs, next.atMs);
      next.callback();
    }
    this.#nowMs = untilMs;
  }
}

/** All rendezvous of a test. What passes can be watched, changed and dropped. */
export class TestNetwork {
  readonly #handlers = new Map<string, (request: RendezvousRequest) => void>();
  /** Changes a reply on its way; undefined loses it. */
  onReply: (reply: RendezvousReply, address: string) => RendezvousReply | undefined = (reply) =>
    reply;
  /** Every request body that was sent, with its address. */
  readonly sent: { readonly address: string; readonly body: Uint8Array }[] = [];

  constructor(readonly clock: TestClock) {}

  of(own: string): Rendezvous {
    return {
      request: ({ address, body, timeoutMs }, onReply) => {
        this.sent.push({ address, body });
        let open = true;
        const settle = (reply: RendezvousReply) => {
          if (!open) return;
          open = false;
          cancelTimeout();
          onReply(reply);
        };
        const cancelTimeout = this.clock.schedule(
          timeoutMs,
          () => settle({ type: "failed", reason: "timeout" }),
        );
        this.clock.schedule(5, () => {
          this.ask(address, own, body, (reply) => {
            const arriving = this.onReply(reply, address);
            if (arriving !== undefined) this.clock.schedule(5, () => settle(arriving));
          });
        });
        return () => void (open = false);
      },
      serve: (_channel, handler) => {
        this.#handlers.set(own, handler);
        return () => void this.#handlers.delete(own);
      },
    };
  }

  /** One request as any stranger can make it. */
  ask(
    address: string,
    from: string,
    body: Uint8Array,
    onReply: (reply: RendezvousReply) => void,
  ): void {
    const handler = this.#handlers.get(address);
    if (handler === undefined) return onReply({ type: "failed", reason: "unreachable" });
    handler({
      from,
      body,
      reply: (answer) => onReply({ type: "reply", body: answer }),
      refuse: (reason) => onReply({ type: "refused", reason }),
    });
  }
}

let nodesMade = 0;

export interface TestNode {
  readonly name: string;
  readonly deviceId: string;
  readonly events: NodeEvent[];
  readonly admitted: string[];
  readonly joined: readonly Block[][];
  readonly store: Store;
  ask<R>(toCommand: (replyTo: Ref<R>) => PairingCommand): Promise<R>;
  invite(validMs?: number): Promise<InviteView>;
  accept(linkOrCode: string): Promise<Outcome<PairingView>>;
  pairings(): Promise<readonly PairingView[]>;
  invites(): Promise<readonly InviteView[]>;
  confirm(pairingId: string, wordsMatch?: boolean): Promise<Outcome<PairingView>>;
  /** Lets this node hear of another that can be paired with. */
  sight(other: TestNode): void;
  stop(): Promise<void>;
}

export function testNode(
  network: TestNetwork,
  name: string,
  options: { readonly store?: Store } = {},
): TestNode {
  const { clock } = network;
  const signer = nodeSigner(crypto.sha256(new TextEncoder().encode(name)));
  const store = options.store ?? openMemoryStore();
  const admitted: string[] = [];
  const joined: Block[][] = [];
  // A restarted node must not draw what it drew before.
  const random = seededRandom(`${name} ${++nodesMade}`);
  const log = { write() {} };
  const system = new ActorSystem({ clock, random, log });
  const events: NodeEvent[] = [];
  system.subscribe(nodeEvents, (event) => void events.push(event));
  system.spawn("members", fakeMembers(signer, admitted, joined));
  const actor = system.spawn(
    "pairing",
    pairing({
      rendezvous: network.of(name),
      members: refAt<MembersCommand>("members"),
      sessions: refAt<SessionsCommand>("sessions"),
      crypto,
      signer,
      store,
      self: deviceIdOf(signer.publicKey),
      rendezvousAddresses: () => [name],
      announcement: () => ({ displayName: name }),
    }),
    { restart: "permanent" },
  );
  const shout = system.spawn("discovery", shouter());
  const node: TestNode = {
    name,
    deviceId: deviceIdOf(signer.publicKey),
    events,
    admitted,
    joined,
    store,
    async ask<R>(toCommand: (replyTo: Ref<R>) => PairingCommand): Promise<R> {
      const outcome = system.ask(actor, toCommand, 60_000);
      await clock.advance(0);
      const settled = await outcome;
      if (settled.type !== "answered") throw new Error(`no answer: ${settled.reason}`);
      return settled.value;
    },
    async invite(validMs = 600_000) {
      const outcome = await node.ask<Outcome<InviteView>>((replyTo) => ({
        type: "createInvite",
        options: { role: "submind", validMs },
        replyTo,
      }));
      if (outcome.type !== "done") throw new Error(outcome.message);
      return outcome.value;
    },
    accept: (linkOrCode) => node.ask((replyTo) => ({ type: "acceptInvite", linkOrCode, replyTo })),
    pairings: () => node.ask((replyTo) => ({ type: "listPairings", replyTo })),
    invites: () => node.ask((replyTo) => ({ type: "listInvites", replyTo })),
    confirm: (pairingId, wordsMatch = true) =>
      node.ask((replyTo) => ({ type: "confirmPairing", pairingId, wordsMatch, replyTo })),
    sight(other) {
      system.tell(shout, other);
    },
    stop: async () => {
      const stopping = system.stop();
      await clock.advance(0);
      await stopping;
    },
  };
  return node;
}

function shouter(): Behaviour<TestNode, null> {
  return {
    name: "shouter",
    init: () => null,
    receive(context, _state, other) {
      const deviceId = other.deviceId as ReturnType<typeof deviceIdOf>;
      context.publish(peerPresence, {
        type: "sighted",
        deviceId,
        sighting: {
          deviceId,
          displayName: other.name,
          role: "owner",
          capabilities: [PAIRING_CAPABILITY],
          meshTag: "",
          protocolVersion: 1,
          port: 1,
          addresses: [other.name],
        },
      });
    },
  };
}

function fakeMembers(
  signer: ReturnType<typeof nodeSigner>,
  admitted: string[],
  joined: Block[][],
): Behaviour<MembersCommand, Block[]> {
  const add = (blocks: Block[]) => {
    const previous = blocks.at(-1)?.id ?? null;
    blocks.push(createBlock({
      mesh: (blocks[0]?.id ?? null) as MeshId | null,
      sequence: blocks.length + 1,
      previous: previous as BlockId | null,
      parents: [],
      kind: blocks.length === 0 ? "founding" : "member",
      target: null,
      topic: "",
      tags: [],
      mediaType: "application/cbor",
      timeMs: 0,
      bodyBytes: 3,
      payload: new Uint8Array(3),
      signer,
      crypto,
    }));
  };
  return {
    name: "members",
    init: () => [],
    receive(context, blocks, command) {
      switch (command.type) {
        case "foundMesh":
          if (blocks.length === 0) add(blocks);
          return context.send(command.replyTo, {
            type: "done",
            value: blocks[0]!.id as BlockId as MeshId,
          });
        case "admit":
          admitted.push(command.deviceId);
          add(blocks);
          return context.send(command.replyTo, { type: "done", value: [...blocks] });
        case "joinMesh":
          joined.push([...command.blocks]);
          return context.send(command.replyTo, { type: "done", value: command.mesh });
      }
    },
  };
}

/** Nodes on one clock and one network. */
export interface World {
  readonly clock: TestClock;
  readonly network: TestNetwork;
  node(name: string, options?: Parameters<typeof testNode>[2]): TestNode;
}

/** Runs a test in a fresh world and stops its nodes. */
export async function inWorld(check: (world: World) => Promise<void>): Promise<void> {
  const clock = new TestClock();
  const network = new TestNetwork(clock);
  const nodes: TestNode[] = [];
  const node: World["node"] = (name, options) => {
    const made = testNode(network, name, options);
    nodes.push(made);
    return made;
  };
  try {
    await check({ clock, network, node });
  } finally {
    for (const one of nodes) await one.stop();
  }
}

/** The one pairing that a node knows of. */
export async function only(node: TestNode) {
  const pairings = await node.pairings();
  assert.equal(pairings.length, 1, JSON.stringify(pairings));
  return pairings[0]!;
}

/** The same code but for its last digit. */
export const wrongDigit = (code: string) => code.slice(0, -1) + (code.endsWith("0") ? "1" : "0");
