/** What every Crypto adapter must do, judged by published vectors rather than by another adapter. */
import assert from "node:assert/strict";
import type { BatchSigner, Crypto, Random } from "../../platform/ports.ts";

export interface CryptoSubject {
  readonly name: string;
  readonly make: () => Crypto & { close?(): void };
  readonly signer: (seed: Uint8Array) => BatchSigner;
}

const hex = (text: string) => Uint8Array.fromHex(text);
const utf8 = (text: string) => new TextEncoder().encode(text);

// deno-lint-ignore no-explicit-any
async function fixture(name: string): Promise<any> {
  const url = new URL(`../fixtures/crypto/${name}`, import.meta.url);
  return JSON.parse(await Deno.readTextFile(url));
}

/** A Random that draws exactly the given secret. */
function fixedRandom(secret: Uint8Array): Random {
  const random: Random = {
    bytes: (count) => new Uint8Array(secret.slice(0, count)),
    uint32: () => 0,
    below: () => 0,
    float: () => 0,
    fork: () => random,
  };
  return random;
}

/** Registers the suite for one adapter. */
export function cryptoContract(subject: CryptoSubject): void {
  const test = (sentence: string, check: (crypto: Crypto) => void | Promise<void>) =>
    Deno.test(`${subject.name}: ${sentence}`, async () => {
      const crypto = subject.make();
      try {
        await check(crypto);
      } finally {
        crypto.close?.();
      }
    });

  test("judges every Wycheproof Ed25519 signature as expected", async (crypto) => {
    const { testGroups } = await fixture("wycheproof_ed25519_test.json");
    let checked = 0;
    for (const group of testGroups) {
      for (const vector of group.tests) {
        const signed = {
          publicKey: hex(group.publicKey.pk),
          message: hex(vector.msg),
          signature: hex(vector.sig),
        };
        assert.equal(crypto.verify(signed), vector.result === "valid", `tcId ${vector.tcId}`);
        checked++;
      }
    }
    assert.equal(checked, 151);
  });

  test("accepts of the twelve disputed signatures only the harmless one", async (crypto) => {
    const cases = await fixture("ed25519_speccheck_cases.json");
    const accepted: number[] = [];
    for (const [index, one] of cases.entries()) {
      const signed = {
        publicKey: hex(one.pub_key),
        message: hex(one.message),
        signature: hex(one.signature),
      };
      if (crypto.verify(signed)) accepted.push(index);
    }
    assert.deepEqual(accepted, [3]);
  });

  test("refuses the identity key that fits every message", (crypto) => {
    const identity = hex("01" + "00".repeat(31));
    const signature = hex("01" + "00".repeat(63));
    assert.equal(crypto.verify({ publicKey: identity, message: utf8("any"), signature }), false);
  });

  test("verifies many as it verifies one, malformed ones included", async (crypto) => {
    const signer = subject.signer(new Uint8Array(32).fill(5));
    const signed = Array.from({ length: 70 }, (_, index) => {
      const message = utf8(`message ${index}`);
      const signature = signer.sign(message);
      if (index % 5 === 1) signature[3]! ^= 1;
      const cut = index % 7 === 2 ? 31 : 32;
      return { publicKey: signer.publicKey.subarray(0, cut), message, signature };
    });
    const expected = signed.map((_, index) => index % 5 !== 1 && index % 7 !== 2);
    assert.deepEqual([...await crypto.verifyMany(signed)], expected);
    assert.deepEqual(signed.map((one) => crypto.verify(one)), expected);
    assert.deepEqual([...await crypto.verifyMany([])], []);
  });

  test("signs many as it signs one", async () => {
    const signer = subject.signer(new Uint8Array(32).fill(5));
    const messages = Array.from({ length: 70 }, (_, index) => utf8("m".repeat(index)));
    const signatures = await signer.signMany(messages);
    assert.deepEqual(signatures, messages.map((message) => signer.sign(message)));
    assert.deepEqual(await signer.signMany([]), []);
  });

  test("signs as RFC 8032 section 7.1 test 2 does", (crypto) => {
    const signer = subject.signer(
      hex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb"),
    );
    const message = hex("72");
    const publicKey = hex("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c");
    const signature = hex(
      "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da" +
        "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
    );
    assert.deepEqual(signer.publicKey, publicKey);
    assert.deepEqual(signer.sign(message), signature);
    assert.equal(crypto.verify({ publicKey, message, signature }), true);
  });

  test("agrees on keys as Wycheproof says and refuses zero results", async (crypto) => {
    const { testGroups } = await fixture("wycheproof_x25519_test.json");
    let zeros = 0;
    for (const group of testGroups) {
      for (const vector of group.tests) {
        const pair = crypto.agreementKeyPair(fixedRandom(hex(vector.private)));
        if (/^0+$/.test(vector.shared)) {
          zeros++;
          assert.throws(() => pair.agree(hex(vector.public)), /low order/, `tcId ${vector.tcId}`);
        } else {
          assert.equal(pair.agree(hex(vector.public)).toHex(), vector.shared, `${vector.tcId}`);
        }
      }
    }
    assert.ok(zeros > 10);
  });

  test("makes public keys that are the secret times the base point 9", (crypto) => {
    const base = new Uint8Array(32);
    base[0] = 9;
    const alice = crypto.agreementKeyPair(fixedRandom(new Uint8Array(32).fill(7)));
    const bob = crypto.agreementKeyPair(fixedRandom(new Uint8Array(32).fill(9)));
    assert.deepEqual(alice.agree(base), alice.publicKey);
    assert.deepEqual(alice.agree(bob.publicKey), bob.agree(alice.publicKey));
    assert.throws(() => alice.agree(new Uint8Array(31)), RangeError);
  });

  test("seals and opens as Wycheproof says", async (crypto) => {
    const { testGroups } = await fixture("wycheproof_chacha20_poly1305_test.json");
    let checked = 0;
    for (const group of testGroups) {
      if (group.ivSize !== 96) continue;
      for (const vector of group.tests) {
        const [key, nonce, associated] = [hex(vector.key), hex(vector.iv), hex(vector.aad)];
        const ciphertext = hex(vector.ct + vector.tag);
        const opened = crypto.open({ key, nonce, ciphertext, associated });
        if (vector.result === "invalid") {
          assert.equal(opened, undefined, `tcId ${vector.tcId}`);
        } else {
          const plaintext = hex(vector.msg);
          assert.deepEqual(opened, plaintext, `tcId ${vector.tcId}`);
          assert.deepEqual(crypto.seal({ key, nonce, plaintext, associated }), ciphertext);
        }
        checked++;
      }
    }
    assert.ok(checked > 250);
    const short = { key: new Uint8Array(32), nonce: new Uint8Array(12) };
    for (const length of [0, 1, 15]) {
      const ciphertext = new Uint8Array(length);
      assert.equal(crypto.open({ ...short, ciphertext, associated: ciphertext }), undefined);
    }
  });

  test("hashes and derives as FIPS 180-4, RFC 4231 and RFC 5869 say", (crypto) => {
    const abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    assert.equal(crypto.sha256(utf8("a"), utf8(""), utf8("bc")).toHex(), abc);
    // A view into something larger: its own bytes count, and no others.
    assert.equal(crypto.sha256Hex(utf8("xabcy").subarray(1, 4)), abc);
    assert.equal(crypto.sha256Hex(new Uint8Array(0)), crypto.sha256().toHex());
    assert.equal(
      crypto.hmac(utf8("Jefe"), utf8("what do ya want for nothing?")).toHex(),
      "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
    );
    const derived = crypto.hkdf({
      secret: hex("0b".repeat(22)),
      salt: hex("000102030405060708090a0b0c"),
      info: hex("f0f1f2f3f4f5f6f7f8f9"),
      length: 42,
    });
    assert.equal(
      derived.toHex(),
      "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865",
    );
  });

  test("permutes blocks as FIPS 197 appendix C.1 says, each by itself", (crypto) => {
    const key = hex("000102030405060708090a0b0c0d0e0f");
    const block = "00112233445566778899aabbccddeeff";
    const expected = "69c4e0d86a7b0430d8cdb78070b4c55a";
    assert.equal(crypto.permuteBlocks(key, hex(block + block)).toHex(), expected + expected);
    assert.equal(crypto.permuteBlocks(key, new Uint8Array(0)).length, 0);
    assert.throws(() => crypto.permuteBlocks(key, new Uint8Array(15)), RangeError);
  });

  test("answers with plain byte arrays of their own", (crypto) => {
    const hash = crypto.sha256(utf8("x"));
    assert.equal(hash.constructor, Uint8Array);
    assert.equal(hash.buffer.byteLength, 32);
  });
}
