/** Aggregation rules: what Flower and scipy make of the same updates, what the papers promise, and what faulty input gets. */
import assert from "node:assert/strict";
import fc from "fast-check";
import {
  type Aggregation,
  aggregationOf,
  aggregationSchema,
  createRule,
} from "../../learning/aggregation/rules.ts";
import {
  type ClientUpdate,
  heldUpdates,
  updateFault,
  type UpdateSource,
} from "../../learning/aggregation/update_source.ts";
import { TILE_LENGTH } from "../../learning/aggregation/tiles.ts";
import type { Parameters } from "../../learning/parameters.ts";
import { seededRandom } from "../../platform/seeded_random.ts";
import fixtures from "../fixtures/learning/strategies.json" with { type: "json" };

/** Every rule, with numbers that fit seven clients. */
const ALL: readonly Aggregation[] = [
  { name: "weightedMean" },
  { name: "normClipping", norm: 2 },
  { name: "centeredClipping", radius: 2, iterations: 3 },
  { name: "coordinateMedian" },
  { name: "trimmedMean", share: 0.2 },
  { name: "krum", faulty: 1 },
  { name: "multiKrum", faulty: 1, keep: 4 },
  { name: "bulyan", faulty: 1 },
  { name: "geometricMedian", smoothing: 1e-6, iterations: 100, tolerance: 1e-7 },
];
/** Those that are meant to bear a liar. */
const ROBUST = ALL.filter(({ name }) => !["weightedMean", "normClipping"].includes(name));

function update(values: readonly number[], weight = 1): ClientUpdate {
  return { values: Float32Array.from(values), weight };
}

function aggregate(aggregation: Aggregation, updates: readonly ClientUpdate[]): Parameters {
  return createRule(aggregation).aggregate(heldUpdates(updates));
}

function near(actual: Parameters, expected: readonly number[], tolerance: number): void {
  assert.equal(actual.length, expected.length);
  actual.forEach((value, i) => {
    const allowed = tolerance * Math.max(1, Math.abs(expected[i]!));
    assert.ok(
      Math.abs(value - expected[i]!) <= allowed,
      `number ${i} is ${value}, expected ${expected[i]}`,
    );
  });
}

/** `clients` random updates of `count` numbers, from a seed. */
function randomUpdates(clients: number, count: number, seed: string | number): ClientUpdate[] {
  const random = seededRandom(seed);
  return Array.from({ length: clients }, () => ({
    values: Float32Array.from({ length: count }, () => random.float() * 2 - 1),
    weight: 1 + random.below(100),
  }));
}

/** The oracle looks for the minimum itself, so the algorithm walks on until the sum no longer shrinks. */
function whole(rule: string): object {
  return rule === "geometricMedian" ? { tolerance: 0, iterations: 1_000 } : {};
}

for (const [index, fixture] of fixtures.rules.entries()) {
  const { rule, options, updates, weights, result } = fixture;
  Deno.test(`${rule} of ${updates.length} updates gives what the oracle gives (case ${index})`, () => {
    const aggregation = aggregationSchema.parse({ name: rule, ...options, ...whole(rule) });
    const clients = updates.map((values, i) => update(values, weights[i]!));
    const ours = aggregate(aggregation, clients);
    if (rule !== "geometricMedian") return near(ours, result, 1e-6);
    // Around its minimum the sum of distances is flat: it says more than the place.
    near(ours, result, 1e-2);
    const sum = (point: readonly number[]) =>
      updates.reduce((total, values, i) => {
        const distance = Math.hypot(...values.map((value, k) => value - point[k]!));
        return total + weights[i]! * distance;
      }, 0);
    assert.ok(sum([...ours]) <= sum(result) * (1 + 1e-6));
  });
}

Deno.test("trimmed mean with a quarter cut of .5, 1, 2 and 100 is 1.5", () => {
  const updates = [100, 0.5, 2, 1].map((value) => update([value]));
  assert.deepEqual([...aggregate({ name: "trimmedMean", share: 0.25 }, updates)], [1.5]);
});

Deno.test("multi-Krum keeping 2 of .2, .5 and 1 is .35", () => {
  const updates = [0.2, 0.5, 1].map((value) => update([value]));
  near(aggregate({ name: "multiKrum", faulty: 0, keep: 2 }, updates), [0.35], 1e-7);
});

