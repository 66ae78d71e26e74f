/** One sync actor in a mesh of ten, and what the other nine say to it. */
import assert from "node:assert/strict";
import { type RecordedEffect, TestActor, testActor, testRef } from "../../actors/kernel/testkit.ts";
import { membershipChanged } from "../../actors/members/commands.ts";
import { peerSessions, type SessionsCommand } from "../../actors/sessions/commands.ts";
import type { StorageCommand } from "../../actors/storage/commands.ts";
import type { SyncCommand } from "../../actors/sync/commands.ts";
import type { SyncState } from "../../actors/sync/state.ts";
import { sync } from "../../actors/sync/sync.ts";
import { nodeCrypto } from "../../platform/node_crypto.ts";
import { seededRandom } from "../../platform/seeded_random.ts";
import type { Block } from "../../protocols/blocks/block.ts";
import { encodeBlock } from "../../protocols/blocks/encode.ts";
import { type BlockId, type DeviceId, deviceIdOf } from "../../protocols/ids.ts";
import { foldRegistry } from "../../protocols/registry/fold.ts";
import { DEFAULT_PERMISSIONS } from "../../protocols/registry/roles.ts";
import type { RequestBlocks, SyncMessage } from "../../protocols/sync/messages.ts";
import { decodeSyncMessage } from "../../protocols/sync/wire.ts";
import { openMemoryStore } from "../../store/memory_store.ts";
import { testBlock, testSigner } from "../protocols/blocks_support.ts";
import { TestMesh } from "../protocols/registry_support.ts";

/** The cryptography of the bench. */
export const crypto = nodeCrypto();
const storage = testRef<StorageCommand>("storage");
const sessions = testRef<SessionsCommand>("sessions");

/** A mesh of ten devices, of which number 1 is the actor under test, and what the others say to it. */
export class Bench {
  readonly mesh = new TestMesh();
  readonly store = openMemoryStore();
  readonly actor: TestActor<SyncCommand, SyncState>;

  constructor() {
    for (let number = 1; number < 10; number++) {
      this.mesh.state(0, {
        action: "add",
        device: this.device(number),
        incarnation: 1,
        displayName: `device ${number}`,
        role: "submind",
        permissions: DEFAULT_PERMISSIONS.submind,
        trust: "normal",
      });
    }
    const { store } = this;
    const deps = { self: this.device(1), crypto, store, storage, sessions };
    this.actor = testActor(sync(deps), { random: seededRandom("hostile") });
  }

  static async started(): Promise<Bench> {
    const bench = new Bench();
    await bench.settle();
    const registry = foldRegistry(bench.mesh.mesh, bench.mesh.blocks);
    assert.ok(registry !== null);
    bench.actor.publish(membershipChanged, { registry });
    return bench;
  }

  device(number: number): DeviceId {
    return deviceIdOf(testSigner(number).publicKey);
  }

  connect(number: number): void {
    const event = { type: "up", deviceId: this.device(number), resumed: false } as const;
    this.actor.publish(peerSessions, event);
  }

  say(number: number, message: SyncMessage): readonly RecordedEffect[] {
    return this.actor.tell({ type: "peerMessage", from: this.device(number), message });
  }

  /** Says that it has `count` blocks of an author. */
  claim(number: number, author: number, count: number): readonly RecordedEffect[] {
    return this.say(number, {
      type: "frontiers",
      entries: [{ author: this.device(author), sequence: count, head: hash(count) as BlockId }],
      interest: null,
      complete: true,
      ask: false,
    });
  }

  /** The first blocks of a device's log. */
  log(number: number, count: number): readonly Block[] {
    const blocks: Block[] = [];
    for (let sequence = 1; sequence <= count; sequence++) {
      const previous = blocks.at(-1)?.id ?? null;
      blocks.push(testBlock(testSigner(number), { mesh: this.mesh.mesh, sequence, previous }));
    }
    return blocks;
  }

  /** Runs every task, also those that follow. */
  async settle(): Promise<readonly RecordedEffect[]> {
    const effects = [...this.actor.takeEffects()];
    while (this.actor.pendingTasks().length > 0) effects.push(...await this.actor.runTask());
    return effects;
  }
}

/** A hash that no block has; the same for the same number. */
export function hash(number: number): string {
  return number.toString(16).padStart(64, "0");
}

/** What was said to a device. */
export function told(effects: readonly RecordedEffect[], to: DeviceId): readonly SyncMessage[] {
  return TestActor.sentTo<SessionsCommand>(effects, sessions).flatMap((command) => {
    if (command.type !== "sendToPeer" || command.to !== to) return [];
    const decoded = decodeSyncMessage(command.body);
    assert.ok(decoded.ok);
    return [decoded.message];
  });
}

/** The blocks that a device was asked for. */
export function requests(
  effects: readonly RecordedEffect[],
  to: DeviceId,
): readonly RequestBlocks[] {
  return told(effects, to).filter((message) => message.type === "requestBlocks");
}

/** Why peers were struck. */
export function strikes(effects: readonly RecordedEffect[]): readonly string[] {
  return TestActor.sentTo<SessionsCommand>(effects, sessions).flatMap((command) =>
    command.type === "strike" ? [command.reason] : []
  );
}

/** An answer with blocks. */
export function blocksMessage(
  requestId: number,
  blocks: readonly Block[],
  complete: boolean,
): SyncMessage {
  return { type: "blocks", requestId, blocks: blocks.map((block) => encodeBlock(block)), complete };
}
