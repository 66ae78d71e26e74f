/** What a device notes of compressing its own update: the error that the papers state, in the clear and in sums, with and without what comes later. */
import assert from "node:assert/strict";
import { softmaxRegression } from "../../learning/engine/networks.ts";
import { compressionError } from "../../learning/runs/compression_cost.ts";
import type { RunPlan } from "../../learning/runs/plan.ts";
import { atRound } from "../../learning/runs/round_form.ts";
import { localUpdate } from "../../learning/runs/update.ts";
import { rangeOfLength } from "../../learning/compression/sum_vector.ts";
import { seededRandom } from "../../platform/seeded_random.ts";
import type { BlockId } from "../../protocols/ids.ts";
import { crypto, deviceOf, opened } from "./proof_support.ts";

/** 12,800 numbers: no block is padded much. */
const NETWORK = softmaxRegression({ inputs: 799, classes: 16 });
const COUNT = 12_800;
const SECURE = { type: "secure", encoding: { range: 1, bits: 16 } } as const;
const RUN = "ab".repeat(32) as BlockId;
/** Error over square of the unbiased estimate at 1 to 4 bits, as published for EDEN. */
const EDEN = [0.5708, 0.1331, 0.03578, 0.00959];

function normal(seed: string): Float32Array<ArrayBuffer> {
  const random = seededRandom(seed);
  return Float32Array.from(
    { length: COUNT },
    () =>
      0.01 * Math.sqrt(-2 * Math.log(1 - random.float())) * Math.cos(2 * Math.PI * random.float()),
  );
}

const squareOf = (values: Float32Array) => values.reduce((sum, value) => sum + value * value, 0);
const TRAINED = normal("trained");

/** What compressing the update `TRAINED` costs under a plan, and the update. */
function cost(
  change: Partial<RunPlan>,
  { tuning = null, residual = null, round = 3 }: {
    readonly tuning?: number | null;
    readonly residual?: Float32Array<ArrayBuffer> | null;
    readonly round?: number;
  } = {},
) {
  const plan = atRound(opened(NETWORK, change), { run: RUN, round, tuning }, crypto);
  const options = {
    subject: { run: RUN, round, device: deviceOf("cost", 1).id },
    before: new Float32Array(COUNT),
    after: TRAINED,
    examples: 127,
    devices: 5,
    secret: new Uint8Array(32).fill(5),
    residual,
    crypto,
  };
  const update = localUpdate(plan, options);
  return { update, error: compressionError(plan, update, options) };
}

function assertNear(error: number | null, expected: number, within: number): void {
  const ratio = error! / expected;
  assert.ok(Math.abs(ratio - 1) <= within, `error ${error}, expected ${expected}`);
}

function choice(name: string, numbers: Readonly<Record<string, number>>) {
  return { compression: { name, numbers } };
}

for (const [i, published] of EDEN.entries()) {
  const bits = i + 1;
  Deno.test(`an update that EDEN sends with ${bits} bits a number errs as published, within 2 %`, () => {
    const errors = [1, 2, 3, 4].map((round) => cost(choice("eden", { bits }), { round }).error!);
    assertNear(errors.reduce((sum, error) => sum + error / 4, 0), published, 0.02);
  });
}

Deno.test("of what top-k and random-k send exactly, the share of the square that is left for later is the error", () => {
  const left = squareOf(
    TRAINED.toSorted((a, b) => Math.abs(a) - Math.abs(b)).slice(0, -COUNT / 10),
  );
  assertNear(cost(choice("topK", { share: 0.1 })).error, left / squareOf(TRAINED), 1e-4);
  const randomK = choice("randomK", { share: 0.1, feedback: 1 });
  assertNear(cost(randomK).error, 0.9, 0.02);
  assertNear(cost({ ...randomK, aggregation: SECURE }).error, 0.9, 0.02);
});

Deno.test("what was left out before counts as part of the update that is compressed", () => {
  const residual = normal("left").map((value) => 3 * value);
  const { update, error } = cost(choice("topK", { share: 0.1 }), { residual });
  const whole = TRAINED.map((value, i) => value + residual[i]!);
  assertNear(error, squareOf(update.residual!) / squareOf(whole), 1e-6);
});

Deno.test("random numbers that stand for a stretch each err by what the stretch is longer than one", () => {
  const randomK = choice("randomK", { share: 0.25, feedback: 0 });
  assertNear(cost(randomK).error, 3, 0.06);
  assertNear(cost({ ...randomK, aggregation: SECURE }).error, 3, 0.06);
});

Deno.test("levels of a compressed sum err by a sixth of their squared distance for each number", () => {
  const tuning = Math.sqrt(squareOf(TRAINED));
  const { error } = cost({ ...choice("stochastic", { bits: 4 }), aggregation: SECURE }, { tuning });
  const step = 2 * rangeOfLength(tuning, COUNT) / 15;
  assertNear(error, COUNT * step ** 2 / 6 / squareOf(TRAINED), 0.03);
});

Deno.test("what a device clips before it compresses is no error of compression", () => {
  const privacy: RunPlan["privacy"] = {
    clip: 0.1,
    noiseMultiplier: 1,
    noise: "central",
    delta: 1e-5,
    dropout: 0.3,
    epsilonMax: 1e4,
  };
  assertNear(cost({ ...choice("eden", { bits: 2 }), privacy }).error, 0.1331, 0.04);
});

Deno.test("a plan that compresses nothing has no such error", () => {
  assert.equal(cost({}).error, null);
  assert.equal(cost({ aggregation: SECURE }).error, null);
});
