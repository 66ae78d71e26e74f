/** A node in memory, as far as its views can tell: small, deterministic, with hooks to publish events and to fail. */
import { createHash } from "node:crypto";
import type { NodeEvent } from "../../actors/events.ts";
import type { Interest, MemberView, NodeHandle, PeerView } from "../../actors/handle.ts";
import type { Block, BlockDraft } from "../../protocols/blocks/block.ts";
import { type BlockId, type ContentHash, deviceIdOf, type MeshId } from "../../protocols/ids.ts";
import { compareUtf8 } from "../../protocols/blocks/limits.ts";
import { DEFAULT_PERMISSIONS } from "../../protocols/registry/roles.ts";
import type { SearchHit } from "../../store/store.ts";
import { fakeLearning } from "./fake_learning.ts";
import { type FakeMail, fakeMail } from "./fake_mail.ts";
import { done, refused } from "./fake_outcomes.ts";
import { fakePairing } from "./fake_pairing.ts";
import { fakeSensors } from "./fake_sensors.ts";

export interface FakeNode extends NodeHandle {
  /** Tells every watcher. */
  publish(event: NodeEvent): void;
  watchers(): number;
  /** Makes `status` reject with this until set to null. */
  failWith(error: Error | null): void;
  readonly backups: string[];
  readonly mail: FakeMail;
}

const encoder = new TextEncoder();
export const SELF = deviceIdOf(new Uint8Array(32).fill(1));
export const OTHER = deviceIdOf(new Uint8Array(32).fill(2));

function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