Deno.test("a liar among seven moves no robust rule out of reach of the honest, and the mean far away", () => {
  const honest = randomUpdates(6, 50, "honest");
  const liar = update(Array.from({ length: 50 }, () => 1e6));
  for (const aggregation of ROBUST) {
    const result = aggregate(aggregation, [...honest, liar]);
    assert.ok(result.every((value) => Math.abs(value) <= 2), aggregation.name);
  }
  const mean = aggregate({ name: "weightedMean" }, [
    ...honest.map(({ values }) => ({ values, weight: 1 })),
    liar,
  ]);
  assert.ok(mean.every((value) => value > 1e5));
});

Deno.test("norm clipping lets one client move the result by its share of the bound at most", () => {
  const still = Array.from({ length: 9 }, () => update([0, 0]));
  const result = aggregate({ name: "normClipping", norm: 5 }, [...still, update([3e20, 4e20])]);
  near(result, [0.3, 0.4], 1e-6);
});

Deno.test("centered clipping is the paper's steps, in double precision", () => {
  const updates = randomUpdates(9, 30, "centred");
  const [radius, iterations] = [1.1, 4];
  let centre: readonly number[] = new Array<number>(30).fill(0);
  for (let step = 0; step < iterations; step++) {
    const before = centre;
    centre = before.map((value, k) =>
      updates.reduce((sum, { values }) => {
        const distance = Math.hypot(...before.map((place, i) => values[i]! - place));
        return sum + (values[k]! - value) * Math.min(1, radius / distance) / updates.length;
      }, value)
    );
  }
  near(aggregate({ name: "centeredClipping", radius, iterations }, updates), centre, 1e-6);
});

Deno.test("equal updates come out as they went in, by every rule that does not shorten", () => {
  const values = Array.from({ length: 10 }, (_, i) => Math.fround(i / 7 - 0.5));
  for (const aggregation of ALL) {
    const result = aggregate(aggregation, Array.from({ length: 7 }, () => update(values)));
    near(result, values, 1e-6);
  }
});

Deno.test("the order in which updates stand does not matter, but for Bulyan, where it breaks ties", () => {
  fc.assert(
    fc.property(fc.nat(), fc.integer({ min: 7, max: 40 }), (seed, clients) => {
      const updates = randomUpdates(clients, 5, seed);
      const turned = updates.toReversed();
      for (const aggregation of ALL.filter(({ name }) => name !== "bulyan")) {
        near(aggregate(aggregation, turned), [...aggregate(aggregation, updates)], 1e-5);
      }
    }),
    { numRuns: 20 },
  );
});

Deno.test("median and trimmed mean agree with sorting every column, for any number of clients", () => {
  fc.assert(
    fc.property(
      fc.nat(),
      fc.oneof(fc.integer({ min: 5, max: 70 }), fc.constantFrom(511, 512, 513, 700)),
      (seed, clients) => {
        const updates = randomUpdates(clients, 9, seed);
        const median = aggregate({ name: "coordinateMedian" }, updates);
        const trimmed = aggregate({ name: "trimmedMean", share: 0.2 }, updates);
        const cut = Math.floor(0.2 * clients);
        for (let i = 0; i < 9; i++) {
          const column = updates.map(({ values }) => values[i]!).sort((a, b) => a - b);
          const middle = (column[(clients - 1) >> 1]! + column[clients >> 1]!) / 2;
          assert.equal(median[i], Math.fround(middle));
          const kept = column.slice(cut, clients - cut);
          near(trimmed.subarray(i, i + 1), [kept.reduce((a, b) => a + b) / kept.length], 1e-6);
        }
      },
    ),
    { numRuns: 60 },
  );
});

Deno.test("updates that are not in memory are read in tiles, with the same bits as held ones", () => {
  const count = 2 * TILE_LENGTH + 77;
  for (const clients of [7, 90]) {
    const updates = randomUpdates(clients, count, `tiles of ${clients}`);
    const held = heldUpdates(updates);
    let longest = 0;
    const far: UpdateSource = {
      ...held,
      read(client, start, into) {
        longest = Math.max(longest, into.length);
        held.read(client, start, into);
      },
    };
    for (const aggregation of ALL) {
      const rule = createRule(aggregation);
      assert.deepEqual(rule.aggregate(far), rule.aggregate(held), rule.name);
      assert.ok(longest <= TILE_LENGTH, `${rule.name} read ${longest} numbers at once`);
      const size = { clients, count };
      assert.ok(rule.workingBytes(size) < 4 * clients * count, `${rule.name} needs all updates`);
    }
  }
});

