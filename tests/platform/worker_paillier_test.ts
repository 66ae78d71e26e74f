/** Paillier's encryption on another core: real keys, the real sum, and an end when it is asked for. */
import assert from "node:assert/strict";
import { paillierModulus, paillierSum } from "../../learning/secure/paillier.ts";
import { WorkerPaillierWork } from "../../platform/worker_paillier.ts";
import type { DeviceId } from "../../protocols/ids.ts";

const names = ["a", "b", "c"].map((one) => one.repeat(52) as DeviceId);

Deno.test("what workers encrypt under a fresh key adds up, and opens with its primes", async () => {
  const work = new WorkerPaillierWork();
  try {
    const primes = await work.draw(2_048);
    const size = { length: 5, bits: 18, summandsMax: 3 };
    const n = paillierModulus(primes);
    const collector = paillierSum({ ...size, n }).collector(0);
    const values = Uint32Array.of(1, 2, 3, 4, 2 ** 18 - 1);
    const sent = new Set<string>();
    for (const name of names) {
      const part = await work.encrypt({ ...size, n }, values);
      sent.add(part.toHex());
      assert.ok(collector.add(name, part).ok);
    }
    assert.equal(sent.size, 3, "equal vectors do not look alike");
    const opened = await work.open({ ...size, primes }, collector.total());
    assert.ok(opened.ok);
    assert.deepEqual([...opened.value], [3, 6, 9, 12, 2 ** 18 - 3]);
  } finally {
    work.close();
  }
});

Deno.test("of very many vectors at once the oldest give way, so that nobody can have a device do more and more", async () => {
  const work = new WorkerPaillierWork();
  const n = (1n << 2_047n) + 1n;
  const size = { length: 4_000, bits: 18, summandsMax: 3, n };
  const all = Array.from({ length: 6 }, () => work.encrypt(size, new Uint32Array(size.length)));
  const outcomes = all.map((one) => one.then(() => "done", (error: Error) => error.message));
  const gaveWay = "Cannot encrypt: newer vectors are to be encrypted";
  assert.deepEqual(await Promise.all(outcomes.slice(0, 2)), [gaveWay, gaveWay]);
  work.close();
  for (const outcome of await Promise.all(outcomes.slice(2))) assert.match(outcome, /closed|done/);
});

Deno.test("what cannot be done is refused, and closing ends what runs", async () => {
  const work = new WorkerPaillierWork();
  const bad = { length: 5, bits: 18, summandsMax: 3, n: 15n };
  await assert.rejects(work.encrypt(bad, new Uint32Array(5)), /Paillier key of 4 bits/);
  const running = work.draw(3_072);
  work.close();
  await assert.rejects(running, /closed/);
  await assert.rejects(work.draw(2_048), /closed/);
});
