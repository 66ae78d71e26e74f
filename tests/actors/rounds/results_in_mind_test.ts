/** Results of a run are on the disk for good; what a device keeps of them in mind is bounded, and honest ones stay. */
import assert from "node:assert/strict";
import { metricsOfResult } from "../../../actors/learning_views.ts";
import {
  type CommittedResult,
  dropResult,
  type HeldResults,
  keepResult,
  keepWaiting,
  wholeResults,
} from "../../../actors/rounds/results_in_mind.ts";
import type { BlockId, ContentHash, DeviceId } from "../../../protocols/ids.ts";
import { signedResult } from "./run_actor.ts";
import { other, self } from "./support.ts";

const hash = "cd".repeat(32) as ContentHash;
const small = signedResult({ round: 1, parent: hash, result: hash });
const submissions = Array.from({ length: 500 }, () => small.submissions[0]!);
const numbered = (number: number) => number.toString(16).padStart(64, "0") as BlockId;

/** A result of 500 devices. */
function large(number: number, round: number, author: DeviceId = other): CommittedResult {
  return { block: numbered(number), author, atMs: 1, result: { ...small, round, submissions } };
}

function nothing() {
  return { results: [] as CommittedResult[], held: new Map() as HeldResults };
}

Deno.test("of ten thousand large results all rounds are shown, and the newest are whole", () => {
  const run = nothing();
  assert.ok(keepResult(run, large(0, 1, self)));
  for (let i = 1; i <= 10_000; i++) assert.ok(keepResult(run, large(i, i)));
  assert.equal(run.results.length, 10_001);
  const whole = wholeResults(run.results);
  assert.ok(whole.length > 50 && whole.length < 150, `${whole.length} are whole`);
  assert.ok(whole.some(({ author }) => author === self), "of each author");
  assert.ok(whole.some(({ result }) => result.round === 10_000));
  assert.ok(run.results.every((one) => metricsOfResult(one, 4).counted === 500));
});

Deno.test("whoever publishes one round again and again has room for a few; what does not hold makes room", () => {
  const run = nothing();
  const kept = Array.from({ length: 100 }, (_, i) => keepResult(run, large(i, 3)));
  assert.equal(kept.filter(Boolean).length, 8);
  assert.ok(!keepResult(run, large(0, 3)), "known");
  assert.ok(keepResult(run, large(500, 3, self)), "another author");
  dropResult(run, numbered(2));
  assert.equal(run.results.length, 8);
  assert.ok(keepResult(run, large(501, 3)));
  for (const { block } of [...run.results]) dropResult(run, block);
  assert.deepEqual([run.results.length, run.held.get(other)?.bytes], [0, 0]);
});

Deno.test("of what waits to be made ours the newest of each author stay", () => {
  const waiting = new Map<string, CommittedResult>();
  keepWaiting(waiting, large(0, 1, self));
  for (let i = 1; i <= 10_000; i++) keepWaiting(waiting, large(i, i));
  assert.equal(waiting.size, 65);
  assert.ok(waiting.has(numbered(10_000)) && waiting.has(numbered(0)));
});
