import assert from "node:assert/strict";
import fc from "fast-check";
import { encodeCanonical } from "../../../protocols/codec.ts";
import { deviceIdOf } from "../../../protocols/ids.ts";
import {
  PARCEL_BYTES_MAX,
  PARCEL_LIFE_MS_MAX,
  PARCEL_SKEW_MS,
  SEALED_BYTES_MAX,
} from "../../../protocols/mailbox/parcel.ts";
import {
  assembleParcel,
  decodeParcel,
  decodeParcelHeader,
  encodeParcel,
  PARCEL_HEADER_BYTES_MAX,
  problemOfParcelTime,
  SEALED_BYTES_MIN,
  signedMessageOfParcel,
} from "../../../protocols/mailbox/parcel_wire.ts";
import { alice, bob, broken, crypto, mesh, parcel } from "./support.ts";

Deno.test("a parcel survives its encoding, and its sender's signature holds", () => {
  const made = parcel();
  const decoded = decodeParcel(encodeParcel(made), crypto);
  assert.ok(decoded.ok, JSON.stringify(decoded));
  assert.deepEqual(decoded.message, made);
  assert.equal(decoded.message.header.from, alice.id);
  assert.ok(crypto.verify(signedMessageOfParcel(decoded.message)));
});

Deno.test("the largest parcel fits its limits", () => {
  const made = parcel({
    sealed: new Uint8Array(SEALED_BYTES_MAX),
    number: Number.MAX_SAFE_INTEGER,
    timeMs: 253_402_300_799_998,
    expiresAtMs: 253_402_300_799_999,
  });
  assert.equal(made.headerBytes.length, PARCEL_HEADER_BYTES_MAX);
  assert.ok(encodeParcel(made).length <= PARCEL_BYTES_MAX);
  assert.ok(decodeParcel(encodeParcel(made), crypto).ok);
});

Deno.test("no parcel is made that others would refuse", () => {
  assert.throws(() => parcel({ to: alice.id }), /same device/);
  assert.throws(() => parcel({ number: 0 }), /Cannot create parcel/);
  assert.throws(() => parcel({ series: new Uint8Array(7) }), /8 bytes/);
  assert.throws(() => parcel({ expiresAtMs: 1_000 }), /lives 0 ms/);
  assert.throws(() => parcel({ expiresAtMs: 1_001 + PARCEL_LIFE_MS_MAX }), /lives/);
  assert.throws(() => parcel({ sealed: new Uint8Array(SEALED_BYTES_MIN - 1) }), /create parcel/);
  assert.throws(() => parcel({ sealed: new Uint8Array(SEALED_BYTES_MAX + 1) }), /create parcel/);
});

Deno.test("a parcel is not taken when any of its parts was exchanged", () => {
  const [one, other] = [parcel(), parcel({ number: 2 })];
  const taken = (parts: Parameters<typeof assembleParcel>[0]) => assembleParcel(parts, crypto).ok;
  assert.ok(taken(one));
  assert.ok(!taken({ ...one, sealed: other.sealed }), "another box");
  assert.ok(!taken({ ...one, sealed: one.sealed.slice(1) }), "a shorter box");
  assert.ok(!taken({ ...one, signature: one.signature.slice(1) }), "a shorter signature");
  const foreign = decodeParcel(encodeParcel({ ...one, signature: other.signature }), crypto);
  assert.ok(foreign.ok && !crypto.verify(signedMessageOfParcel(foreign.message)));
});

Deno.test("headers that do not fit are refused with the place", () => {
  const { publicKey } = alice;
  const fields = [
    1,
    Uint8Array.fromHex(mesh),
    publicKey,
    bob.publicKey,
    1,
    new Uint8Array(8),
    1_000,
    2_000,
    new Uint8Array(32),
    SEALED_BYTES_MIN,
  ];
  const refused = (index: number, value: unknown, reason: RegExp) => {
    const decoded = decodeParcelHeader(encodeCanonical(fields.with(index, value as number)));
    assert.ok(!decoded.ok && reason.test(decoded.reason), JSON.stringify(decoded));
  };
  assert.ok(decodeParcelHeader(encodeCanonical(fields)).ok);
  refused(0, 2, /0/);
  refused(1, new Uint8Array(31), /1: expected 32 bytes/);
  refused(2, "alice", /2: expected 32 bytes/);
  refused(3, publicKey, /same device/);
  refused(4, 0, /4/);
  refused(5, new Uint8Array(9), /5/);
  refused(6, -1, /6/);
  refused(7, 1_000, /lives 0 ms/);
  refused(7, 1_001 + PARCEL_LIFE_MS_MAX, /lives/);
  refused(8, new Uint8Array(33), /8/);
  refused(9, SEALED_BYTES_MAX + 1, /9/);
  const longer = decodeParcelHeader(encodeCanonical([...fields, 1]));
  assert.ok(!longer.ok);
  assert.equal(deviceIdOf(publicKey), alice.id);
});

Deno.test("a carrier drops what is over, and what comes from a far future", () => {
  const header = { timeMs: 10_000_000, expiresAtMs: 20_000_000 };
  assert.equal(problemOfParcelTime(header, 10_000_000), undefined);
  assert.equal(problemOfParcelTime(header, 19_999_999), undefined);
  assert.equal(problemOfParcelTime(header, 20_000_000), "expired");
  assert.equal(problemOfParcelTime(header, 10_000_000 - PARCEL_SKEW_MS), undefined);
  assert.equal(problemOfParcelTime(header, 10_000_000 - PARCEL_SKEW_MS - 1), "invalid");
});

Deno.test("no bytes make the parcel decoder throw, and none but the right ones are taken", () => {
  const valid = [parcel(), parcel({ number: 70_000 })].map(encodeParcel);
  const known = new Set(valid.map((bytes) => bytes.toHex()));
  fc.assert(
    fc.property(broken(valid), (bytes) => {
      const decoded = decodeParcel(bytes, crypto);
      if (!decoded.ok || known.has(bytes.toHex())) return;
      // What still decodes was changed in its header or signature, which the signature tells.
      assert.ok(!crypto.verify(signedMessageOfParcel(decoded.message)));
      assert.equal(encodeParcel(decoded.message).toHex(), bytes.toHex());
    }),
    { seed: 5, numRuns: 3_000 },
  );
});
