/** The examples in `docs/protocols/rounds.md` are what the encoders write and the decoders read. */
import assert from "node:assert/strict";
import { decodePlan, encodePlan } from "../../learning/runs/plan_codec.ts";
import { decodeResult, encodeResult, type RoundResult } from "../../learning/runs/result.ts";
import type { RunPlan } from "../../learning/runs/plan.ts";
import { type BlockId, type ContentHash, deviceIdOf } from "../../protocols/ids.ts";
import type { RoundsMessage } from "../../protocols/rounds/messages.ts";
import { decodeRoundsMessage, encodeRoundsMessage } from "../../protocols/rounds/wire.ts";

const run = "aa".repeat(32) as BlockId;
const hash = "bb".repeat(32) as ContentHash;
const device = deviceIdOf(new Uint8Array(32).fill(1));

const BEAT: RoundsMessage = {
  type: "coordinatorBeat",
  run,
  round: 3,
  term: 1,
  attempt: 2,
  phase: "training",
  ready: 5,
  submitted: 4,
  fetched: 3,
};
const PLACE: RoundsMessage = {
  type: "gridPlace",
  run,
  round: 3,
  step: 1,
  places: [2],
  model: { hash, bytes: 24 },
  gives: true,
};
const REQUEST: RoundsMessage = { type: "requestParts", run, hash, first: 8, count: 4 };
const PLAN: RunPlan = {
  version: 1,
  title: "Digits",
  task: "mnist",
  options: {},
  networkHash: hash,
  seed: new Uint8Array(32).fill(7),
  startFrom: null,
  rounds: 50,
  participation: { least: 3, most: 100, fraction: 1, overSelection: 0 },
  local: { epochs: 1, batchSize: 10, learningRate: 0.1, momentum: null, proximal: null },
  strategy: { name: "fedAvg", numbers: {} },
  aggregation: { type: "secure", encoding: { range: 1, bits: 16 } },
  compression: null,
  privacy: null,
  deadlines: { readyMs: 10_000, trainMs: 600_000, phaseMs: 30_000 },
  proofOfWorkBits: 8,
  share: null,
};
const RESULT: RoundResult = {
  version: 1,
  run,
  round: 3,
  term: 1,
  attempt: 2,
  parent: hash,
  result: "cc".repeat(32) as ContentHash,
  state: null,
  aggregate: { hash: "dd".repeat(32) as ContentHash, bytes: 24 },
  submissions: [{ device, commitment: hash, weight: 1, signature: new Uint8Array(64) }],
  sums: [],
  counts: { called: 3, ready: 3, dropped: 2, refused: 0 },
  durationMs: 1_200,
  updateBytes: 24,
};

Deno.test("vectors: the examples of rounds are what is written, and are read", async () => {
  const page = await Deno.readTextFile(
    new URL("../../docs/protocols/rounds.md", import.meta.url),
  );
  const examples = [...page.matchAll(/```hex\n(.*?)```/gs)]
    .map(([, example]) => Uint8Array.fromHex(example!.replaceAll(/\s/g, "")));
  const made = [
    encodeRoundsMessage(BEAT),
    encodeRoundsMessage(REQUEST),
    encodePlan(PLAN),
    encodeResult(RESULT),
    encodeRoundsMessage(PLACE),
  ];
  assert.deepEqual(examples.map((one) => one.toHex()), made.map((one) => one.toHex()));
  assert.deepEqual(decodeRoundsMessage(examples[0]!), { ok: true, message: BEAT });
  assert.deepEqual(decodeRoundsMessage(examples[1]!), { ok: true, message: REQUEST });
  assert.deepEqual(decodePlan(examples[2]!), { ok: true, message: PLAN });
  assert.deepEqual(decodeResult(examples[3]!), { ok: true, message: RESULT });
  assert.deepEqual(decodeRoundsMessage(examples[4]!), { ok: true, message: PLACE });
});
