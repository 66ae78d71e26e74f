/** What every repository of readings promises. */
import assert from "node:assert/strict";
import fc from "fast-check";
import type { Reading } from "../../protocols/sensors/readings.ts";
import type { Store } from "../../store/store.ts";
import type { StorePlace } from "./store_contract_support.ts";

type ReadingsPlace = Pick<StorePlace, "open" | "remove">;

function reading(atMs: number, value: number, more: Partial<Reading> = {}): Reading {
  return { metric: "t", atMs, value, sequence: null, ...more };
}

const ALL = { sensor: "attic", metric: "t", fromMs: 0, toMs: 2 ** 48, bucketMs: 0, limit: 1_000 };

/** Registers the suite for stores that `makePlace` makes. */
export function readingsContract(name: string, makePlace: () => Promise<ReadingsPlace>): void {
  function contract(promise: string, check: (store: Store, place: ReadingsPlace) => Promise<void>) {
    Deno.test(`${name} ${promise}`, async () => {
      const place = await makePlace();
      try {
        const store = await place.open();
        await check(store, place);
        await store.close();
      } finally {
        await place.remove();
      }
    });
  }

  contract("keeps readings through a restart, exactly", async (store, place) => {
    const values = [0.1, -0, 21.5, 1e-300, 1e300, 7, 2 ** 53 + 2];
    await store.readings.add("attic", values.map((value, i) => reading(i, value)), false);
    await store.close();
    const again = await place.open();
    const points = await again.readings.series(ALL);
    assert.deepEqual(points.map(({ value }) => value + 0), values.map((value) => value + 0));
    await again.close();
  });

  contract("keeps a reading that comes again once, and the first of two", async (store) => {
    const first = await store.readings.add("attic", [reading(1, 5), reading(1, 6)], false);
    assert.deepEqual(first, { accepted: 1, duplicates: 1 });
    const again = await store.readings.add(
      "attic",
      [reading(1, 5), reading(1, 5, { sequence: 0 }), reading(1, 5, { metric: "h" })],
      false,
    );
    assert.deepEqual(again, { accepted: 2, duplicates: 1 });
    assert.deepEqual((await store.readings.series(ALL)).map(({ value }) => value), [5, 5]);
  });

  contract("keeps what a sensor without a clock has sent again once", async (store) => {
    const add = async (atMs: number, value: number, sequence: number | null) =>
      (await store.readings.add("attic", [reading(atMs, value, { sequence })], false)).accepted;
    assert.equal(await add(1_000, 20, 7), 1);
    assert.equal(await add(4_000, 20, 7), 0);
    assert.equal(await add(500, 20, 7), 0);
    // It has started anew, or has no counter, or it is long ago.
    assert.equal(await add(5_000, 21, 7), 1);
    assert.equal(await add(6_000, 21, null), 1);
    assert.equal(await add(7_000, 21, null), 1);
    assert.equal(await add(8_000, 20, 8), 1);
    assert.equal(await add(8_000 + 11 * 60_000, 20, 8), 1);
  });

  contract("knows which readings wait for a block", async (store) => {
    await store.readings.add("shed", [reading(2, 2), reading(1, 1)], false);
    await store.readings.add("attic", [reading(3, 3)], false);
    await store.readings.add("cellar", [reading(4, 4)], true);
    assert.deepEqual(await store.readings.waiting(1), [
      { sensor: "attic", readings: [reading(3, 3)] },
      { sensor: "shed", readings: [reading(1, 1)] },
    ]);
    await store.readings.markPublished("shed", [reading(1, 1)]);
    assert.deepEqual((await store.readings.waiting(9))[1]?.readings, [reading(2, 2)]);
    // The block has come back to us by another way.
    await store.readings.add("shed", [reading(2, 2)], true);
    assert.deepEqual((await store.readings.waiting(9)).map(({ sensor }) => sensor), ["attic"]);
  });

  contract("sums stretches of time up as a plain loop does", async (store) => {
    const sample = fc.record({
      atMs: fc.integer({ min: 0, max: 5_000 }),
      value: fc.double({ min: -50, max: 50, noNaN: true }),
    });
    let run = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.uniqueArray(sample, { maxLength: 40, selector: ({ atMs }) => atMs }),
        fc.integer({ min: 1, max: 2_000 }),
        async (samples, bucketMs) => {
          const sensor = `s${run++}`;
          await store.readings.add(
            sensor,
            samples.map(({ atMs, value }) => reading(atMs, value)),
            false,
          );
          const points = await store.readings.series({
            ...ALL,
            sensor,
            bucketMs,
            fromMs: 100,
            toMs: 4_000,
          });
          const inside = samples.filter(({ atMs }) => atMs >= 100 && atMs < 4_000);
          const starts = [
            ...new Set(inside.map(({ atMs }) => Math.floor(atMs / bucketMs) * bucketMs)),
          ].sort((a, b) => a - b);
          assert.deepEqual(points.map(({ atMs }) => atMs), starts);
          for (const point of points) {
            const values = inside.filter(({ atMs }) =>
              Math.floor(atMs / bucketMs) * bucketMs === point.atMs
            ).map(({ value }) => value);
            assert.equal(point.count, values.length);
            assert.equal(point.least, Math.min(...values));
            assert.equal(point.most, Math.max(...values));
            const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
            assert.ok(Math.abs(point.value - mean) < 1e-9, `${point.value} is not ${mean}`);
          }
        },
      ),
      { numRuns: 30, seed: 7 },
    );
  });

  contract(
    "gives the earliest readings of a window, at most as many as asked for",
    async (store) => {
      await store.readings.add("attic", [3, 1, 2, 9].map((at) => reading(at, at)), false);
      const points = await store.readings.series({ ...ALL, fromMs: 2, toMs: 9, limit: 1 });
      assert.deepEqual(points, [{ atMs: 2, value: 2, least: 2, most: 2, count: 1 }]);
      assert.deepEqual(await store.readings.series({ ...ALL, metric: "nothing" }), []);
    },
  );

  contract("lists sensors and metrics with how much there is", async (store) => {
    await store.readings.add(
      "shed",
      [reading(5, 1), reading(7, 1), reading(6, 1, { metric: "a" })],
      false,
    );
    await store.readings.add("attic", [reading(1, 1)], true);
    assert.deepEqual(await store.readings.summaries(), [
      { sensor: "attic", metric: "t", readings: 1, lastAtMs: 1 },
      { sensor: "shed", metric: "a", readings: 1, lastAtMs: 6 },
      { sensor: "shed", metric: "t", readings: 2, lastAtMs: 7 },
    ]);
  });

  contract(
    "forgets the earliest readings that are in blocks, never one that waits",
    async (store) => {
      await store.readings.add("attic", [reading(1, 1), reading(2, 2)], false);
      await store.readings.add("attic", [reading(3, 3), reading(4, 4)], true);
      assert.equal(await store.readings.prune(3), 1);
      assert.deepEqual((await store.readings.series(ALL)).map(({ atMs }) => atMs), [1, 2, 4]);
      assert.equal(await store.readings.prune(0), 1);
      assert.equal((await store.readings.summaries())[0]!.readings, 2);
      assert.equal(await store.readings.prune(2), 0);
    },
  );
}
