/** The Crypto adapters against their contract, against tweetnacl, and the parts that only one of them has. */
import assert from "node:assert/strict";
import fc from "fast-check";
import nacl from "tweetnacl";
import { isAcceptableForm } from "../../platform/crypto_acceptance.ts";
import { packBatch, unpackBatch } from "../../platform/crypto_batch.ts";
import { cachedCrypto } from "../../platform/crypto_cache.ts";
import { nodeCrypto, nodeSigner } from "../../platform/node_crypto.ts";
import { pureCrypto, pureSigner } from "../../platform/pure_crypto.ts";
import { cryptoContract } from "../contracts/crypto_contract.ts";

cryptoContract({ name: "node crypto", make: () => nodeCrypto(), signer: nodeSigner });
cryptoContract({
  name: "node crypto with workers for everything",
  make: () => nodeCrypto({ poolFrom: 1, workersMax: 2 }),
  signer: nodeSigner,
});
cryptoContract({ name: "pure crypto", make: () => pureCrypto(), signer: pureSigner });
cryptoContract({
  name: "cached crypto",
  make: () => cachedCrypto(nodeCrypto(), { entriesMax: 16 }),
  signer: nodeSigner,
});

const signer = nodeSigner(new Uint8Array(32).fill(1));
function signedMessages(count: number) {
  return Array.from({ length: count }, (_, index) => {
    const message = new TextEncoder().encode(`message ${index}`);
    return { publicKey: signer.publicKey, message, signature: signer.sign(message) };
  });
}

Deno.test("node crypto and tweetnacl make the same signatures and accept each other's", () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ minLength: 32, maxLength: 32 }),
      fc.uint8Array({ maxLength: 300 }),
      (seed, message) => {
        const pair = nacl.sign.keyPair.fromSeed(new Uint8Array(seed));
        const ours = nodeSigner(seed);
        assert.deepEqual(ours.publicKey, new Uint8Array(pair.publicKey));
        assert.deepEqual(ours.sign(message), nacl.sign.detached(message, pair.secretKey));
      },
    ),
    { seed: 7, numRuns: 20 },
  );
});

Deno.test("node and pure crypto agree on signatures with any single bit changed", () => {
  const [node, pure] = [nodeCrypto(), pureCrypto()];
  const [good] = signedMessages(1);
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 96 * 8 - 1 }), (bit) => {
      const bytes = new Uint8Array(96);
      bytes.set(good!.publicKey);
      bytes.set(good!.signature, 32);
      bytes[bit >> 3]! ^= 1 << (bit & 7);
      const signed = {
        publicKey: bytes.slice(0, 32),
        signature: bytes.slice(32),
        message: good!.message,
      };
      assert.equal(node.verify(signed), false);
      assert.equal(pure.verify(signed), false);
    }),
    { seed: 11, numRuns: 60 },
  );
});

Deno.test("the acceptance rule refuses every encoding of a small-order point and every key of p or more", () => {
  const key = signer.publicKey;
  const signature = signer.sign(new Uint8Array(1));
  assert.equal(isAcceptableForm(key, signature), true);
  const p = (1n << 255n) - 19n;
  const littleEndian = (value: bigint) => {
    const bytes = Uint8Array.fromHex(value.toString(16).padStart(64, "0"));
    return bytes.reverse();
  };
  for (const y of [0n, 1n, p - 1n, p, p + 1n]) {
    for (const sign of [0n, 1n << 255n]) {
      const bytes = littleEndian(y + sign);
      assert.equal(isAcceptableForm(bytes, signature), false, `key y=${y}`);
      const withR = signature.slice();
      withR.set(bytes);
      assert.equal(isAcceptableForm(key, withR), false, `R y=${y}`);
    }
  }
  for (let y = p; y < 1n << 255n; y++) {
    assert.equal(isAcceptableForm(littleEndian(y), signature), false);
  }
  assert.equal(isAcceptableForm(littleEndian(p - 2n), signature), true);
});

