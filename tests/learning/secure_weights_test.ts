/** Weights in secure sums: right for devices that have much more than 127 examples, in numbers that are no wider for it. */
import assert from "node:assert/strict";
import { softmaxRegression } from "../../learning/engine/networks.ts";
import { firstModel } from "../../learning/runs/opened_plan.ts";
import { combineSums, nextModel } from "../../learning/runs/release.ts";
import { planRun } from "../../learning/runs/new_run.ts";
import { decodePlan, encodePlan } from "../../learning/runs/plan_codec.ts";
import type { RunPlan } from "../../learning/runs/plan.ts";
import { sumRoundOf } from "../../learning/runs/secure_round.ts";
import { localUpdate } from "../../learning/runs/update.ts";
import { TASKS } from "../../learning/tasks/tasks.ts";
import { type BlockId, type ContentHash, type DeviceId, deviceIdOf } from "../../protocols/ids.ts";
import { crypto, opened, updateOf } from "./proof_support.ts";

const NETWORK = softmaxRegression({ inputs: 20, classes: 5 });
const EXAMPLES = [600, 1_200, 150, 1_000];

function planWith(examplesPerWeight?: number) {
  return opened(NETWORK, {
    aggregation: {
      type: "secure",
      encoding: {
        range: 1,
        bits: 16,
        ...(examplesPerWeight !== undefined && { examplesPerWeight }),
      },
    },
  });
}

/** The largest difference between the step that a sum makes and that of the exact weighted mean. */
function errorOf(plan: ReturnType<typeof opened>): number {
  const model = firstModel(plan);
  const { count } = plan.layout;
  const updates = EXAMPLES.map((_, i) => updateOf(count, i));
  const sum = new Uint32Array(count + 1);
  EXAMPLES.forEach((examples, i) => {
    const update = localUpdate(plan, {
      subject: { run: "ab".repeat(32) as BlockId, round: 1, device: "cd".repeat(32) as DeviceId },
      before: new Float32Array(count),
      after: updates[i]!,
      examples,
      devices: EXAMPLES.length,
      secret: new Uint8Array(32).fill(i),
      residual: null,
      crypto,
    });
    assert.ok(update.type === "secure");
    update.values.forEach((value, k) => sum[k] = sum[k]! + value);
  });
  const bits = bitsOf(plan);
  for (let k = 0; k < sum.length; k++) sum[k] = sum[k]! & (2 ** bits - 1);
  const aggregate = combineSums(plan, [{ sum, devices: EXAMPLES.length }], EXAMPLES.length);
  const { parameters } = nextModel(plan, model, aggregate, EXAMPLES.length);
  const all = EXAMPLES.reduce((a, b) => a + b);
  let largest = 0;
  for (let k = 0; k < count; k++) {
    const mean = updates.reduce((total, update, i) => total + update[k]! * EXAMPLES[i]!, 0) / all;
    largest = Math.max(largest, Math.abs(parameters[k]! - model.parameters[k]! - mean));
  }
  return largest;
}

function bitsOf(plan: ReturnType<typeof opened>): number {
  return sumRoundOf(plan, {
    run: "ab".repeat(32) as BlockId,
    round: 1,
    attempt: 1,
    modelHash: "cd".repeat(32) as ContentHash,
    devices: EXAMPLES.length,
  })!.bits;
}

Deno.test("with so many examples to a unit of weight, devices with hundreds count by what they have, in as many bits", () => {
  const [each, sixteen] = [planWith(), planWith(16)];
  assert.equal(bitsOf(sixteen), bitsOf(each));
  // Counted one by one, three of the four are at the heaviest weight and count alike.
  assert.ok(errorOf(each) > 4e-3, `${errorOf(each)}`);
  assert.ok(errorOf(sixteen) < 5e-4, `${errorOf(sixteen)}`);
});

function planned(
  ownExamples: number | null,
  wish: Partial<Parameters<typeof planRun>[0]> = {},
): RunPlan {
  const members = Array.from({ length: 10 }, (_, i) => deviceIdOf(new Uint8Array(32).fill(i)));
  const outcome = planRun({ task: "mnist", ...wish }, {
    tasks: TASKS,
    crypto,
    members,
    seed: new Uint8Array(32).fill(3),
    ownExamples,
  });
  if (outcome.type === "impossible") throw new Error(outcome.message);
  return outcome.opened.plan;
}

Deno.test("a plan takes its unit of weight from what its starter has, as a power of two that leaves others room", () => {
  const unitOf = ({ aggregation }: RunPlan) =>
    "encoding" in aggregation ? aggregation.encoding.examplesPerWeight : undefined;
  assert.equal(unitOf(planned(null)), undefined);
  assert.equal(unitOf(planned(0)), undefined);
  assert.equal(unitOf(planned(64)), undefined);
  assert.equal(unitOf(planned(65)), 2);
  assert.equal(unitOf(planned(600)), 16);
  assert.equal(unitOf(planned(1e9)), 2 ** 20);
  // 60,000 pictures that ten devices share are 6,000 for each.
  assert.equal(unitOf(planned(60_000, { share: { kind: "iid" } })), 128);
  // In the clear weights are exact.
  assert.equal(unitOf(planned(600, { aggregation: "clear" })), undefined);
});

Deno.test("the unit of weight survives the plan's block, and one that means nothing is refused", () => {
  const plan = planned(600);
  const decoded = decodePlan(encodePlan(plan));
  assert.ok(decoded.ok);
  assert.deepEqual(decoded.message, plan);
  for (const examplesPerWeight of [0, 1, 2 ** 21]) {
    const aggregation = { type: "secure", encoding: { range: 1, bits: 16, examplesPerWeight } };
    assert.ok(!decodePlan(encodePlan({ ...plan, aggregation } as RunPlan)).ok);
  }
});
