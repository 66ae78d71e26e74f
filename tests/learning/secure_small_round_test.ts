/** What passes in a sum with a second party: read as it was written, bounded, and nothing else is read. */
import assert from "node:assert/strict";
import fc from "fast-check";
import {
  bitsOf,
  decodeOpening,
  decodeSecondKey,
  decodeSmallRoster,
  devicesIn,
  encodeOpening,
  encodeSecondKey,
  encodeSmallRoster,
  OPENING_BYTES_MAX,
  smallRoster,
} from "../../learning/secure/small_round.ts";
import { DEFAULT_ASSUMPTIONS, type SumRound } from "../../learning/secure/contract.ts";
import type { BlockId, ContentHash } from "../../protocols/ids.ts";
import { deviceIdOf } from "../../protocols/ids.ts";
import { DEPENDENCIES } from "./secure_support.ts";

const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });
const some = (maxLength: number) => fc.uint8Array({ maxLength });
const devices = Array.from({ length: 5 }, (_, i) => deviceIdOf(new Uint8Array(32).fill(i + 1)))
  .sort();
const round: SumRound = {
  run: "ab".repeat(32) as BlockId,
  round: 1,
  attempt: 1,
  modelHash: "cd".repeat(32) as ContentHash,
  length: 7,
  bits: 18,
  assumptions: DEFAULT_ASSUMPTIONS,
};

Deno.test("requests, keys and rosters are read as they were written", () => {
  fc.assert(
    fc.property(
      some(128),
      bytes(32),
      some(640),
      some(2_000),
      bytes(64),
      (set, root, signatures, product, signature) => {
        const request = {
          survivors: set,
          inputsRoot: root,
          signers: set,
          signatures,
          product,
          signature,
        };
        assert.deepEqual(decodeOpening(encodeOpening(request)), { ok: true, message: request });
        const key = { key: product.slice(0, 384), signature };
        assert.deepEqual(decodeSecondKey(encodeSecondKey(key)), { ok: true, message: key });
        const roster = { devices: signatures, ...key };
        assert.deepEqual(decodeSmallRoster(encodeSmallRoster(roster)), {
          ok: true,
          message: roster,
        });
      },
    ),
    { numRuns: 50 },
  );
});

Deno.test("whatever else comes is refused with a reason", () => {
  fc.assert(
    fc.property(some(400), (input) => {
      for (const decode of [decodeOpening, decodeSecondKey, decodeSmallRoster]) {
        const decoded = decode(input);
        assert.ok(!decoded.ok && decoded.reason.length > 0);
      }
    }),
    { numRuns: 200 },
  );
  const none = new Uint8Array();
  const request = {
    survivors: none,
    inputsRoot: new Uint8Array(32),
    signers: none,
    signatures: none,
    product: new Uint8Array(OPENING_BYTES_MAX + 2_000),
    signature: new Uint8Array(64),
  };
  assert.ok(!decodeOpening(encodeOpening(request)).ok, "too long");
  const short = { ...request, product: none, signature: new Uint8Array(63) };
  assert.ok(!decodeOpening(encodeOpening(short)).ok);
  assert.ok(!decodeSecondKey(encodeSecondKey({ key: new Uint8Array(385), signature: none })).ok);
});

Deno.test("a roster names its second party and that one's key: with others it is another roster", () => {
  const hashOf = (second: number, key: Uint8Array) => {
    const roster = smallRoster({ round, devices, second: devices[second]!, key }, DEPENDENCIES);
    assert.ok(roster.ok);
    return roster.value.hash.toHex();
  };
  const none = new Uint8Array();
  const hashes = [hashOf(0, none), hashOf(1, none), hashOf(0, Uint8Array.of(1))];
  assert.equal(new Set(hashes).size, 3);
  assert.equal(hashOf(0, none), hashes[0]);
});

Deno.test("sets of a roster are bits, and what is no set of it is none", () => {
  const roster = smallRoster(
    { round, devices, second: devices[0]!, key: new Uint8Array() },
    DEPENDENCIES,
  );
  assert.ok(roster.ok);
  const view = roster.value;
  fc.assert(fc.property(fc.subarray(devices), (set) => {
    assert.deepEqual(devicesIn(view, bitsOf(view, set)), set);
  }));
  assert.equal(devicesIn(view, Uint8Array.of(1, 0)), undefined);
  assert.equal(devicesIn(view, Uint8Array.of(32)), undefined);
});
