/** CPace against the test vectors of its specification. */
import assert from "node:assert/strict";
import {
  confirmationKey,
  generatorOf,
  generatorString,
  lengthValues,
  makeShare,
  sharedKey,
} from "../../../protocols/pairing/cpace.ts";

const url = new URL("../../fixtures/cpace/ristretto255_sha512.json", import.meta.url);
const file = JSON.parse(await Deno.readTextFile(url));
const vector = Object.fromEntries(
  Object.entries(file.G_Coffee25519 as Record<string, string>)
    .map(([name, hex]) => [name, Uint8Array.fromHex(hex)]),
) as Record<
  "PRS" | "CI" | "sid" | "g" | "ya" | "ADa" | "Ya" | "yb" | "ADb" | "Yb" | "ISK_IR",
  Uint8Array
>;
const inputs = { password: vector.PRS, channel: vector.CI, session: vector.sid };
const initiator = { share: vector.Ya, associated: vector.ADa };
const responder = { share: vector.Yb, associated: vector.ADb };

Deno.test("lv_cat gives the example of appendix A.1", () => {
  const parts = ["1234", "5", "", "678"].map((text) => new TextEncoder().encode(text));
  assert.equal(lengthValues(...parts).toHex(), "043132333401350003363738");
  // prepend_len of 128 bytes: LEB128 of 128 is 8001.
  assert.equal(lengthValues(new Uint8Array(128)).subarray(0, 3).toHex(), "800100");
});

Deno.test("the generator is that of appendix B.3", () => {
  assert.equal(generatorString(inputs).length, 170);
  assert.deepEqual(generatorOf(inputs).toBytes(), vector.g);
});

Deno.test("shares and key of both sides are those of appendix B.3", () => {
  const a = makeShare(inputs, vector.ya);
  const b = makeShare(inputs, vector.yb);
  assert.deepEqual(a.share, vector.Ya);
  assert.deepEqual(b.share, vector.Yb);
  const common = { session: vector.sid, initiator, responder };
  const keyA = sharedKey({ ...common, scalar: a.scalar, remoteShare: vector.Yb });
  const keyB = sharedKey({ ...common, scalar: b.scalar, remoteShare: vector.Ya });
  assert.deepEqual(keyA, vector.ISK_IR);
  assert.deepEqual(keyB, vector.ISK_IR);
  assert.equal(confirmationKey(vector.sid, keyA!).length, 64);
});

Deno.test("shares that are no group element or the neutral one end the run", () => {
  const points = file.G_Coffee25519_points;
  const common = { session: vector.sid, initiator, responder, scalar: 5n };
  for (const bad of [points["Invalid Y1"], points["Invalid Y2"], "ff".repeat(32), "00"]) {
    assert.equal(sharedKey({ ...common, remoteShare: Uint8Array.fromHex(bad) }), undefined);
  }
  const good = Uint8Array.fromHex(points.Valid.X);
  assert.notEqual(sharedKey({ ...common, remoteShare: good }), undefined);
});
