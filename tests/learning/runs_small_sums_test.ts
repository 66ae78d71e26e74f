/** Plans whose sums need a second party: what can be planned, and what is refused before anything is published, with what would work. */
import assert from "node:assert/strict";
import { secondPartyOrder } from "../../learning/runs/order.ts";
import { type NewRun, planRun } from "../../learning/runs/new_run.ts";
import { decodePlan, encodePlan } from "../../learning/runs/plan_codec.ts";
import type { RunId } from "../../learning/runs/plan.ts";
import { problemOfSize } from "../../learning/runs/plan_limits.ts";
import { expectedUpdateBytes } from "../../learning/runs/update.ts";
import { TASKS } from "../../learning/tasks/tasks.ts";
import { nodeCrypto } from "../../platform/node_crypto.ts";
import { deviceIdOf } from "../../protocols/ids.ts";

const crypto = nodeCrypto({ workersMax: 0 });
const devices = Array.from({ length: 9 }, (_, i) => deviceIdOf(new Uint8Array(32).fill(i + 1)));
const SMALL: Partial<NewRun> = { options: { model: "softmax" } };

const planned = (wish: Partial<NewRun>, members = 5) =>
  planRun({ task: "mnist", ...wish }, {
    tasks: TASKS,
    crypto,
    members: devices.slice(0, members),
    seed: new Uint8Array(32).fill(3),
  });

function opened(wish: Partial<NewRun>) {
  const outcome = planned(wish);
  assert.ok(outcome.type === "planned", outcome.type === "impossible" ? outcome.message : "");
  return outcome.opened;
}

Deno.test("a small model can be summed with a second party, in both ways; the plan reads as it was written", () => {
  const encoding = { range: 1, bits: 16 };
  for (
    const aggregation of [
      { type: "twoServers", encoding },
      { type: "paillier", encoding, keyBits: 2_048 },
    ] as const
  ) {
    const { plan } = opened({ ...SMALL, aggregation: aggregation.type });
    assert.deepEqual(plan.aggregation, aggregation);
    assert.equal(plan.participation.least, 3);
    const decoded = decodePlan(encodePlan(plan));
    assert.ok(decoded.ok);
    assert.deepEqual(decoded.message, plan);
  }
});

Deno.test("what cannot be summed with a second party is refused, saying what would be possible", () => {
  for (const aggregation of ["twoServers", "paillier"] as const) {
    for (
      const [wish, expected] of [
        [{}, /199211 numbers, .*at most 65536; expected aggregation "secure"/],
        [{ ...SMALL, rule: { name: "coordinateMedian", numbers: {} } }, /rule .*"secureGroups"/],
        [{ ...SMALL, participants: { least: 2 } }, /least is 2, expected at least 3/],
        [
          { ...SMALL, strategy: { name: "fedBuff", numbers: {} } },
          /expected aggregation "clear"/,
        ],
        [
          { ...SMALL, compression: { name: "topK", numbers: { share: 0.1 } } },
          /cannot be summed.*expected stochastic, randomK/,
        ],
      ] as const
    ) {
      const outcome = planned({ ...wish, aggregation });
      assert.ok(outcome.type === "impossible", `${aggregation} ${expected}`);
      assert.match(outcome.message, expected);
    }
  }
});

Deno.test("a large model fits when its updates are thinned out for the sum, and noise of all devices goes with it", () => {
  const thin = { compression: { name: "randomK", numbers: { share: 0.1 } } };
  assert.equal(opened({ ...thin, aggregation: "twoServers" }).plan.compression?.name, "randomK");
  const privacy = { epsilon: 9, clip: 1, noiseMultiplier: 40 };
  const { plan } = opened({ ...SMALL, rounds: 2, privacy, aggregation: "paillier" });
  assert.equal(plan.privacy?.noise, "distributed");
});

Deno.test("under Paillier's encryption an update is as many ciphertexts as its numbers fill, and no more devices than can be opened in one message may come", () => {
  const small = opened({ ...SMALL, aggregation: "paillier" });
  // 7,851 numbers of 16 bits and 3 for eight of them, 3 more for carries.
  const { least, most } = expectedUpdateBytes(small, 8);
  assert.equal(least, most);
  assert.equal(least, Math.ceil(7_851 / Math.floor(2_046 / (16 + 3 + 3))) * 512);
  assert.match(problemOfSize(small, 8_000) ?? "", /memory|opening a sum/);
  assert.ok(small.plan.participation.most >= 8);
});

Deno.test("each attempt has its own second party, and in the long run everybody is as often", () => {
  const run = "ab".repeat(32) as RunId;
  const counts = new Map(devices.map((device) => [device, 0]));
  for (let attempt = 1; attempt <= 900; attempt++) {
    const [first] = secondPartyOrder(devices, { run, round: 1, attempt }, crypto);
    counts.set(first!, counts.get(first!)! + 1);
  }
  // 100 each, with a deviation of 9.4.
  for (const count of counts.values()) assert.ok(count > 60 && count < 140, String(count));
  const order = secondPartyOrder(devices, { run, round: 1, attempt: 1 }, crypto);
  const others = secondPartyOrder(devices.toReversed(), { run, round: 1, attempt: 1 }, crypto);
  assert.deepEqual(order, others);
});
