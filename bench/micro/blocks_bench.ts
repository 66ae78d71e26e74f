/**
 * Questions: what does a block cost from draft to disk, and from the wire to disk, over the slowest single step that it cannot do
 * without (one signature, the hashes, the commit)? The steps run alone and bare, on one thread, in turn with ours: as many
 * signatures, hashes of as many bytes, as many rows of as many bytes in as many transactions with the same durability. The bare
 * rows have one index, and nobody judges them; signatures are of one key and one message.
 *
 * Made: the publisher and storage actors on a real store, asked for blocks as the node's handle does, several requests under way.
 * Received: the sync and storage actors on a real store, fed by a peer that answers their requests at once; so it includes
 * decoding, checking the place in the log, and everything actors do around it. Workers that sign, verify and checkpoint are
 * started by the first rounds and there in the others, as in a node that is busy; the best round counts, for every step alike.
 */
import { createHash, createPrivateKey, createPublicKey, sign, verify } from "node:crypto";
import { Buffer } from "node:buffer";
import type { Behaviour, Context, Ref } from "../../actors/kernel/actor.ts";
import { ActorSystem } from "../../actors/kernel/system.ts";
import { type MembershipChanged, membershipChanged } from "../../actors/members/commands.ts";
import { peerSessions, type SessionsCommand } from "../../actors/sessions/commands.ts";
import { blocksCommitted } from "../../actors/storage/commands.ts";
import { storage } from "../../actors/storage/storage.ts";
import type { SyncCommand } from "../../actors/sync/commands.ts";
import { sync } from "../../actors/sync/sync.ts";
import type { Outcome } from "../../actors/handle.ts";
import type { PublisherCommand } from "../../actors/publisher/commands.ts";
import { publisher } from "../../actors/publisher/publisher.ts";
import { CheckpointLane } from "../../platform/checkpoint_lane.ts";
import { nodeCrypto } from "../../platform/node_crypto.ts";
import { nodeSigner } from "../../platform/node_signer.ts";
import type { BatchSigner, Crypto } from "../../platform/ports.ts";
import { systemClock } from "../../platform/system_clock.ts";
import { systemRandom } from "../../platform/system_random.ts";
import type { Block, BlockDraft, Frontier } from "../../protocols/blocks/block.ts";
import { encodeBlock } from "../../protocols/blocks/encode.ts";
import { type DeviceId, deviceIdOf, type MeshId } from "../../protocols/ids.ts";
import type { Member, Registry } from "../../protocols/registry/registry.ts";
import { type RequestBlocks, SYNC_LIMITS } from "../../protocols/sync/messages.ts";
import { decodeSyncMessage } from "../../protocols/sync/wire.ts";
import { openSqliteStore } from "../../store/sqlite_store.ts";
import type { Figure } from "../harness.ts";
import { inFolder, makeBlocks, putRaw } from "./store_bench.ts";

const BATCH = 1_000;
/** What we aim at: this many times the slowest step at most. */
const RATIO_MAX = 1.5;
const TIMEOUT_MS = 60_000;
/** A program that publishes much keeps this many requests of `BATCH` blocks under way. */
const REQUESTS_AT_ONCE = 8;

/** Blocks per second, made and received, beside the slowest bare step. */
export async function run({ quick }: { readonly quick: boolean }): Promise<Figure[]> {
  // More than may wait from one peer, so that the small size meets every bound, too.
  const count = quick ? 3_000 : 10_000;
  // Ours use both cores, the bare steps one: other work on the machine hits ours more, so that many rounds are needed for one without.
  const rounds = quick ? 1 : 15;
  const blocks = makeBlocks(count);
  const best: Record<"sign" | "verify" | "hash" | "commit" | "made" | "received", number> = {
    sign: Infinity,
    verify: Infinity,
    hash: Infinity,
    commit: Infinity,
    made: Infinity,
    received: Infinity,
  };
  const bodies = blocks.map(({ payload }) => payload!);
  const steps = bareSteps(blocks);
  const crypto = nodeCrypto();
  const signer = nodeSigner(new Uint8Array(32).fill(1), { worker: true });
  const checkpointLane = new CheckpointLane();
  for (let round = 0; round < rounds; round++) {
    best.sign = Math.min(best.sign, timed(steps.sign));
    best.verify = Math.min(best.verify, timed(steps.verify));
    best.hash = Math.min(best.hash, timed(steps.hash));
    best.commit = Math.min(best.commit, await inFolder((to) => putRaw(to, blocks, BATCH)));
    best.made = Math.min(
      best.made,
      await inFolder((to) => publish(to, bodies, { crypto, signer, checkpointLane })),
    );
    best.received = Math.min(
      best.received,
      await inFolder((to) => receive(to, blocks, { crypto, checkpointLane })),
    );
  }
  signer.close();
  crypto.close();
  await checkpointLane.close();
  const stepNote = `alone, ms: signing ${ms(best.sign)}, verifying ${ms(best.verify)}, hashing ${
    ms(best.hash)
  }, committing ${ms(best.commit)}`;
  const figure = (name: string, took: number, slowest: number, steps: string): Figure => ({
    name: `blocks: ${name}`,
    value: Math.round(count / took * 1_000),
    unit: "blocks/s",
    limit: Math.round(count / slowest * 1_000),
    ratio: took / slowest,
    note:
      `${count} blocks of 1 KiB in ${
        ms(took)
      } ms; limit and ratio: the slowest of ${steps} (${stepNote}); ` +
      `aim: ratio at most ${RATIO_MAX}`,
  });
  return [
    figure(
      "made, signed and stored",
      best.made,
      Math.max(best.sign, best.hash, best.commit),
      "signing, hashing, committing",
    ),
    figure(
      "received, verified and stored",
      best.received,
      Math.max(best.verify, best.hash, best.commit),
      "verifying, hashing, committing",
    ),
  ];
}

