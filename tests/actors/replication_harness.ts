/** Two or more nodes without a network: everything real from storage to gossip, sessions replaced by a wire that the test cuts. */
import type { Block, BlockDraft } from "../../protocols/blocks/block.ts";
import { type NodeEvent, nodeEvents } from "../../actors/events.ts";
import type { Outcome } from "../../actors/handle.ts";
import type { Behaviour, Ref } from "../../actors/kernel/actor.ts";
import { supervisor } from "../../actors/kernel/supervisor.ts";
import { ActorSystem } from "../../actors/kernel/system.ts";
import { gossip } from "../../actors/gossip/gossip.ts";
import type { MembersCommand } from "../../actors/members/commands.ts";
import { members } from "../../actors/members/members.ts";
import type { PublisherCommand } from "../../actors/publisher/commands.ts";
import { publisher } from "../../actors/publisher/publisher.ts";
import { nodeRefs } from "../../actors/refs.ts";
import { peerSessions, type SessionsCommand } from "../../actors/sessions/commands.ts";
import { storage } from "../../actors/storage/storage.ts";
import { sync } from "../../actors/sync/sync.ts";
import { nodeCrypto, nodeSigner } from "../../platform/node_crypto.ts";
import { seededRandom } from "../../platform/seeded_random.ts";
import { systemClock } from "../../platform/system_clock.ts";
import { type DeviceId, deviceIdOf, type MeshId } from "../../protocols/ids.ts";
import type { ProtocolName } from "../../protocols/envelope.ts";
import { decodeGossipMessage } from "../../protocols/gossip/wire.ts";
import { decodeSyncMessage } from "../../protocols/sync/wire.ts";
import { MemoryDisk, openMemoryStore } from "../../store/memory_store.ts";
import type { Store } from "../../store/store.ts";

const TIMEOUT_MS = 20_000;

/** What the wire is told. */
type WireCommand =
  | Extract<SessionsCommand, { type: "sendToPeer" | "strike" | "repeatPeerSessions" }>
  | { readonly type: "plugged"; readonly peer: DeviceId; readonly up: boolean }
  | {
    readonly type: "arrived";
    readonly from: DeviceId;
    readonly protocol: ProtocolName;
    readonly body: Uint8Array;
  };

export class TestNode {
  readonly refs = nodeRefs();
  readonly id: DeviceId;
  readonly events: NodeEvent[] = [];
  readonly strikes: string[] = [];
  readonly sentBytes = new Map<string, number>();
  readonly plugged = new Map<DeviceId, TestNode>();
  readonly backups = new Map<string, MemoryDisk>();
  readonly system: ActorSystem;
  readonly store: Store;
  #waiting: { readonly test: () => boolean; readonly resolve: () => void }[] = [];