Deno.test("batches survive packing", () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 100 }), { maxLength: 20 }), (messages) => {
      const signed = messages.map((message, index) => ({
        publicKey: new Uint8Array(32).fill(index),
        message: new Uint8Array(message),
        signature: new Uint8Array(64).fill(index + 1),
      }));
      assert.deepEqual(unpackBatch(packBatch(signed)), signed);
    }),
    { seed: 3 },
  );
});

Deno.test("verifyMany on workers names exactly the bad ones among thousands", async () => {
  const crypto = nodeCrypto({ poolFrom: 100, workersMax: 2 });
  try {
    const signed = signedMessages(2_000);
    for (const index of [0, 511, 512, 1_999]) signed[index]!.signature[40]! ^= 4;
    const verdicts = await crypto.verifyMany(signed);
    const bad = verdicts.flatMap((valid, index) => valid ? [] : [index]);
    assert.deepEqual(bad, [0, 511, 512, 1_999]);
  } finally {
    crypto.close();
  }
});

Deno.test("verifyMany starts workers for middling sets and does not wait for them", async () => {
  let started = 0;
  const posted: number[] = [];
  const crypto = nodeCrypto({
    workersMax: 2,
    warmPoolFrom: 200,
    startWorker() {
      started++;
      const worker = new Worker(new URL("../../platform/crypto_worker.ts", import.meta.url), {
        type: "module",
      });
      const post = worker.postMessage.bind(worker);
      worker.postMessage = (message: { packed: ArrayBuffer }, transfer: unknown) => {
        posted.push(unpackBatch(message.packed).length);
        return post(message, transfer as Transferable[]);
      };
      return worker;
    },
  });
  try {
    await crypto.verifyMany(signedMessages(199));
    assert.equal(started, 0);
    const signed = signedMessages(400);
    signed[7]!.signature[40]! ^= 4;
    // Until a worker has answered, sets are verified here; from then on, there.
    for (let i = 0; i < 1_000 && posted.length < 4; i++) {
      const verdicts = await crypto.verifyMany(signed);
      assert.deepEqual(verdicts.flatMap((valid, index) => valid ? [] : [index]), [7]);
    }
    assert.equal(started, 2);
    assert.deepEqual(posted.slice(0, 4), [0, 0, 200, 200]);
  } finally {
    crypto.close();
  }
});

Deno.test("verifyMany does the work itself when workers cannot start or die", async () => {
  const signed = signedMessages(130);
  const throwing = nodeCrypto({
    poolFrom: 1,
    workersMax: 2,
    startWorker: () => {
      throw new Error("no workers here");
    },
  });
  assert.ok((await throwing.verifyMany(signed)).every((valid) => valid));
  const dying = nodeCrypto({
    poolFrom: 1,
    workersMax: 2,
    startWorker: () =>
      new Worker("data:text/javascript,throw new Error('dead')", { type: "module" }),
  });
  assert.ok((await dying.verifyMany(signed)).every((valid) => valid));
  throwing.close();
  dying.close();
});

Deno.test("verifyMany on one thread lets others run in between", async () => {
  const crypto = nodeCrypto({ workersMax: 0 });
  let turns = 0;
  let counting = true;
  const count = () => {
    turns++;
    if (counting) setImmediate(count);
  };
  const { setImmediate } = await import("node:timers");
  setImmediate(count);
  await crypto.verifyMany(signedMessages(640));
  counting = false;
  await new Promise<void>((resolve) => setImmediate(() => resolve()));
  assert.ok(turns >= 5, `${turns} turns`);
});

Deno.test("cached crypto asks once per signature and never mixes messages up", async () => {
  let asked = 0;
  const inner = nodeCrypto();
  const crypto = cachedCrypto({
    ...inner,
    verify: (signed) => {
      asked++;
      return inner.verify(signed);
    },
  }, { entriesMax: 100 });
  const [first, second] = signedMessages(2);
  assert.equal(crypto.verify(first!), true);
  assert.equal(crypto.verify(first!), true);
  assert.equal(asked, 1);
  assert.equal(crypto.verify({ ...first!, message: second!.message }), false);
  assert.deepEqual([...await crypto.verifyMany([first!, second!])], [true, true]);
});
