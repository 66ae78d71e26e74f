/** Which public keys are of no use is looked up in a list; the cryptography itself is asked whether the list is right. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { agreed, agreedOnce, hasLowOrder, keyPairOf } from "../../learning/secure/agreements.ts";
import { nodeCrypto } from "../../platform/node_crypto.ts";

const crypto = nodeCrypto({ workersMax: 0 });
const SECRET = new Uint8Array(32).fill(0x55);
const P = 2n ** 255n - 19n;

function littleEndian(value: bigint): Uint8Array {
  return Uint8Array.from({ length: 32 }, (_, i) => Number(value >> BigInt(8 * i) & 0xffn));
}

/** Doubling on the Montgomery curve (RFC 7748): u of order 1, 2 and 4 or 8 ends at infinity after at most three. */
function endsAtInfinity(u: bigint): boolean {
  let [x, z] = [u % P, 1n];
  for (let i = 0; i < 3; i++) {
    const [aa, bb] = [(x + z) ** 2n % P, (x - z) ** 2n % P];
    const e = (aa - bb + P) % P;
    [x, z] = [aa * bb % P, e * (bb + 121666n * e) % P];
  }
  return z === 0n;
}

const ORDER_8 = [
  325606250916557431795983626356110631294008115727848805560023387167927233504n,
  39382357235489614581723060781553021112529911719440698176882885853963445705823n,
];
const LOW = [0n, 1n, ...ORDER_8, P - 1n, P, P + 1n];

Deno.test("points whose multiple by eight is nothing are found, with and without the highest bit, and no agreement comes of them", () => {
  for (const u of LOW) {
    assert.ok(endsAtInfinity(u));
    for (const top of [0n, 2n ** 255n]) {
      const key = littleEndian(u + top);
      assert.ok(hasLowOrder(key), key.toHex());
      assert.equal(agreed(keyPairOf(crypto, SECRET), key), undefined);
    }
  }
});

Deno.test("all other keys, those beside the useless ones among them, are of use", () => {
  const beside = LOW.flatMap((u) => [u + 2n, u - 2n < 0n ? 9n : u - 2n]).filter((u) =>
    u < 2n ** 255n && !LOW.includes(u)
  );
  for (const u of beside) {
    assert.equal(hasLowOrder(littleEndian(u)), endsAtInfinity(u));
    assert.equal(agreed(keyPairOf(crypto, SECRET), littleEndian(u)) === undefined, false);
  }
  fc.assert(fc.property(fc.uint8Array({ minLength: 32, maxLength: 32 }), (key) => {
    assert.equal(hasLowOrder(key), agreed(keyPairOf(crypto, SECRET), key) === undefined);
  }));
});

Deno.test("a secret that agrees with a key again is given what it was given, and both sides the same", () => {
  const [ours, theirs] = [SECRET.slice(), new Uint8Array(32).fill(7)];
  const [ourPair, theirPair] = [keyPairOf(crypto, ours), keyPairOf(crypto, theirs)];
  const first = agreedOnce(crypto, ours, theirPair.publicKey)!;
  assert.equal(agreedOnce(crypto, ours, theirPair.publicKey), first);
  assert.deepEqual(agreedOnce(crypto, theirs, ourPair.publicKey), first);
  assert.deepEqual(agreed(ourPair, theirPair.publicKey), first);
});
