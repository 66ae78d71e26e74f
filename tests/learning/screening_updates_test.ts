/** Screening: who is out of line by length or direction is found, the honest are left alone, and scores are those of the definition. */
import assert from "node:assert/strict";
import fc from "fast-check";
import type { Parameters } from "../../learning/parameters.ts";
import { medianOf, robustScores } from "../../learning/screening/robust_scores.ts";
import { REFUSED_SCORE, screenUpdates, SUSPICIOUS_SCORE } from "../../learning/screening/screen.ts";
import { SKETCH_LENGTH, sketcher } from "../../learning/screening/sketch.ts";
import { seededRandom } from "../../platform/seeded_random.ts";

const COUNT = 20_000;
const SEED = new Uint8Array(32).fill(9);

/** A common direction with noise: what clients with different data send. `noise` 1 is as strong as what is common. */
function honest(client: number, noise: number): Parameters {
  const common = seededRandom("common");
  const random = seededRandom(`client ${client}`);
  const size = 0.7 + 0.6 * random.float();
  return Float32Array.from(
    { length: COUNT },
    () => size * ((common.float() - 0.5) + noise * (random.float() - 0.5)),
  );
}

function verdicts(updates: readonly Parameters[]) {
  return screenUpdates(updates.map(sketcher(SEED, COUNT)));
}

Deno.test("scores are distances from the median in median deviations: 3, 5, 7, 9 and 100", () => {
  // Median 7, deviations 4, 2, 0, 2, 93: their median is 2.
  const scores = robustScores([3, 5, 7, 9, 100]);
  [-4, -2, 0, 2, 93].forEach((distance, i) =>
    assert.ok(Math.abs(scores[i]! - 0.6745 * distance / 2) < 1e-12)
  );
  assert.equal(medianOf([4, 1, 3, 2]), 2.5);
  assert.ok(Number.isNaN(medianOf([])));
});

Deno.test("equal numbers have no outliers, and a hair's breadth beside equals is none either", () => {
  assert.ok(robustScores([2, 2, 2, 2, 2]).every((score) => score === 0));
  assert.ok(Math.abs(robustScores([2, 2, 2, 2, 2.01])[4]!) < SUSPICIOUS_SCORE);
  assert.ok(robustScores([2, 2, 2, 2, 3])[4]! > REFUSED_SCORE);
  assert.ok(robustScores([0, 0, 0, 0, 0]).every((score) => score === 0));
});

Deno.test("an update ten times as long is refused, one that points the other way too, the honest are not", () => {
  for (const noise of [0.3, 1]) {
    const updates = Array.from({ length: 20 }, (_, i) => honest(i, noise));
    updates[4] = updates[4]!.map((value) => 10 * value);
    updates[11] = updates[11]!.map((value) => -value);
    const results = verdicts(updates);
    assert.equal(results[4]!.verdict, "refused");
    assert.ok(
      results[4]!.normScore > REFUSED_SCORE && results[4]!.directionScore < SUSPICIOUS_SCORE,
    );
    assert.equal(results[11]!.verdict, "refused");
    assert.ok(results[11]!.cosine < 0 && results[11]!.directionScore > REFUSED_SCORE);
    results.forEach(({ verdict }, i) => {
      if (i !== 4 && i !== 11) assert.notEqual(verdict, "refused", `client ${i} at noise ${noise}`);
    });
  }
});

Deno.test("liars below one half do not make the honest look like outliers", () => {
  const updates = Array.from({ length: 21 }, (_, i) => honest(i, 0.5));
  for (let i = 0; i < 9; i++) updates[i] = updates[i]!.map((value) => -50 * value);
  verdicts(updates).forEach(({ verdict }, i) => {
    if (i >= 9) assert.notEqual(verdict, "refused", `client ${i}`);
  });
});

Deno.test("short updates are harmless and are left alone, and so is everybody in a very small round", () => {
  const updates = Array.from({ length: 9 }, (_, i) => honest(i, 0.5));
  updates[0] = updates[0]!.map((value) => value / 1_000);
  assert.notEqual(verdicts(updates)[0]!.verdict, "refused");
  const few = updates.slice(1, 5);
  few[0] = few[0]!.map((value) => -100 * value);
  assert.ok(verdicts(few).every(({ verdict }) => verdict === "fine"));
});

Deno.test("zero updates are scored without a number that is not one", () => {
  const updates = Array.from({ length: 6 }, () => new Float32Array(COUNT));
  for (const { verdict, normScore, directionScore, cosine } of verdicts(updates)) {
    assert.equal(verdict, "fine");
    assert.ok([normScore, directionScore, cosine].every(Number.isFinite));
  }
});

Deno.test("a sketch keeps cosines to within a few times 1/√1024", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: 1_000 }),
      fc.double({ min: 0, max: 2, noNaN: true }),
      (seed, mix) => {
        const random = seededRandom(seed);
        const a = Float32Array.from({ length: COUNT }, () => random.float() - 0.5);
        const b = a.map((value) => (1 - mix) * value + mix * (random.float() - 0.5));
        const product = (x: Parameters, y: Parameters) => x.reduce((s, v, i) => s + v * y[i]!, 0);
        const exact = product(a, b) / Math.sqrt(product(a, a) * product(b, b));
        const sketch = sketcher(SEED, COUNT);
        const [one, two] = [sketch(a), sketch(b)];
        assert.equal(one.direction.length, SKETCH_LENGTH);
        assert.ok(Math.abs(one.norm - Math.sqrt(product(a, a))) < 1e-6 * one.norm);
        assert.ok(
          Math.abs(product(one.direction, two.direction) - exact) < 6 / Math.sqrt(SKETCH_LENGTH),
        );
      },
    ),
    { numRuns: 6 },
  );
});
