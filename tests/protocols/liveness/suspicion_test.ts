/** The formulas of Lifeguard against those of memberlist: its answers are in the fixture, made by `bench/peers/memberlist`. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { changedHealth, HEALTH_WORST, scaledMs } from "../../../protocols/liveness/awareness.ts";
import { retransmitLimit } from "../../../protocols/liveness/dissemination.ts";
import {
  PROBE_TIMEOUT_FIRST_MS,
  PROBE_TIMEOUT_LEAST_MS,
  PROBE_TIMEOUT_MOST_MS,
  probeTimeoutMs,
  type RoundTrip,
  withSample,
} from "../../../protocols/liveness/round_trip.ts";
import { suspicionBounds, suspicionTimeoutMs } from "../../../protocols/liveness/suspicion.ts";
import vectors from "../../fixtures/liveness/memberlist_vectors.json" with { type: "json" };

Deno.test("the least suspicion grows with the mesh as memberlist's does", () => {
  for (const { members, ms } of vectors.least) {
    const { leastMs } = suspicionBounds(members, vectors.probeIntervalMs, vectors.suspicionMult);
    assert.equal(leastMs, ms, `${members} members`);
  }
});

Deno.test("confirmations shorten a suspicion as they do in memberlist", () => {
  assert.ok(vectors.remaining.length > 300);
  for (
    const { confirmed, confirmations, elapsedMs, leastMs, mostMs, remainingMs } of vectors.remaining
  ) {
    const lasts = suspicionTimeoutMs(confirmed, { leastMs, mostMs, confirmations });
    assert.equal(
      lasts - elapsedMs,
      remainingMs,
      JSON.stringify({ confirmed, confirmations, leastMs }),
    );
  }
});

Deno.test("the table of memberlist's own suspicion test holds", () => {
  const bounds = { leastMs: 2_000, mostMs: 30_000, confirmations: 3 };
  const left = [[0, 0], [1, 2_000], [2, 3_000], [3, 4_000], [4, 5_000], [5, 10_000]] as const;
  assert.deepEqual(
    left.map(([confirmed, elapsedMs]) => suspicionTimeoutMs(confirmed, bounds) - elapsedMs),
    [30_000, 14_000, 4_810, -2_000, -3_000, -8_000],
  );
});

Deno.test("a mesh too small for confirmations does not wait for any", () => {
  const bounds = suspicionBounds(4, 1_000);
  assert.equal(bounds.confirmations, 0);
  assert.equal(suspicionTimeoutMs(0, bounds), bounds.leastMs);
  assert.equal(suspicionBounds(5, 1_000).confirmations, 3);
});

Deno.test("our suspicions are at most half as long as memberlist's", () => {
  for (const { members, ms } of vectors.least) {
    assert.ok(suspicionBounds(members, 1_000).leastMs * 2 <= ms, `${members} members`);
  }
});

Deno.test("more confirmations never make a suspicion longer", () => {
  fc.assert(fc.property(
    fc.integer({ min: 2, max: 20_000 }),
    fc.integer({ min: 0, max: 10 }),
    (members, confirmed) => {
      const bounds = suspicionBounds(members, 1_000);
      const now = suspicionTimeoutMs(confirmed, bounds);
      const next = suspicionTimeoutMs(confirmed + 1, bounds);
      assert.ok(next <= now && next >= bounds.leastMs && now <= bounds.mostMs);
    },
  ));
});

Deno.test("rumours are passed on about as often as memberlist does, and no more in a large mesh", () => {
  for (const { members, limit } of vectors.retransmit.filter(({ members }) => members >= 100)) {
    const ours = retransmitLimit(members);
    assert.ok(
      ours <= limit && ours >= limit / 2,
      `${members} members: ${ours}, memberlist ${limit}`,
    );
  }
});

Deno.test("local health stays between healthy and worst, and scales what it is asked to", () => {
  assert.equal(HEALTH_WORST, vectors.healthWorst);
  // memberlist's own awareness test: deltas, and the score after each.
  const table = [
    [0, 0],
    [-1, 0],
    [-10, 0],
    [1, 1],
    [-1, 0],
    [10, 7],
    [-1, 6],
    [-1, 5],
    [-1, 4],
    [-1, 3],
    [-1, 2],
    [-1, 1],
    [-1, 0],
    [-1, 0],
  ] as const;
  let health = 0;
  for (const [change, expected] of table) {
    health = changedHealth(health, change);
    assert.equal(health, expected);
    assert.equal(scaledMs(1_000, health), (expected + 1) * 1_000);
  }
});

Deno.test("an answer is waited for as long as the path needs, within bounds", () => {
  assert.equal(probeTimeoutMs(null), PROBE_TIMEOUT_FIRST_MS);
  let quick: RoundTrip | null = null;
  for (let i = 0; i < 20; i++) quick = withSample(quick, 5);
  assert.equal(probeTimeoutMs(quick), PROBE_TIMEOUT_LEAST_MS);
  let slow: RoundTrip | null = null;
  for (let i = 0; i < 20; i++) slow = withSample(slow, i % 2 === 0 ? 100 : 900);
  assert.ok(probeTimeoutMs(slow) > 900);
  assert.equal(probeTimeoutMs(withSample(null, 60_000)), PROBE_TIMEOUT_MOST_MS);
});
