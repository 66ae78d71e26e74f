import assert from "node:assert/strict";
import { createCipheriv, createHash } from "node:crypto";
import fc from "fast-check";
import type { BlockId } from "../../protocols/ids.ts";
import {
  answerReconcile,
  beginReconcile,
  continueReconcile,
  type Difference,
} from "../../protocols/sync/reconcile.ts";
import { type ReconcileEntry, ReconcileSet } from "../../protocols/sync/reconcile_set.ts";

function permute(key: Uint8Array, data: Uint8Array): Uint8Array {
  const cipher = createCipheriv("aes-128-ecb", key, null);
  cipher.setAutoPadding(false);
  return new Uint8Array(cipher.update(data));
}

const SALT = new Uint8Array(16).fill(7);

function entry(name: string | number, timeBucket: number): ReconcileEntry {
  return { timeBucket, id: createHash("sha256").update(`block ${name}`).digest("hex") as BlockId };
}

function setOf(entries: readonly ReconcileEntry[]): ReconcileSet {
  return new ReconcileSet(entries, SALT, permute);
}

interface Run extends Difference {
  readonly roundTrips: number;
  readonly bytes: number;
}

function reconcile(ours: ReconcileSet, theirs: ReconcileSet, messageBytesMax = 256 * 1024): Run {
  const difference: Difference = { have: [], need: [] };
  let message = beginReconcile(ours, messageBytesMax);
  let bytes = message.length;
  for (let roundTrips = 1; roundTrips < 200; roundTrips++) {
    const answer = answerReconcile(theirs, message, messageBytesMax);
    assert.equal(answer.type, "send");
    if (answer.type !== "send") break;
    assert.ok(answer.message.length <= messageBytesMax, "answer is longer than allowed");
    bytes += answer.message.length;
    const step = continueReconcile(ours, answer.message, difference, messageBytesMax);
    if (step.type === "done") return { ...difference, roundTrips, bytes };
    assert.equal(step.type, "send");
    if (step.type !== "send") break;
    assert.ok(step.message.length <= messageBytesMax, "question is longer than allowed");
    bytes += step.message.length;
    message = step.message;
  }
  throw new Error("reconciliation did not end within 200 rounds");
}

/** What plain set arithmetic says: the oracle. */
function expected(
  ours: readonly ReconcileEntry[],
  theirs: ReconcileSet,
  theirEntries: readonly ReconcileEntry[],
) {
  const ourIds = new Set(ours.map(({ id }) => id));
  const theirIds = new Set(theirEntries.map(({ id }) => id));
  const need: string[] = [];
  for (let i = 0; i < theirs.size; i++) {
    if (!ourIds.has(theirs.id(i))) need.push(theirs.shortId(i).toHex());
  }
  return { have: [...ourIds].filter((id) => !theirIds.has(id)).sort(), need: need.sort() };
}

Deno.test("reconciliation finds exactly the symmetric difference, whatever the sets and the message limit", () => {
  const names = fc.uniqueArray(fc.integer({ min: 0, max: 3000 }), { maxLength: 400 });
  const limits = fc.constantFrom(512, 1024, 4096, 256 * 1024);
  fc.assert(
    fc.property(
      names,
      names,
      names,
      fc.integer({ min: 1, max: 500 }),
      limits,
      (shared, a, b, spread, limit) => {
        const place = (name: number) => entry(name, 480_000 + (name * 7919) % spread);
        const unique = (list: readonly number[]) => [...new Set(list)].map(place);
        const ours = unique([...shared, ...a]);
        const theirs = unique([...shared, ...b]);
        const theirSet = setOf(theirs);
        const run = reconcile(setOf(ours), theirSet, limit);
        assert.deepEqual(
          { have: run.have.sort(), need: run.need.sort() },
          expected(ours, theirSet, theirs),
        );
      },
    ),
    { seed: 20261121, numRuns: 150 },
  );
});

Deno.test("equal sets cost one round trip and no answer bytes beyond the question", () => {
  const entries = Array.from({ length: 5000 }, (_, i) => entry(i, 480_000 + Math.floor(i / 60)));
  const run = reconcile(setOf(entries), setOf(entries.toReversed()));
  assert.deepEqual([run.roundTrips, run.have, run.need], [1, [], []]);
  assert.ok(run.bytes < 300, `${run.bytes} bytes for equal sets`);
});