  constructor(readonly name: string, seed: number, readonly disk = new MemoryDisk()) {
    const crypto = nodeCrypto();
    const signer = nodeSigner(new Uint8Array(32).fill(seed));
    this.id = deviceIdOf(signer.publicKey);
    this.store = openMemoryStore({ disk, backups: this.backups });
    const log = {
      write: (level: string, message: string, fields?: unknown) => {
        if (Deno.env.has("SUBMIND_TEST_LOG")) console.error(level, message, fields);
      },
    };
    this.system = new ActorSystem({ clock: systemClock(), random: seededRandom(seed), log });
    this.system.subscribe(nodeEvents, (event) => {
      this.events.push(event);
      this.#waiting = this.#waiting.filter(({ test, resolve }) =>
        test() ? (resolve(), false) : true
      );
    });
    const { refs, store } = this;
    const deps = {
      self: this.id,
      displayName: name,
      crypto,
      signer,
      store,
      storage: refs.storage,
      publisher: refs.publisher,
      sessions: refs.sessions,
      sync: refs.sync,
    };
    const child = (
      key: string,
      ...children: { key: string; behaviour: Behaviour<never, unknown> }[]
    ) => ({
      key,
      behaviour: supervisor({ name: key, strategy: "restForOne", children }),
    });
    // deno-lint-ignore no-explicit-any -- behaviours of one table accept different commands
    const of = (behaviour: Behaviour<any, any>) => behaviour as Behaviour<never, unknown>;
    this.system.spawn(
      "node",
      supervisor({
        name: "node",
        strategy: "restForOne",
        children: [
          { key: "storage", behaviour: storage(deps) },
          child("ledger", { key: "publisher", behaviour: of(publisher(deps)) }, {
            key: "members",
            behaviour: of(members(deps)),
          }),
          child("network", { key: "sessions", behaviour: of(this.#wire()) }),
          child("replication", { key: "sync", behaviour: of(sync(deps)) }, {
            key: "gossip",
            behaviour: of(gossip(deps)),
          }),
        ],
      }),
    );
  }

  /** Publishes blocks and returns them. */
  async publish(
    drafts: readonly Partial<BlockDraft>[],
    idempotencyKey: string | null = null,
  ): Promise<readonly Block[]> {
    const full = drafts.map((draft): BlockDraft => ({
      kind: "put",
      topic: "notes",
      tags: [],
      mediaType: "text/plain",
      body: new Uint8Array(),
      ...draft,
    }));
    return done(
      await this.ask<PublisherCommand, Outcome<readonly Block[]>>(
        this.refs.publisher,
        (replyTo) => ({ type: "publish", drafts: full, idempotencyKey, replyTo }),
      ),
    );
  }

  async found(): Promise<MeshId> {
    return done(
      await this.ask<MembersCommand, Outcome<MeshId>>(
        this.refs.members,
        (replyTo) => ({ type: "foundMesh", replyTo }),
      ),
    );
  }

  /** Makes `other` a member of our mesh, as pairing would. */
  async admit(other: TestNode, role: "owner" | "submind" | "guest" = "submind"): Promise<void> {
    const blocks = done(
      await this.ask<MembersCommand, Outcome<readonly Block[]>>(
        this.refs.members,
        (replyTo) => ({
          type: "admit",
          deviceId: other.id,
          displayName: other.name,
          role,
          replyTo,
        }),
      ),
    );
    const mesh = blocks[0]!.id as MeshId;
    done(
      await other.ask<MembersCommand, Outcome<MeshId>>(
        other.refs.members,
        (replyTo) => ({ type: "joinMesh", mesh, blocks, replyTo }),
      ),
    );
  }

  async ask<M, R>(to: Ref<M>, message: (replyTo: Ref<R>) => M): Promise<R> {
    const outcome = await this.system.ask<M, R>(to, message as never, TIMEOUT_MS);
    if (outcome.type === "unknown") throw new Error(`${this.name}: no answer`);
    return outcome.value;
  }

  /** Resolves when `test` holds; it is asked after every event. */
  async until(what: string, test: () => boolean): Promise<void> {
    if (test()) return;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const timer = setTimeout(
      () => reject(new Error(`${this.name}: waited in vain for ${what}`)),
      TIMEOUT_MS,
    );
    this.#waiting.push({ test, resolve });
    await promise.finally(() => clearTimeout(timer));
  }

  async stop(): Promise<void> {
    for (const peer of [...this.plugged.values()]) unplug(this, peer);
    await this.system.stop();
  }

  #wire(): Behaviour<WireCommand, null> {
    return {
      name: "wire",
      init: () => null,
      receive: (context, _state, command) => {
        switch (command.type) {
          case "plugged":
            return context.publish(
              peerSessions,
              command.up
                ? { type: "up", deviceId: command.peer, resumed: false }
                : { type: "down", deviceId: command.peer },
            );
          case "repeatPeerSessions":
            for (const deviceId of this.plugged.keys()) {
              context.publish(peerSessions, { type: "up", deviceId, resumed: true });
            }
            return;
          case "strike":
            this.strikes.push(command.reason);
            return;
          case "sendToPeer": {
            const { to, protocol, body } = command;
            this.sentBytes.set(protocol, (this.sentBytes.get(protocol) ?? 0) + body.length);
            const peer = this.plugged.get(to);
            peer?.system.tell(peer.refs.sessions as Ref<WireCommand>, {
              type: "arrived",
              from: this.id,
              protocol,
              body,
            });
            return;
          }
          case "arrived": {
            if (!this.plugged.has(command.from)) return;
            const { from, protocol, body } = command;
            const decoded = protocol === "sync"
              ? decodeSyncMessage(body)
              : decodeGossipMessage(body);
            if (!decoded.ok) throw new Error(`${protocol}: ${decoded.reason}`);
            const to = (protocol === "sync" ? this.refs.sync : this.refs.gossip) as Ref<unknown>;
            context.send(to, { type: "peerMessage", from, message: decoded.message });
          }
        }
      },
    };
  }
}

/** Connects two nodes. */
export function plug(a: TestNode, b: TestNode): void {
  a.plugged.set(b.id, b);
  b.plugged.set(a.id, a);
  a.system.tell(a.refs.sessions as Ref<WireCommand>, { type: "plugged", peer: b.id, up: true });
  b.system.tell(b.refs.sessions as Ref<WireCommand>, { type: "plugged", peer: a.id, up: true });
}

/** Cuts the wire between two nodes. */
export function unplug(a: TestNode, b: TestNode): void {
  a.plugged.delete(b.id);
  b.plugged.delete(a.id);
  a.system.tell(a.refs.sessions as Ref<WireCommand>, { type: "plugged", peer: b.id, up: false });
  b.system.tell(b.refs.sessions as Ref<WireCommand>, { type: "plugged", peer: a.id, up: false });
}

/** Resolves when both have told that they hold the same since the last `events.length = 0`. */
export async function inSync(a: TestNode, b: TestNode): Promise<void> {
  const heard = (node: TestNode, peer: TestNode) => () =>
    node.events.some((event) => event.type === "inSyncWith" && event.deviceId === peer.id);
  await Promise.all([a.until("being in sync", heard(a, b)), b.until("being in sync", heard(b, a))]);
}

function done<T>(outcome: Outcome<T>): T {
  if (outcome.type === "refused") throw new Error(`${outcome.reason}: ${outcome.message}`);
  return outcome.value;
}
