/** What every Sealer adapter must do, judged by published vectors and by TweetNaCl rather than by another adapter. */
import assert from "node:assert/strict";
import fc from "fast-check";
import nacl from "tweetnacl";
import type { Random, Sealer } from "../../platform/ports.ts";
import { seededRandom } from "../../platform/seeded_random.ts";

/** An adapter under test. */
export interface SealerSubject {
  readonly name: string;
  /** A sealer with this X25519 private key (32 bytes), which keeps at most `keysMax` agreed keys. */
  readonly make: (secret: Uint8Array, keysMax?: number) => Sealer | Promise<Sealer>;
}

const hex = (text: string) => Uint8Array.fromHex(text);
const utf8 = (text: string) => new TextEncoder().encode(text);

// deno-lint-ignore no-explicit-any
async function fixture(path: string): Promise<any> {
  return JSON.parse(await Deno.readTextFile(new URL(`../fixtures/${path}`, import.meta.url)));
}

/** A Random that draws exactly these bytes. */
function fixedRandom(bytes: Uint8Array): Random {
  const random: Random = {
    bytes: (count) => new Uint8Array(bytes.slice(0, count)),
    uint32: () => 0,
    below: () => 0,
    float: () => 0,
    fork: () => random,
  };
  return random;
}

/** Registers the suite for one adapter. */
export function sealerContract(subject: SealerSubject): void {
  const test = (sentence: string, check: () => Promise<void>) =>
    Deno.test(`${subject.name}: ${sentence}`, check);
  const secretOf = (n: number) => seededRandom(`sealer ${n}`).bytes(32);
  const random = seededRandom("nonces");

  test("makes and opens the box of the NaCl paper", async () => {
    const vector = await fixture("nacl/box.json");
    const bob = await subject.make(hex(vector.bobSecret));
    assert.equal(bob.publicKey.toHex(), vector.bobPublic);
    const sealed = bob.seal(
      hex(vector.alicePublic),
      hex(vector.plaintext),
      fixedRandom(hex(vector.nonce)),
    );
    assert.equal(sealed.toHex(), vector.nonce + vector.box);
    assert.equal(bob.open(hex(vector.alicePublic), sealed)?.toHex(), vector.plaintext);
  });

  test("what one seals the other opens, at every size", async () => {
    const [a, b] = [await subject.make(secretOf(1)), await subject.make(secretOf(2))];
    for (const size of [0, 1, 15, 16, 31, 32, 33, 63, 64, 65, 1_000, 16_384, 300 * 1024]) {
      const plaintext = random.bytes(Math.min(size, 65_536));
      const full = new Uint8Array(size).map((_, i) => plaintext[i % 65_536]! ^ (i >> 16));
      const sealed = a.seal(b.publicKey, full, random);
      assert.equal(sealed.length, size + 40);
      assert.deepEqual(b.open(a.publicKey, sealed), full);
      assert.deepEqual(a.open(b.publicKey, sealed), full, "the sender, too: the key is shared");
    }
  });

  test("TweetNaCl opens our boxes and we open its", async () => {
    const [ours, theirs] = [secretOf(3), secretOf(4)];
    const sealer = await subject.make(ours);
    const pair = nacl.box.keyPair.fromSecretKey(theirs);
    assert.deepEqual(sealer.publicKey, nacl.box.keyPair.fromSecretKey(ours).publicKey);
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (plaintext) => {
        const sealed = sealer.seal(pair.publicKey, plaintext, random);
        const nonce = sealed.subarray(0, 24);
        const opened = nacl.box.open(
          sealed.subarray(24),
          nonce,
          sealer.publicKey,
          pair.secretKey,
        );
        assert.deepEqual(opened, plaintext);
        const theirBox = nacl.box(plaintext, nonce, sealer.publicKey, pair.secretKey);
        const joined = new Uint8Array([...nonce, ...theirBox]);
        assert.deepEqual(sealer.open(pair.publicKey, joined), plaintext);
      }),
      { seed: 11, numRuns: 25 },
    );
  });

  test("nobody else opens a box, and none opens as from somebody else", async () => {
    const [a, b, c] = [
      await subject.make(secretOf(1)),
      await subject.make(secretOf(2)),
      await subject.make(secretOf(5)),
    ];
    const sealed = a.seal(b.publicKey, utf8("for b"), random);
    assert.equal(c.open(a.publicKey, sealed), undefined);
    assert.equal(b.open(c.publicKey, sealed), undefined);
  });

  test("a box with any changed, missing or added byte does not open", async () => {
    const [a, b] = [await subject.make(secretOf(1)), await subject.make(secretOf(2))];
    const sealed = a.seal(b.publicKey, utf8("one bit"), random);
    for (let at = 0; at < sealed.length; at++) {
      for (const bit of [1, 128]) {
        assert.equal(b.open(a.publicKey, sealed.with(at, sealed[at]! ^ bit)), undefined);
      }
      assert.equal(b.open(a.publicKey, sealed.slice(0, at)), undefined, `cut to ${at}`);
    }
    assert.equal(b.open(a.publicKey, new Uint8Array([...sealed, 0])), undefined);
  });

  test("keys of low order and of another length are refused", async () => {
    const sealer = await subject.make(secretOf(6));
    const vectors = await fixture("crypto/wycheproof_x25519_test.json");
    const zero = "0".repeat(64);
    // deno-lint-ignore no-explicit-any
    const cases = vectors.testGroups.flatMap((group: any) => group.tests) as {
      public: string;
      private: string;
      shared: string;
      flags: string[];
    }[];
    const low = new Set(cases.filter((one) => one.shared === zero).map((one) => one.public));
    assert.ok(low.size >= 7, `${low.size} keys of low order in the vectors`);
    for (const key of [...low, "00", "", "00".repeat(33)]) {
      assert.throws(() => sealer.seal(hex(key), utf8("x"), random), RangeError, key);
      assert.equal(sealer.open(hex(key), new Uint8Array(100)), undefined, key);
    }
  });

  test("agrees with every other key of Wycheproof as TweetNaCl does", async () => {
    const vectors = await fixture("crypto/wycheproof_x25519_test.json");
    // deno-lint-ignore no-explicit-any
    const cases = vectors.testGroups.flatMap((group: any) => group.tests) as {
      public: string;
      private: string;
      shared: string;
    }[];
    const nonce = new Uint8Array(24);
    const usable = cases.filter((one) => !/^0+$/.test(one.shared));
    assert.ok(usable.length > 400);
    for (const { private: secret, public: other, shared } of usable) {
      const sealed = (await subject.make(hex(secret))).seal(
        hex(other),
        utf8("x"),
        fixedRandom(nonce),
      );
      const expected = nacl.secretbox(utf8("x"), nonce, nacl.box.before(hex(other), hex(secret)));
      assert.equal(sealed.subarray(24).toHex(), expected.toHex(), `${other} ${shared}`);
    }
  });

  test("the bytes that are handed in stay as they are, and answers are one's own", async () => {
    const [a, b] = [await subject.make(secretOf(1)), await subject.make(secretOf(2))];
    const plaintext = utf8("untouched");
    const sealed = a.seal(b.publicKey, plaintext, random);
    const copy = sealed.slice();
    b.open(a.publicKey, sealed)!.fill(0);
    assert.deepEqual(sealed, copy);
    assert.deepEqual(plaintext, utf8("untouched"));
  });

  test("more correspondents than it keeps keys of make no difference", async () => {
    const few = await subject.make(secretOf(1), 2);
    const others = await Promise.all([2, 3, 4, 5].map((n) => subject.make(secretOf(n))));
    for (let round = 0; round < 3; round++) {
      for (const other of others) {
        const sealed = few.seal(other.publicKey, utf8(`${round}`), random);
        assert.deepEqual(other.open(few.publicKey, sealed), utf8(`${round}`));
      }
    }
  });
}
