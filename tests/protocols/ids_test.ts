/** Ids: one text for one thing, and nothing else is accepted. */
import assert from "node:assert/strict";
import fc from "fast-check";
import {
  blockIdOf,
  deviceIdOf,
  parseBlockId,
  parseDeviceId,
  publicKeyOf,
  shortId,
} from "../../protocols/ids.ts";

const key = fc.uint8Array({ minLength: 32, maxLength: 32 });

Deno.test("device ids are the base32 of RFC 4648: its examples at the front of a key", () => {
  // BASE32("foobar") = "MZXW6YTBOI======" (RFC 4648, section 10); 5-byte groups stand for themselves.
  const bytes = new Uint8Array(32);
  bytes.set(new TextEncoder().encode("foobafooba"));
  assert.equal(deviceIdOf(bytes), "mzxw6ytbmzxw6ytb" + "a".repeat(36));
  assert.equal(deviceIdOf(new Uint8Array(32).fill(255)), "7".repeat(51) + "q");
});

Deno.test("device ids and keys stand for each other", () => {
  fc.assert(
    fc.property(key, (bytes) => {
      const id = deviceIdOf(bytes);
      assert.equal(id.length, 52);
      assert.equal(parseDeviceId(id), id);
      assert.deepEqual(new Uint8Array(publicKeyOf(id)), bytes);
    }),
    { seed: 13, numRuns: 300 },
  );
});

Deno.test("a text that is no device id, or a second text for one key, is refused", () => {
  const id = deviceIdOf(new Uint8Array(32).fill(1));
  const broken = [
    "",
    id.slice(1),
    id + "a",
    id.toUpperCase(),
    "1" + id.slice(1),
    " " + id.slice(1),
  ];
  for (const text of broken) assert.equal(parseDeviceId(text), undefined, text);
  let accepted = 0;
  for (const last of "abcdefghijklmnopqrstuvwxyz234567") {
    if (parseDeviceId(id.slice(0, 51) + last) !== undefined) accepted++;
  }
  assert.equal(accepted, 2, "256 bits leave one bit for the last character");
});

Deno.test("a key of another length has no device id", () => {
  for (const length of [0, 31, 33]) {
    assert.throws(() => deviceIdOf(new Uint8Array(length)), RangeError);
  }
});

Deno.test("hashes are 64 lower-case hex digits", () => {
  const id = blockIdOf(new Uint8Array(32).fill(0xab));
  assert.equal(id, "ab".repeat(32));
  assert.equal(parseBlockId(id), id);
  assert.equal(shortId(id), "abababab");
  for (const text of ["", id.slice(2), id + "00", id.toUpperCase(), "g" + id.slice(1)]) {
    assert.equal(parseBlockId(text), undefined, text);
  }
});