Deno.test("rules that stream give the same bits one after another as all together", () => {
  const count = TILE_LENGTH + 5;
  const updates = randomUpdates(8, count, "stream");
  const streaming = ALL.map(createRule).filter(({ begin }) => begin !== null);
  assert.deepEqual(streaming.map(({ name }) => name), ["weightedMean", "normClipping"]);
  for (const rule of streaming) {
    const sum = rule.begin!(count);
    updates.forEach((one) => sum.add(one));
    assert.equal(sum.clients, 8);
    assert.deepEqual(sum.finish(), rule.aggregate(heldUpdates(updates)));
  }
});

Deno.test("a faulty update is refused with its fault, and leaves a stream as it was", () => {
  const faults: readonly (readonly [ClientUpdate, string])[] = [
    [update([1, NaN]), "notFinite"],
    [update([-Infinity, 0]), "notFinite"],
    [update([1]), "wrongLength"],
    [update([1, 2, 3]), "wrongLength"],
    [update([1, 2], 0), "badWeight"],
    [update([1, 2], NaN), "badWeight"],
    [update([1, 2], Infinity), "badWeight"],
    [update([1, 2], -3), "badWeight"],
  ];
  const sum = createRule({ name: "weightedMean" }).begin!(2);
  sum.add(update([2, 4], 3));
  for (const [faulty, type] of faults) {
    assert.equal(updateFault(faulty, 2)?.type, type);
    assert.throws(() => sum.add(faulty), { name: "AggregationError", reason: type });
    assert.throws(() => heldUpdates([update([0, 0]), faulty], 2), {
      name: "AggregationError",
      message: /client 1/,
      reason: type,
    });
  }
  assert.deepEqual([...sum.finish()], [2, 4]);
});

Deno.test("a result that is not finite is refused, whoever handed out such numbers", () => {
  const source: UpdateSource = {
    clients: 7,
    count: 1,
    weight: () => 1,
    read: (_client, _start, into) => void into.fill(NaN),
  };
  for (const aggregation of ALL) {
    const rule = createRule(aggregation);
    assert.throws(() => rule.aggregate(source), { reason: "notFinite" }, rule.name);
  }
});

Deno.test("too few clients are refused, and the error says how many the rule needs", () => {
  const needed: readonly (readonly [Aggregation, number])[] = [
    [{ name: "weightedMean" }, 1],
    [{ name: "coordinateMedian" }, 1],
    [{ name: "trimmedMean", share: 0.25 }, 4],
    [{ name: "trimmedMean", share: 0.1 }, 10],
    [{ name: "krum", faulty: 2 }, 7],
    [{ name: "multiKrum", faulty: 2, keep: 3 }, 7],
    [{ name: "multiKrum", faulty: 2, keep: 8 }, 10],
    [{ name: "bulyan", faulty: 2 }, 11],
  ];
  for (const [aggregation, clients] of needed) {
    const rule = createRule(aggregation);
    assert.equal(rule.clientsMin, clients);
    const few = heldUpdates(randomUpdates(clients - 1, 2, "few"), 2);
    assert.throws(() => rule.aggregate(few), {
      reason: "tooFewClients",
      clientsNeeded: clients,
      message: new RegExp(`${clients - 1} updates, expected at least ${clients}`),
    });
    rule.aggregate(heldUpdates(randomUpdates(clients, 2, "enough")));
  }
});

Deno.test("plans with numbers out of range or unknown keys are refused", () => {
  for (
    const bad of [
      { name: "mean" },
      { name: "trimmedMean", share: 0.5 },
      { name: "krum", faulty: -1 },
      { name: "krum", faulty: 1.5 },
      { name: "normClipping" },
      { name: "normClipping", norm: 0 },
      { name: "weightedMean", extra: 1 },
      { name: "multiKrum", faulty: 1, keep: 0 },
      { name: "geometricMedian", smoothing: 0 },
    ]
  ) assert.ok(!aggregationSchema.safeParse(bad).success, JSON.stringify(bad));
  assert.throws(
    () => aggregationOf({ name: "trimmedMean", numbers: { share: 0.7 } }),
    { name: "RangeError", message: /trimmedMean.*share = 0.7.*0.5/ },
  );
  assert.deepEqual(aggregationSchema.parse({ name: "trimmedMean" }), {
    name: "trimmedMean",
    share: 0.2,
  });
});
