import assert from "node:assert/strict";
import fc from "fast-check";
import type { MeshId } from "../../../protocols/ids.ts";
import { CONTENT_BYTES_MAX, GROUP_BYTES_MAX } from "../../../protocols/mailbox/content_wire.ts";
import type { Content, ConversationId } from "../../../protocols/mailbox/content.ts";
import { SEALED_BYTES_MAX } from "../../../protocols/mailbox/parcel.ts";
import { openContent, paddedLength, sealContent } from "../../../protocols/mailbox/seal.ts";
import { alice, anyContent, bob, carla, crypto, mesh, random, receipt } from "./support.ts";

const address = { mesh, from: alice.id, to: bob.id };
const seal = (content: Content) =>
  sealContent(content, address, {
    sealer: alice.sealer,
    otherKey: bob.sealer.publicKey,
    crypto,
    random,
  });
const atBob = { sealer: bob.sealer, otherKey: alice.sealer.publicKey, crypto };

Deno.test("what is sealed for a device opens there", () => {
  fc.assert(
    fc.property(anyContent, (content) => {
      assert.deepEqual(openContent(seal(content), address, atBob), { ok: true, message: content });
    }),
    { seed: 3, numRuns: 100 },
  );
});

Deno.test("a member who publishes another's box key cannot pass its boxes off as its own", () => {
  const sealed = seal(receipt);
  // Carla has published Alice's box key, and sends Alice's box in a parcel of her own: the box itself opens.
  const stolen = openContent(sealed, { ...address, from: carla.id }, atBob);
  assert.ok(!stolen.ok && /another sender/.test(stolen.reason));
  const redirected = openContent(sealed, { ...address, to: carla.id }, atBob);
  assert.ok(!redirected.ok && /another sender/.test(redirected.reason));
  const elsewhere = openContent(sealed, { ...address, mesh: "ee".repeat(32) as MeshId }, atBob);
  assert.ok(!elsewhere.ok && /mesh/.test(elsewhere.reason));
});

Deno.test("what is no box, or holds no content, is refused without a throw", () => {
  const refused = (sealed: Uint8Array, reason: RegExp) => {
    const opened = openContent(sealed, address, atBob);
    assert.ok(!opened.ok && reason.test(opened.reason), JSON.stringify(opened));
  };
  refused(new Uint8Array(0), /does not open/);
  refused(new Uint8Array(200), /does not open/);
  const binding = crypto.sha256(
    new TextEncoder().encode("kiana box v1\0"),
    Uint8Array.fromHex(mesh),
    alice.publicKey,
    bob.publicKey,
  );
  const box = (inside: readonly number[]) =>
    alice.sealer.seal(bob.sealer.publicKey, new Uint8Array([...binding, ...inside]), random);
  const zeros = (count: number) => Array.from({ length: count }, () => 0);
  refused(alice.sealer.seal(bob.sealer.publicKey, new Uint8Array(9), random), /another sender/);
  refused(box([]), /no padding/);
  refused(box(zeros(96)), /no padding/);
  refused(box([1, ...zeros(95)]), /no padding/);
  refused(box([0x80]), /another length/);
  refused(box([0x80, ...zeros(96)]), /another length/);
  refused(box([0x80, ...zeros(95)]), /CBOR|content/);
});

Deno.test("short contents have one size, and sizes tell little of long ones", () => {
  assert.equal(paddedLength(1), 128);
  assert.equal(paddedLength(128), 128);
  // Table 1 of the paper gives the worst case: 12 % more, at most.
  for (let length = 128; length < 400_000; length += 37) {
    const padded = paddedLength(length);
    assert.ok(padded >= length && padded <= length * 1.121, `${length} → ${padded}`);
    assert.equal(paddedLength(padded), padded, "a padded length stays");
  }
  const sizes = new Set(Array.from({ length: 4_000 }, (_, i) => paddedLength(i + 1)));
  assert.ok(sizes.size < 80, `${sizes.size} sizes for contents of up to 4,000 bytes`);
});

Deno.test("the largest content fits the largest box", () => {
  const bytes = new Uint8Array(GROUP_BYTES_MAX);
  const conversation = "11".repeat(16) as ConversationId;
  const sealed = seal({ type: "group", conversation, kind: "welcome", epoch: 1, bytes });
  assert.ok(sealed.length <= SEALED_BYTES_MAX, `${sealed.length}`);
  assert.ok(paddedLength(CONTENT_BYTES_MAX + 33) + 40 <= SEALED_BYTES_MAX);
});