function ms(value: number): string {
  return value.toFixed(0);
}

function timed(step: () => void): number {
  const startedMs = performance.now();
  step();
  return performance.now() - startedMs;
}

/** Each step over all blocks, as bare as `node:crypto` does it. */
function bareSteps(blocks: readonly Block[]) {
  const seed = Buffer.concat([
    Buffer.from("302e020100300506032b657004220420", "hex"),
    new Uint8Array(32).fill(1),
  ]);
  const key = createPrivateKey({ key: seed, format: "der", type: "pkcs8" });
  const publicKey = createPublicKey(key as never);
  const message = new Uint8Array(47);
  const signature = sign(null, message, key);
  return {
    sign: () => blocks.forEach(() => sign(null, message, key)),
    verify: () => blocks.forEach(() => verify(null, message, publicKey, signature)),
    hash: () =>
      blocks.forEach(({ headerBytes, payload }) => {
        createHash("sha256").update(payload!).digest();
        createHash("sha256").update(headerBytes).digest();
      }),
  };
}

/** What has workers that outlast a round. */
interface Shared {
  readonly crypto: Crypto;
  readonly checkpointLane: CheckpointLane;
}

/** Lets the publisher and storage actors make blocks of these bodies; ms from the first request to the last answer. */
async function publish(
  directory: string,
  bodies: readonly Uint8Array[],
  { crypto, signer, checkpointLane }: Shared & { readonly signer: BatchSigner },
): Promise<number> {
  const store = await openSqliteStore({ directory, crypto, checkpointLane });
  const self = deviceIdOf(signer.publicKey);
  const system = quietSystem();
  const storageRef = system.spawn("storage", storage({ store }));
  const publisherRef = system.spawn(
    "publisher",
    publisher({ self, crypto, signer, store, storage: storageRef }),
  );
  const inform: Behaviour<"begin", null> = {
    name: "inform",
    init: () => null,
    receive: (context) =>
      context.publish(membershipChanged, { registry: registryOf([self]) } as MembershipChanged),
  };
  system.tell(system.spawn("inform", inform), "begin");
  const send = async (from: number, to: number) => {
    const drafts = bodies.slice(from, to).map(draftOf);
    const outcome = await system.ask<PublisherCommand, Outcome<readonly Block[]>>(
      publisherRef,
      (replyTo) => ({ type: "publish", drafts, idempotencyKey: null, replyTo }),
      TIMEOUT_MS,
    );
    if (outcome.type !== "answered" || outcome.value.type !== "done") {
      throw new Error(`Cannot measure: ${JSON.stringify(outcome)}`);
    }
  };
  // The actors read what they need of the empty store first.
  await new Promise((done) => setTimeout(done, 20));
  const startedMs = performance.now();
  let next = 0;
  const client = async () => {
    while (next < bodies.length) {
      const from = next;
      next += BATCH;
      await send(from, from + BATCH);
    }
  };
  await Promise.all(Array.from({ length: REQUESTS_AT_ONCE }, client));
  const took = performance.now() - startedMs;
  const { blocks: stored } = await store.blocks.stats();
  await system.stop();
  await store.close();
  if (stored !== bodies.length) {
    throw new Error(`Cannot measure: stored ${stored} of ${bodies.length} blocks`);
  }
  return took;
}

function draftOf(body: Uint8Array): BlockDraft {
  return { kind: "put", topic: "bench", tags: [], mediaType: "application/octet-stream", body };
}

function quietSystem(): ActorSystem {
  return new ActorSystem({
    clock: systemClock(),
    random: systemRandom(),
    log: {
      write(level, message, fields) {
        if (level === "error") console.error(`Cannot measure: ${message}`, fields);
      },
    },
  });
}

