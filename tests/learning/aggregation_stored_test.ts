/** Rules over updates on a disk: the bits of held ones, and no more in memory than two blocks of coordinates. */
import assert from "node:assert/strict";
import { aggregationSchema, createRule } from "../../learning/aggregation/rules.ts";
import { StoredUpdates, storedUpdatesBytes } from "../../learning/aggregation/stored_updates.ts";
import { TILE_LENGTH } from "../../learning/aggregation/tiles.ts";
import { type ClientUpdate, heldUpdates } from "../../learning/aggregation/update_source.ts";
import type { Parameters } from "../../learning/parameters.ts";
import type { Scratch } from "../../platform/ports.ts";
import { seededRandom } from "../../platform/seeded_random.ts";
import { memoryScratch } from "../../store/memory_vectors.ts";

const RULES = [
  { name: "weightedMean" },
  { name: "normClipping", norm: 2 },
  { name: "centeredClipping", radius: 2, iterations: 2 },
  { name: "coordinateMedian" },
  { name: "trimmedMean", share: 0.2 },
  { name: "krum", faulty: 1 },
  { name: "multiKrum", faulty: 1, keep: 4 },
  { name: "bulyan", faulty: 1 },
  { name: "geometricMedian", iterations: 3 },
];

function updatesOf(clients: number, count: number): readonly ClientUpdate[] {
  const random = seededRandom(`stored ${clients} ${count}`);
  return Array.from({ length: clients }, () => ({
    values: Float32Array.from({ length: count }, () => random.float() * 2 - 1),
    weight: 1 + random.below(100),
  }));
}

async function stored(updates: readonly ClientUpdate[], scratch: Scratch, clientsMax: number) {
  const store = new StoredUpdates({ scratch, count: updates[0]!.values.length, clientsMax });
  for (const update of updates) await store.add(update);
  return store.source();
}

// With 100 clients a tile is no part of a block: some tiles lie in two.
for (
  const [clients, count] of [[7, 3 * TILE_LENGTH + 17], [100, 2 * TILE_LENGTH + 4], [9, 5]] as const
) {
  Deno.test(`every rule makes of ${clients} stored updates of ${count} numbers the bits that it makes of held ones`, async () => {
    const updates = updatesOf(clients, count);
    const scratch = memoryScratch();
    for (const description of RULES) {
      const rule = createRule(aggregationSchema.parse(description));
      const source = await stored(updates, scratch, clients + 3);
      const steps = rule.steps(source);
      let result: Parameters;
      for (let step = steps.next();; step = steps.next()) {
        if (step.done === true) {
          result = step.value;
          break;
        }
        if (!source.has(step.value)) await source.bring(step.value);
      }
      assert.deepEqual(result, rule.aggregate(heldUpdates(updates)), rule.name);
    }
  });
}

Deno.test("reading brings a block of coordinates of all updates at once, in two buffers however long updates are", async () => {
  const updates = updatesOf(5, 8 * TILE_LENGTH);
  const inner = memoryScratch();
  const buffers = new Set<ArrayBufferLike>();
  let reads = 0;
  const scratch: Scratch = {
    ...inner,
    read(at, into) {
      buffers.add(into.buffer);
      reads++;
      return inner.read(at, into);
    },
  };
  const source = await stored(updates, scratch, 5);
  const rule = createRule(aggregationSchema.parse({ name: "coordinateMedian" }));
  const steps = rule.steps(source);
  for (let step = steps.next(); step.done !== true; step = steps.next()) {
    if (!source.has(step.value)) await source.bring(step.value);
  }
  assert.equal(reads, 8);
  const bytes = [...buffers].reduce((sum, { byteLength }) => sum + byteLength, 0);
  assert.equal(bytes, storedUpdatesBytes(5));
  assert.equal(storedUpdatesBytes(1_024), 32 * 1024 * 1024);
});

Deno.test("updates that cannot be aggregated are not stored, and what was not asked for cannot be read", async () => {
  const store = new StoredUpdates({ scratch: memoryScratch(), count: 3, clientsMax: 2 });
  await assert.rejects(store.add({ values: Float32Array.of(1, NaN, 2), weight: 1 }), {
    name: "AggregationError",
    reason: "notFinite",
  });
  await store.add({ values: Float32Array.of(1, 2, 3), weight: 4 });
  const source = store.source();
  assert.equal(source.clients, 1);
  assert.equal(source.weight(0), 4);
  assert.throws(() => source.read(0, 0, new Float32Array(1)), /was not asked for/);
  await source.bring({ start: 0, length: 3 });
  const numbers = new Float32Array(2);
  source.read(0, 1, numbers);
  assert.deepEqual([...numbers], [2, 3]);
});
