/** What travels on brokers: read back as written, refused when changed, never a throw. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { nodeCrypto, nodeSigner } from "../../platform/node_crypto.ts";
import { seededRandom } from "../../platform/seeded_random.ts";
import {
  decodeOpenReply,
  decodeOpenRequest,
  decodePathFrame,
  encodeOpenReply,
  encodeOpenRequest,
  encodePathFrame,
  type PathFrame,
} from "../../protocols/bridge/path_frames.ts";
import { decodePresence, encodePresence, type Presence } from "../../protocols/bridge/presence.ts";
import { brokerTagOf, nodeSubject } from "../../protocols/bridge/subjects.ts";
import { VEIL_BYTES, veilOf } from "../../protocols/bridge/veil.ts";
import { decodeBridgeMessage, encodeBridgeMessage } from "../../protocols/bridge/wire.ts";
import { encodeCanonical } from "../../protocols/codec.ts";
import { deviceIdOf, type MeshId } from "../../protocols/ids.ts";

const crypto = nodeCrypto({ workersMax: 0 });
const mesh = "ab".repeat(32) as MeshId;
const otherMesh = "cd".repeat(32) as MeshId;
const signer = nodeSigner(new Uint8Array(32).fill(7));
const self = deviceIdOf(signer.publicKey);

function presence(change: Partial<Presence> = {}): Presence {
  return {
    kind: "here",
    asks: true,
    sequence: 1_767_225_600_000,
    tag: brokerTagOf(crypto, mesh),
    self: {
      deviceId: self,
      displayName: "Küche",
      role: "submind",
      capabilities: ["sync"],
      meshTag: "0123abcd",
      protocolVersion: 1,
      port: 7464,
    },
    addresses: ["http://192.168.1.7:7464"],
    ...change,
  };
}

Deno.test("the tag of a mesh is its own, and not the one that mDNS shows", () => {
  const tag = brokerTagOf(crypto, mesh);
  assert.match(tag, /^[0-9a-f]{16}$/);
  assert.notEqual(tag, brokerTagOf(crypto, otherMesh));
  assert.equal(nodeSubject(tag, self), `kiana.${tag}.node.${self}.in`);
  // Computed by hand: printf 'kiana broker tag' and the 32 bytes, through sha256sum.
  assert.equal(tag, "498726d75f3a4c30");
});

Deno.test("what is under the veil is read by members, for its purpose and place only", () => {
  const random = seededRandom("veil");
  const veil = veilOf(crypto, random, mesh);
  const plaintext = new TextEncoder().encode("here I am");
  const covered = veil.cover("presence", "a", plaintext);
  assert.equal(covered.length, plaintext.length + VEIL_BYTES);
  assert.deepEqual(veilOf(crypto, random, mesh).lift("presence", "a", covered), plaintext);
  assert.equal(veil.lift("signal", "a", covered), undefined);
  assert.equal(veil.lift("presence", "b", covered), undefined);
  assert.equal(veilOf(crypto, random, otherMesh).lift("presence", "a", covered), undefined);
  for (let at = 0; at < covered.length; at++) {
    const damaged = covered.slice();
    damaged[at] = damaged[at]! ^ 1;
    assert.equal(veil.lift("presence", "a", damaged), undefined);
  }
  assert.equal(veil.lift("presence", "a", covered.subarray(0, VEIL_BYTES - 1)), undefined);
});

Deno.test("a presence is read back as it was signed, and no other device's signature will do", () => {
  const bytes = encodePresence(presence(), signer);
  const decoded = decodePresence(bytes);
  assert.ok(decoded.ok);
  assert.deepEqual(decoded.message.presence, presence());
  assert.ok(decoded.message.verify(crypto));
  const forged = decodePresence(encodePresence(presence(), nodeSigner(new Uint8Array(32).fill(8))));
  assert.ok(forged.ok && !forged.message.verify(crypto));
});

Deno.test("a presence with values out of bounds is refused", () => {
  const { self } = presence();
  for (
    const wrong of [
      presence({ sequence: 0 }),
      presence({ self: { ...self, role: "Not A Role" } }),
      presence({ self: { ...self, displayName: "a\u202eb" } }),
      presence({ self: { ...self, port: 70_000 } }),
      presence({ addresses: ["ftp://1.2.3.4"] }),
      presence({ addresses: [`http://${"a".repeat(300)}`] }),
    ]
  ) {
    assert.equal(decodePresence(encodePresence(wrong, signer)).ok, false, JSON.stringify(wrong));
  }
});

const id = fc.uint8Array({ minLength: 8, maxLength: 8 }).map((bytes) => bytes.toHex());
const number = fc.integer({ min: 0, max: 0xffff_ffff });
const frame: fc.Arbitrary<PathFrame> = fc.oneof(
  fc.record({
    type: fc.constant("data" as const),
    id,
    sequence: number,
    payload: fc.uint8Array({ maxLength: 300 }),
  }),
  fc.record({ type: fc.constant("acknowledge" as const), id, next: number }),
  fc.record({ type: fc.constant("ping" as const), id, next: number }),
  fc.record({
    type: fc.constant("close" as const),
    id,
    sequence: number,
    reason: fc.string({ maxLength: 25, unit: "grapheme-ascii" }),
  }),
);

Deno.test("every frame of a path is read back as it was written", () => {
  fc.assert(fc.property(frame, (frame) => {
    assert.deepEqual(decodePathFrame(encodePathFrame(frame)), { ...frame });
  }));
  fc.assert(fc.property(id, (id) => {
    assert.deepEqual(decodeOpenRequest(encodeOpenRequest({ from: self, id })), { from: self, id });
    assert.deepEqual(decodeOpenReply(encodeOpenReply({ type: "opened", id })), {
      type: "opened",
      id,
    });
  }));
});

Deno.test("reasons of others are cut to size and cannot move the cursor", () => {
  const reason = "\u001b[2J" + "x".repeat(500);
  const closed = decodePathFrame(
    encodePathFrame({ type: "close", id: "00".repeat(8), sequence: 0, reason }),
  );
  assert.ok(closed?.type === "close" && closed.reason.length <= 100);
  assert.ok(!closed.reason.includes("\u001b"));
  const refused = decodeOpenReply(encodeOpenReply({ type: "refused", reason }));
  assert.ok(refused?.type === "refused" && !refused.reason.includes("\u001b"));
});

Deno.test("arbitrary bytes are refused by every decoder without a throw", () => {
  const veil = veilOf(crypto, seededRandom("fuzz"), mesh);
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => {
      decodePathFrame(bytes);
      decodeOpenRequest(bytes);
      decodeOpenReply(bytes);
      assert.equal(veil.lift("open", "x", bytes), undefined);
      assert.equal(decodePresence(bytes).ok, false);
      assert.equal(decodeBridgeMessage(bytes).ok, false);
    }),
    { numRuns: 2_000 },
  );
});

Deno.test("a bridge message is read back, and one with a strange host, port or key is refused", () => {
  for (
    const message of [
      { type: "leafHere", addresses: ["192.168.1.7", "fe80::1%eth0", "home.local"], port: 4222 },
      { type: "leafHere", addresses: [], port: 0 },
    ] as const
  ) {
    const decoded = decodeBridgeMessage(encodeBridgeMessage(message));
    assert.deepEqual(decoded, { ok: true, message });
  }
  const wrong = [
    { type: "leafHere", addresses: ["a/b"], port: 1 },
    { type: "leafHere", addresses: ["user@host"], port: 1 },
    { type: "leafHere", addresses: ["a"], port: 0 },
    { type: "leafHere", addresses: [], port: 1 },
    { type: "leafHere", addresses: ["a"], port: 65_536 },
    { type: "leafHere", addresses: Array.from({ length: 9 }, () => "a"), port: 1 },
    { type: "leafHere", addresses: ["a"], port: 1, more: true },
    { type: "leafGone", addresses: [], port: 0 },
  ];
  for (const message of wrong) {
    assert.equal(decodeBridgeMessage(encodeCanonical(message)).ok, false, JSON.stringify(message));
  }
});