/** A fresh node that has founded a mesh and knows one other device. */
export function fakeNode(): FakeNode {
  const blocks: Block[] = [];
  const answers = new Map<string, readonly { id: BlockId; sequence: number }[]>();
  const listeners = new Set<(event: NodeEvent) => void>();
  const addresses: string[] = [];
  const backups: string[] = [];
  let interest: Interest | null = null;
  let failure: Error | null = null;
  const members = new Map<string, MemberView>([SELF, OTHER].map((deviceId, i) => [deviceId, {
    deviceId,
    displayName: i === 0 ? "kitchen" : "garden",
    role: i === 0 ? "owner" : "submind",
    permissions: DEFAULT_PERMISSIONS[i === 0 ? "owner" : "submind"],
    trust: "normal",
    revoked: false,
    admittedBy: i === 0 ? null : SELF,
    admittedAtMs: 1_000,
    self: i === 0,
  }]));

  function publish(event: NodeEvent): void {
    for (const listener of listeners) listener(event);
  }

  function make(draft: BlockDraft): Block {
    const sequence = blocks.length + 1;
    const header = {
      version: 1 as const,
      mesh: "a".repeat(64) as MeshId,
      author: SELF,
      sequence,
      previous: blocks.at(-1)?.id ?? null,
      parents: draft.parents ?? [],
      kind: draft.kind,
      target: draft.target ?? null,
      topic: draft.topic,
      tags: [...new Set(draft.tags)].sort(compareUtf8),
      mediaType: draft.mediaType,
      timeMs: 1_795_000_000_000 + sequence * 60_000,
      bodyBytes: draft.body.length,
      payloadHash: sha256(draft.body) as ContentHash,
    };
    const headerBytes = encoder.encode(JSON.stringify(header));
    const id = sha256(headerBytes) as BlockId;
    return { id, header, headerBytes, signature: new Uint8Array(64), payload: draft.body };
  }

  function replacements(id: BlockId): BlockId[] {
    return blocks.filter((block) => block.header.target === id).map((block) => block.id);
  }

  const bodyText = (block: Block) => new TextDecoder().decode(block.payload ?? new Uint8Array());

  return {
    deviceId: SELF,
    backups,
    publish,
    ...fakePairing({ remote: OTHER, publish }),
    sensors: fakeSensors(),
    learning: fakeLearning(SELF, [SELF, OTHER]),
    mail: fakeMail({ self: SELF, members: [SELF, OTHER], publish }),
    watchers: () => listeners.size,
    failWith: (error) => failure = error,

    status() {
      if (failure !== null) return Promise.reject(failure);
      return Promise.resolve({
        deviceId: SELF,
        displayName: "kitchen",
        mesh: "a".repeat(64) as MeshId,
        role: "owner",
        version: "0.1.0",
        uptimeMs: 5_000,
        blocks: blocks.length,
        blockBytes: blocks.reduce((sum, block) => sum + block.header.bodyBytes, 0),
        blocksWithoutPayload: 0,
        chunks: 0,
        chunkBytes: 0,
        members: members.size,
        peersConnected: 1,
        peersSighted: 1,
        multicast: true,
        rendezvousAddresses: ["http://127.0.0.1:7464"],
        damage: [],
      });
    },

    addBlocks(drafts, idempotencyKey) {
      const earlier = idempotencyKey === undefined ? undefined : answers.get(idempotencyKey);
      if (earlier !== undefined) return done(earlier);
      for (const draft of drafts) {
        if (draft.target && !blocks.some(({ id }) => id === draft.target)) {
          return refused("notFound", `target "${draft.target}" is unknown`);
        }
      }
      const added = drafts.map((draft) => {
        const block = make(draft);
        blocks.push(block);
        return { id: block.id, sequence: block.header.sequence };
      });
      for (const { id, sequence } of added) {
        const header = blocks[sequence - 1]!.header;
        const { author, kind, topic, bodyBytes } = header;
        publish({
          type: "blockStored",
          id,
          author,
          sequence,
          kind,
          topic,
          bodyBytes,
          receivedFrom: null,
        });
      }
      if (idempotencyKey !== undefined) answers.set(idempotencyKey, added);
      return done(added);
    },

    block(id) {
      const block = blocks.find((each) => each.id === id);
      if (block === undefined) return refused("notFound", `no block "${id}"`);
      return done({
        block,
        replacedBy: replacements(id),
        current: id,
        conflicts: [],
        complete: true,
      });
    },

    body(id) {
      const block = blocks.find((each) => each.id === id);
      if (block?.payload == null) return refused("notFound", `no block "${id}"`);
      return done(new Blob([block.payload.slice()]).stream());
    },

    blocks({ topic, author, kinds, tag, currentOnly, cursor, limit }) {
      if (limit < 1 || limit > 500) return Promise.reject(new RangeError(`limit is ${limit}`));
      const before = cursor === undefined ? Infinity : Number(cursor);
      const found = blocks.filter((block) =>
        (topic === undefined || block.header.topic.startsWith(topic)) &&
        (author === undefined || block.header.author === author) &&
        (kinds === undefined || kinds.length === 0 || kinds.includes(block.header.kind)) &&
        (tag === undefined || block.header.tags.includes(tag)) &&
        (!currentOnly || replacements(block.id).length === 0) &&
        block.header.sequence < before
      ).reverse();
      const page = found.slice(0, limit);
      const next = found.length > limit ? String(page.at(-1)!.header.sequence) : null;
      return Promise.resolve({ blocks: page, nextCursor: next });
    },

    search({ text, topic, limit, offset }) {
      const word = text.replace(/["*-]/g, "").split(" ")[0] ?? "";
      const all = word === ""
        ? []
        : blocks.filter((block) =>
          bodyText(block).includes(word) && (topic === undefined || block.header.topic === topic)
        );
      const hits = all.slice(offset, offset + limit).map((block): SearchHit => ({
        blockId: block.id,
        title: bodyText(block).split("\n")[0] ?? "",
        topic: block.header.topic,
        author: block.header.author,
        timeMs: block.header.timeMs,
        snippet: bodyText(block).replace(word, `\u0002${word}\u0003`),
        score: 1,
      }));
      return Promise.resolve({ hits, total: all.length });
    },

    peers() {
      const peer: PeerView = {
        deviceId: OTHER,
        displayName: "garden",
        role: "submind",
        member: true,
        sighted: true,
        addresses: ["http://192.168.1.7:7464", ...addresses],
        state: "up",
        path: "webrtc",
        pathDescription: "host 192.168.1.7:51034",
        relayed: false,
        roundTripMs: 3.4,
        connectedForMs: 60_000,
        bytesSent: 1_000,
        bytesReceived: 2_000,
        framesUnacknowledged: 0,
        retryInMs: null,
        lastProblem: null,
        inSync: true,
        liveness: "alive",
      };
      return Promise.resolve([peer]);
    },

    liveness() {
      return Promise.resolve({
        members: [SELF, OTHER].map((deviceId) => ({
          deviceId,
          state: "alive" as const,
          incarnation: 1,
          forMs: 5_000,
        })),
        localHealth: 0,
        probeIntervalMs: 700,
        probeTimeoutMs: 500,
        suspicionMs: { least: 1_500, most: 9_000 },
        probesSent: 7,
        probesFailed: 1,
        suspicionsRaised: 1,
        suspicionsRefuted: 1,
      });
    },

    bridge: () =>
      Promise.resolve({
        state: "connected",
        server: "nats://192.168.1.7:4222",
        serverName: "home",
        roundTripMs: 1.5,
        durable: true,
        problem: null,
        failovers: 1,
        learnedServers: ["nats://192.168.1.7:4222"],
        present: 1,
        messagesSent: 10,
        messagesReceived: 20,
        bytesSent: 1_000,
        bytesReceived: 2_000,
      }),

    addStaticPeer(address) {
      if (!URL.canParse(address) || !/^https?:$/.test(new URL(address).protocol)) {
        const message = `address is "${address}", expected "http://host:port"`;
        return refused<null>("invalid", message);
      }
      addresses.push(address);
      return done(null);
    },

    members: () => Promise.resolve([...members.values()]),

    updateMember(id, change) {
      const member = members.get(id);
      if (member === undefined) return refused("notFound", `no member "${id}"`);
      members.set(id, { ...member, ...change });
      return done(members.get(id)!);
    },

    revokeMember(id) {
      const member = members.get(id);
      if (member === undefined) return refused("notFound", `no member "${id}"`);
      if (member.self) {
        return refused("notPermitted", "a device cannot revoke itself");
      }
      members.set(id, { ...member, revoked: true });
      return done(members.get(id)!);
    },

    setInterest(wanted) {
      interest = wanted;
      return done(interest);
    },
    interest: () => Promise.resolve(interest),

    async verifyStore(onProgress) {
      for (let n = 1; n <= blocks.length; n++) {
        onProgress?.(n, blocks.length);
        await Promise.resolve();
      }
      return [];
    },
    backup(directory, onProgress) {
      if (backups.includes(directory)) {
        return refused("invalid", `directory "${directory}" exists`);
      }
      backups.push(directory);
      onProgress?.(1, 1);
      return done(null);
    },

    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    counters: () => [
      {
        path: "node/storage",
        behaviour: "storage",
        queued: 1,
        handled: 20,
        overflowed: 0,
        restarts: 2,
        busyMs: 3,
      },
    ],
    stop: () => Promise.resolve(),
  };
}