const PEER = "cd".repeat(32) as DeviceId;

/** Lets a node without a network fetch the blocks from a peer; ms from the peer's first word to the last commit. */
async function receive(
  directory: string,
  blocks: readonly Block[],
  { crypto, checkpointLane }: Shared,
): Promise<number> {
  const store = await openSqliteStore({ directory, crypto, checkpointLane });
  const system = quietSystem();
  const to: { sync: Ref<SyncCommand> | undefined } = { sync: undefined };
  const answers = answering(blocks);
  const sessions: Behaviour<SessionsCommand, null> = {
    name: "peer",
    init: () => null,
    receive(context, _state, command) {
      if (command.type === "strike") throw new Error(`Cannot measure: ${command.reason}`);
      if (command.type === "sendToPeer") answer(context, command.body);
    },
  };
  const answer = (context: Context<SessionsCommand>, body: Uint8Array) => {
    const decoded = decodeSyncMessage(body);
    if (!decoded.ok || decoded.message.type !== "requestBlocks") return;
    const message = answers(decoded.message);
    context.send(to.sync!, { type: "peerMessage", from: PEER, message });
  };
  const relay: Behaviour<"begin", null> = {
    name: "relay",
    init: () => null,
    receive(context) {
      context.publish(
        membershipChanged,
        { registry: registryOf(authorsOf(blocks)) } as MembershipChanged,
      );
      context.publish(peerSessions, { type: "up", deviceId: PEER, resumed: false });
      context.send(to.sync!, {
        type: "peerMessage",
        from: PEER,
        message: {
          type: "frontiers",
          entries: frontiersOf(blocks),
          interest: null,
          complete: true,
          ask: false,
        },
      });
    },
  };
  const { promise: allStored, resolve, reject } = Promise.withResolvers<void>();
  let stored = 0;
  system.subscribe(blocksCommitted, (event) => {
    stored += event.blocks.length;
    if (stored >= blocks.length) resolve();
  });
  const storageRef = system.spawn("storage", storage({ store }));
  const sessionsRef = system.spawn("sessions", sessions);
  to.sync = system.spawn(
    "sync",
    sync({
      self: "ef".repeat(32) as DeviceId,
      crypto,
      store,
      storage: storageRef,
      sessions: sessionsRef,
    }),
  );
  const relayRef = system.spawn("relay", relay);
  // The actors read what they need of the empty store first.
  await new Promise((done) => setTimeout(done, 20));
  const startedMs = performance.now();
  system.tell(relayRef, "begin");
  const timer = setTimeout(
    () => reject(new Error(`Cannot measure: ${stored} of ${blocks.length} blocks came`)),
    TIMEOUT_MS,
  );
  await allStored.finally(() => clearTimeout(timer));
  const took = performance.now() - startedMs;
  await system.stop();
  await store.close();
  return took;
}

/** What a peer with these blocks answers, as full as an answer may be. */
function answering(blocks: readonly Block[]) {
  const logs = new Map<DeviceId, Uint8Array[]>();
  for (const block of blocks) {
    const log = logs.get(block.header.author) ?? [];
    logs.set(block.header.author, log);
    log[block.header.sequence] = encodeBlock(block);
  }
  return ({ requestId, ranges }: RequestBlocks) => {
    const answered: Uint8Array[] = [];
    let bytes = 0;
    let complete = true;
    for (const { author, fromSequence, toSequence } of ranges) {
      for (let sequence = fromSequence; sequence <= toSequence; sequence++) {
        const encoded = logs.get(author)?.[sequence];
        if (encoded === undefined) break;
        if (bytes >= SYNC_LIMITS.answerBytes) {
          complete = false;
          break;
        }
        answered.push(encoded);
        bytes += encoded.length;
      }
    }
    return { type: "blocks" as const, requestId, blocks: answered, complete };
  };
}

function frontiersOf(blocks: readonly Block[]): Frontier[] {
  const heads = new Map<DeviceId, Frontier>();
  for (const { id, header: { author, sequence } } of blocks) {
    heads.set(author, { author, sequence, head: id });
  }
  return [...heads.values()].sort((a, b) => a.author < b.author ? -1 : 1);
}

function authorsOf(blocks: readonly Block[]): DeviceId[] {
  return frontiersOf(blocks).map(({ author }) => author);
}

function registryOf(authors: readonly DeviceId[]): Registry {
  const permissions = new Set(["blocks.share"]);
  const members = authors.map((author) =>
    [author, {
      deviceId: author,
      permissions,
      spans: [{ fromSequence: 1, toSequence: null, permissions }],
    } as unknown as Member] as const
  );
  return {
    mesh: "ab".repeat(32) as MeshId,
    founder: members[0]![0],
    members: new Map(members),
    heads: [],
  };
}
