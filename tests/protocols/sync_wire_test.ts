import assert from "node:assert/strict";
import fc from "fast-check";
import { type BlockId, type ContentHash, deviceIdOf } from "../../protocols/ids.ts";
import { encodeCanonical } from "../../protocols/codec.ts";
import {
  ANNOUNCED_HEADS_MAX,
  type GossipMessage,
  HOPS_MAX,
} from "../../protocols/gossip/messages.ts";
import { decodeGossipMessage, encodeGossipMessage } from "../../protocols/gossip/wire.ts";
import type { SyncMessage } from "../../protocols/sync/messages.ts";
import { decodeSyncMessage, encodeSyncMessage } from "../../protocols/sync/wire.ts";

const author = deviceIdOf(new Uint8Array(32).fill(3));
const id = "ab".repeat(32) as BlockId;
const hash = "cd".repeat(32) as ContentHash;

const MESSAGES: readonly SyncMessage[] = [
  {
    type: "frontiers",
    entries: [{ author, sequence: 7, head: id }],
    interest: null,
    complete: true,
    ask: true,
  },
  {
    type: "frontiers",
    entries: [],
    interest: { topics: ["notes"], bodyBytesMax: 1000 },
    complete: false,
    ask: false,
  },
  {
    type: "requestBlocks",
    requestId: 5,
    ranges: [{ author, fromSequence: 1, toSequence: 9 }],
    ids: [id],
    shortIds: ["0011223344556677"],
    payloads: true,
  },
  { type: "blocks", requestId: 5, blocks: [new Uint8Array([1, 2, 3])], complete: false },
  { type: "requestChunks", requestId: 6, hashes: [hash] },
  { type: "chunks", requestId: 6, chunks: [new Uint8Array(10)] },
  { type: "reconcileAsk", salt: new Uint8Array(16), ranges: new Uint8Array([0, 1]) },
  { type: "reconcileAnswer", salt: new Uint8Array(16), ranges: new Uint8Array(0) },
  { type: "haveBlocks", ids: [id] },
];

Deno.test("every sync message survives its encoding", () => {
  for (const message of MESSAGES) {
    assert.deepEqual(decodeSyncMessage(encodeSyncMessage(message)), { ok: true, message });
  }
});

const GOSSIP_MESSAGES: readonly GossipMessage[] = [
  { type: "announce", heads: [{ author, sequence: 2, head: id, hops: 0 }] },
  { type: "have", heads: [{ author, sequence: 2, head: id, hops: HOPS_MAX }] },
  { type: "prune" },
  { type: "graft" },
];

Deno.test("every gossip message survives its encoding, and the longest is not refused", () => {
  const heads = Array.from({ length: ANNOUNCED_HEADS_MAX }, (_, i) => ({
    author: deviceIdOf(new Uint8Array(32).fill(i)),
    sequence: 2 ** 31 - 1,
    head: id,
    hops: HOPS_MAX,
  }));
  for (const message of [...GOSSIP_MESSAGES, { type: "announce", heads } as const]) {
    assert.deepEqual(decodeGossipMessage(encodeGossipMessage(message)), { ok: true, message });
  }
});

Deno.test("a malformed gossip message is refused", () => {
  const head = (hops: unknown) => [new Uint8Array(32), 1, new Uint8Array(32), hops];
  const cases = [
    ["nonsense"],
    ["prune", []],
    ["graft", 1],
    ["announce"],
    ["announce", [head(HOPS_MAX + 1)]],
    ["have", [head(-1)]],
    ["have", [head("1")]],
    ["announce", [[new Uint8Array(32), 1, new Uint8Array(32)]]],
    ["announce", Array.from({ length: ANNOUNCED_HEADS_MAX + 1 }, () => head(0))],
  ];
  for (const value of cases) {
    assert.equal(decodeGossipMessage(encodeCanonical(value)).ok, false, JSON.stringify(value));
  }
});

Deno.test("a malformed sync message is refused with the place that does not fit", () => {
  const cases: readonly (readonly [object, RegExp])[] = [
    [["nonsense"], /message type is nonsense/],
    [
      ["requestBlocks", 1, [[new Uint8Array(32), 9, 1]], [], [], false],
      /range ends before it begins/,
    ],
    [["haveBlocks", [new Uint8Array(31)]], /1\.0.*32 bytes/],
    [["requestChunks", 1, []], /2/],
    [["frontiers", [[new Uint8Array(32), 0, new Uint8Array(32)]], null, true, false], /1\.0\.1/],
    [["reconcileAsk", new Uint8Array(15), new Uint8Array(0)], /16 bytes/],
    [{ type: "frontiers" }, /message type is undefined/],
  ];
  for (const [value, reason] of cases) {
    const decoded = decodeSyncMessage(encodeCanonical(value));
    assert.ok(!decoded.ok && reason.test(decoded.reason), JSON.stringify(decoded));
  }
});

Deno.test("no bytes make the sync and gossip decoders throw", () => {
  const encoded = [
    ...MESSAGES.map(encodeSyncMessage),
    ...GOSSIP_MESSAGES.map(encodeGossipMessage),
  ];
  const mutated = fc.tuple(fc.constantFrom(...encoded), fc.nat(), fc.nat(255))
    .map(([bytes, at, value]) => bytes.with(at % bytes.length, value));
  fc.assert(
    fc.property(fc.oneof(fc.uint8Array({ maxLength: 300 }), mutated), (bytes) => {
      assert.equal(typeof decodeSyncMessage(bytes).ok, "boolean");
      assert.equal(typeof decodeGossipMessage(bytes).ok, "boolean");
    }),
    { seed: 3, numRuns: 3000 },
  );
});
