/** What every adapter of the MaskWork port does. Run by its own test with each adapter. */
import assert from "node:assert/strict";
import { applyMasks, type MaskJob, type MaskWork } from "../../learning/secure/mask_work.ts";
import { nodeMaskStream } from "../../platform/mask_stream.ts";
import { seededRandom } from "../../platform/seeded_random.ts";

const masks = nodeMaskStream();

/** Jobs of both signs with keys of their own. */
export function maskJobs(count: number, seed = "masks"): MaskJob[] {
  const random = seededRandom(seed);
  return Array.from(
    { length: count },
    (_, i): MaskJob => ({ key: random.bytes(32), sign: i % 2 === 0 ? 1 : -1 }),
  );
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
