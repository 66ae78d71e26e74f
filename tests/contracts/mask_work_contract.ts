/** What every adapter of the MaskWork port does. Run by its own test with each adapter. */
import assert from "node:assert/strict";
import { keyPairOf } from "../../learning/secure/agreements.ts";
import { maskKeys, type MaskOrder } from "../../learning/secure/mask_keys.ts";
import { applyMasks, type MaskJob, type MaskWork } from "../../learning/secure/mask_work.ts";
import { nodeMaskStream } from "../../platform/mask_stream.ts";
import { nodeCrypto } from "../../platform/node_crypto.ts";
import { seededRandom } from "../../platform/seeded_random.ts";
import { deviceIdOf } from "../../protocols/ids.ts";

const masks = nodeMaskStream();
const crypto = nodeCrypto({ workersMax: 0 });

/** Jobs of both signs with keys of their own. */
export function maskJobs(count: number, seed = "masks"): MaskJob[] {
  const random = seededRandom(seed);
  return Array.from(
    { length: count },
    (_, i): MaskJob => ({ key: random.bytes(32), sign: i % 2 === 0 ? 1 : -1 }),
  );
}

/** Orders of both kinds and signs; pairs share a secret, as those of one device do. */
export function maskOrders(count: number): MaskOrder[] {
  const random = seededRandom("orders");
  const [roster, secret] = [random.bytes(32), random.bytes(32)];
  const [earlier, later] = [random.bytes(32), random.bytes(32)].map(deviceIdOf);
  return Array.from({ length: count }, (_, i): MaskOrder => {
    const sign = i % 2 === 0 ? 1 : -1;
    if (i % 3 === 0) return { type: "self", roster, sign, seed: random.bytes(32) };
    const { publicKey } = keyPairOf(crypto, random.bytes(32));
    return { type: "pair", roster, sign, secret, publicKey, earlier: earlier!, later: later! };
  });
}

/** A vector of arbitrary numbers. */
export function vectorOf(length: number): Uint32Array<ArrayBuffer> {
  return Uint32Array.from({ length }, (_, i) => Math.imul(i + 1, 2_654_435_761));
}

/** Registers the contract's tests for one adapter. */
export function maskWorkContract(name: string, open: () => MaskWork): void {
  const test = (behaviour: string, body: (work: MaskWork) => Promise<void>) =>
    Deno.test(`${name}: ${behaviour}`, async () => {
      const work = open();
      try {
        await body(work);
      } finally {
        work.close();
      }
    });

  test("applies what the stream itself would, whatever the length", async (work) => {
    for (const length of [1, 15, 16, 17, 1_000, 70_001, 140_000]) {
      const jobs = maskJobs(3);
      const [target, expected] = [vectorOf(length), vectorOf(length)];
      await work.apply(target, jobs);
      applyMasks(expected, jobs, masks);
      assert.deepEqual(target, expected, `${length} numbers`);
    }
  });

  test("makes the keys that masks have, in the order of the orders", async (work) => {
    for (const count of [0, 1, 7, 8, 9, 30]) {
      const orders = maskOrders(count);
      assert.deepEqual(await work.keys(orders), maskKeys(crypto, orders), `${count} orders`);
    }
  });

  test("both of a pair find the same key", async (work) => {
    const [ours, theirs] = [1, 2].map((byte) => new Uint8Array(32).fill(byte));
    const [one, other] = [ours!, theirs!].map((secret) => keyPairOf(crypto, secret));
    const pair = maskOrders(2)[1]!;
    assert.equal(pair.type, "pair");
    const [first, second] = await work.keys([
      { ...pair, secret: ours!, publicKey: other!.publicKey } as MaskOrder,
      { ...pair, secret: theirs!, publicKey: one!.publicKey } as MaskOrder,
    ]);
    assert.deepEqual(first!.key, second!.key);
  });

  test("refuses a mask key with which everybody agrees on zero", async (work) => {
    const orders = maskOrders(20).map((order): MaskOrder =>
      order.type === "pair" ? { ...order, publicKey: new Uint8Array(32) } : order
    );
    await assert.rejects(
      (async () => await work.keys(orders))(),
      /Cannot make the mask of .*: a mask key has low order/,
    );
  });

  test("what was put on comes off again", async (work) => {
    const target = vectorOf(50_000);
    const jobs = maskJobs(8);
    await work.apply(target, jobs);
    assert.notDeepEqual(target, vectorOf(50_000));
    await work.apply(target, jobs.map(({ key, sign }) => ({ key, sign: sign === 1 ? -1 : 1 })));
    assert.deepEqual(target, vectorOf(50_000));
  });

  test("several vectors at once do not mix", async (work) => {
    const targets = [20_000, 30_000, 40_000].map(vectorOf);
    await Promise.all(targets.map((target, i) => work.apply(target, maskJobs(4, `seed ${i}`))));
    targets.forEach((target, i) => {
      const expected = vectorOf(target.length);
      applyMasks(expected, maskJobs(4, `seed ${i}`), masks);
      assert.deepEqual(target, expected);
    });
  });

  test("nothing to do changes nothing", async (work) => {
    const target = vectorOf(100);
    await work.apply(target, []);
    await work.pause();
    assert.deepEqual(target, vectorOf(100));
  });
}