Deno.test("one difference among 20,000 costs less than 1,000 bytes and at most three round trips", () => {
  const entries = Array.from({ length: 20_000 }, (_, i) => entry(i, 480_000 + Math.floor(i / 60)));
  const run = reconcile(setOf(entries), setOf([...entries, entry("new", 480_123)]));
  assert.equal(run.need.length, 1);
  assert.ok(
    run.bytes < 1000 && run.roundTrips <= 3,
    `${run.bytes} bytes, ${run.roundTrips} round trips`,
  );
});

Deno.test("different salts give different fingerprints of the same set", () => {
  const entries = Array.from({ length: 100 }, (_, i) => entry(i, 480_000));
  const other = new ReconcileSet(entries, new Uint8Array(16).fill(8), permute);
  assert.notDeepEqual(setOf(entries).fingerprint(0, 100), other.fingerprint(0, 100));
});

Deno.test("fingerprints of neighbouring ranges add up modulo 2^64", () => {
  const set = setOf(Array.from({ length: 300 }, (_, i) => entry(i, 480_000)));
  const value = (from: number, to: number) =>
    new DataView(set.fingerprint(from, to).buffer).getBigUint64(0, true);
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 0, max: 300 }), { minLength: 3, maxLength: 3 }),
      (cuts) => {
        const [a, b, c] = cuts.toSorted((x, y) => x - y) as [number, number, number];
        assert.equal((value(a, b) + value(b, c)) % 2n ** 64n, value(a, c));
      },
    ),
    { seed: 1 },
  );
});

Deno.test("whatever bytes a peer sends, reconciliation answers or says malformed, within its limit", () => {
  const set = setOf(Array.from({ length: 200 }, (_, i) => entry(i, 480_000 + i)));
  const valid = beginReconcile(
    setOf(Array.from({ length: 150 }, (_, i) => entry(i * 2, 480_000 + i * 2))),
  );
  const mutated = fc.tuple(fc.nat(valid.length - 1), fc.nat(255)).map(([at, value]) =>
    valid.with(at, value)
  );
  fc.assert(
    fc.property(fc.oneof(fc.uint8Array({ maxLength: 400 }), mutated), (bytes) => {
      const answered = answerReconcile(set, bytes, 4096);
      assert.ok(
        answered.type === "malformed" ||
          (answered.type === "send" && answered.message.length <= 4096),
      );
      const continued = continueReconcile(set, bytes, { have: [], need: [] }, 4096);
      assert.ok(["send", "done", "malformed"].includes(continued.type));
    }),
    { seed: 2, numRuns: 2000 },
  );
});

Deno.test("a device that has nothing learns of 50,000 in a few rounds", () => {
  const entries = Array.from({ length: 50_000 }, (_, i) => entry(i, 480_000 + Math.floor(i / 60)));
  const run = reconcile(setOf([]), setOf(entries));
  assert.equal(new Set(run.need).size, 50_000);
  assert.equal(run.need.length, 50_000);
  assert.ok(run.roundTrips <= 8, `${run.roundTrips} round trips`);
});

Deno.test("a question of three bytes costs neither a walk through the whole set nor a long answer", () => {
  const entries = Array.from({ length: 50_000 }, (_, i) => entry(i, 480_000));
  const set = setOf(entries);
  const emptyList = Uint8Array.of(0, 2, 0);
  let named = 0;
  const watched = Object.create(set, {
    size: { value: set.size },
    shortId: { value: (index: number) => (named++, set.shortId(index)) },
    lowerBound: { value: set.lowerBound.bind(set) },
    fingerprint: { value: set.fingerprint.bind(set) },
    boundBefore: { value: set.boundBefore.bind(set) },
  }) as ReconcileSet;
  const answer = answerReconcile(watched, emptyList);
  assert.ok(answer.type === "send" && answer.message.length < 1_000);
  assert.ok(named <= 5_000, `${named} ids were looked at`);
});
