/** FedBuff: when a buffer is released, what stale updates count, what is refused, and that a stored buffer goes on as it was. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { stalenessWeight } from "../../learning/strategies/fedbuff.ts";
import { FedBuff } from "./fedbuff_reference.ts";
import { seededRandom } from "../../platform/seeded_random.ts";

const values = (...numbers: number[]) => Float32Array.from(numbers);

Deno.test("a buffer is released with its K-th update, as their sum over K", () => {
  const buffer = FedBuff.start({ goal: 2, stalenessMax: 5 }, 2);
  assert.deepEqual(buffer.receive({ device: "a", baseVersion: 0, values: values(1, 2) }), {
    type: "buffered",
    have: 1,
    goal: 2,
  });
  assert.deepEqual(buffer.receive({ device: "b", baseVersion: 0, values: values(3, -4) }), {
    type: "released",
    update: values(2, -1),
    version: 1,
    devices: ["a", "b"],
  });
  assert.deepEqual(buffer.state, { version: 1, devices: [], sum: new Float64Array(2) });
});

Deno.test("an update whose base is τ versions old counts 1/√(1+τ)", () => {
  assert.deepEqual([0, 3, 8].map(stalenessWeight), [1, 1 / 2, 1 / 3]);
  const buffer = FedBuff.start({ goal: 2, stalenessMax: 5 }, 1, 3);
  buffer.receive({ device: "old", baseVersion: 0, values: values(4) });
  const outcome = buffer.receive({ device: "new", baseVersion: 3, values: values(4) });
  assert.ok(outcome.type === "released");
  assert.deepEqual([...outcome.update], [3]);
});

Deno.test("stale, early, repeated, misshapen and infinite updates are refused and change nothing", () => {
  const buffer = FedBuff.start({ goal: 3, stalenessMax: 1 }, 1, 4);
  buffer.receive({ device: "a", baseVersion: 4, values: values(1) });
  const before = buffer.state;
  const refused = [
    [{ device: "b", baseVersion: 2, values: values(1) }, "tooStale"],
    [{ device: "b", baseVersion: 5, values: values(1) }, "fromTheFuture"],
    [{ device: "b", baseVersion: NaN, values: values(1) }, "fromTheFuture"],
    [{ device: "a", baseVersion: 4, values: values(1) }, "twice"],
    [{ device: "b", baseVersion: 4, values: values(1, 2) }, "wrongLength"],
    [{ device: "b", baseVersion: 4, values: values(NaN) }, "notFinite"],
  ] as const;
  for (const [update, reason] of refused) {
    assert.deepEqual(buffer.receive(update), { type: "refused", reason });
  }
  assert.deepEqual(buffer.state, before);
});

Deno.test("a buffer stored at any moment and resumed gives the same bits", () => {
  fc.assert(
    fc.property(fc.nat(), fc.nat({ max: 19 }), (seed, crashAfter) => {
      const options = { goal: 4, stalenessMax: 3 };
      const walk = (crash: boolean) => {
        const random = seededRandom(seed);
        let buffer = FedBuff.start(options, 3);
        const outcomes = Array.from({ length: 20 }, (_, i) => {
          const outcome = buffer.receive({
            device: `device ${random.below(8)}`,
            baseVersion: Math.max(0, buffer.state.version - random.below(6)),
            values: Float32Array.from({ length: 3 }, () => random.float()),
          });
          if (crash && i === crashAfter) buffer = FedBuff.resume(options, buffer.state);
          return outcome;
        });
        return { outcomes, state: buffer.state };
      };
      assert.deepEqual(walk(true), walk(false));
    }),
    { numRuns: 50 },
  );
});

Deno.test("devices that move towards their own goals meet at the mean of them, although none waits", () => {
  const random = seededRandom("async");
  const goals = [1, 2, 6, 7];
  const buffer = FedBuff.start({ goal: 4, stalenessMax: 10 }, 1);
  const models = [10];
  const lastSeen = goals.map(() => 0);
  for (let event = 0; event < 4_000; event++) {
    const device = random.below(goals.length);
    const base = lastSeen[device]!;
    const outcome = buffer.receive({
      device: String(device),
      baseVersion: base,
      values: values(0.1 * (goals[device]! - models[base]!)),
    });
    if (outcome.type === "released") models.push(models.at(-1)! + outcome.update[0]!);
    lastSeen[device] = models.length - 1;
  }
  const late = models.slice(-200);
  const mean = late.reduce((a, b) => a + b) / late.length;
  assert.ok(Math.abs(mean - 4) < 0.2, `ended around ${mean}`);
});
