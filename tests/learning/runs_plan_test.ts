/** Plans of runs survive their block unchanged, impossible ones are refused with a reason, and everybody works out the same order. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { calledCount, calledDevices, coordinatorOrder } from "../../learning/runs/order.ts";
import type { RunPlan } from "../../learning/runs/plan.ts";
import { decodePlan, encodePlan } from "../../learning/runs/plan_codec.ts";
import { softmaxRegression } from "../../learning/engine/networks.ts";
import { nodeCrypto } from "../../platform/node_crypto.ts";
import { opened } from "./proof_support.ts";
import { encodeCanonical } from "../../protocols/codec.ts";
import { type BlockId, type ContentHash, type DeviceId, deviceIdOf } from "../../protocols/ids.ts";

const devices = Array.from({ length: 40 }, (_, i) => deviceIdOf(new Uint8Array(32).fill(i)));
const PLAN: RunPlan = {
  version: 1,
  title: "Ziffern",
  task: "mnist",
  options: { model: "2nn", window: 3, scale: 0.25, strict: true },
  networkHash: "ab".repeat(32) as ContentHash,
  seed: new Uint8Array(32).fill(7),
  startFrom: null,
  rounds: 50,
  participation: { least: 3, most: 100, fraction: 0.1, overSelection: 0.3 },
  local: { epochs: 1, batchSize: 10, learningRate: 0.1, momentum: null, proximal: 0.01 },
  strategy: { name: "fedAdam", numbers: { eta: 0.1, tau: 1e-9 } },
  aggregation: {
    type: "secureGroups",
    encoding: { range: 2.5, bits: 16 },
    groupSize: 5,
    rule: { name: "median", numbers: {} },
  },
  compression: { name: "eden", numbers: { bits: 2 } },
  privacy: {
    clip: 0.5,
    noiseMultiplier: 1.1,
    noise: "distributed",
    delta: 1e-5,
    dropout: 0.3,
    epsilonMax: 8,
  },
  deadlines: { readyMs: 5_000, trainMs: 600_000, phaseMs: 30_000 },
  proofOfWorkBits: 12,
  share: { kind: "dirichlet", alpha: 0.5, devices: devices.slice(0, 3) },
};

Deno.test("a plan is read as it was written", () => {
  const round = (plan: RunPlan) =>
    assert.deepEqual(decodePlan(encodePlan(plan)), { ok: true, message: plan });
  round(PLAN);
  round({ ...PLAN, aggregation: { type: "clear", rule: { name: "mean", numbers: {} } } });
  round({ ...PLAN, privacy: null, share: null, compression: null, startFrom: PLAN.networkHash });
  fc.assert(
    fc.property(
      fc.double({ min: 1e-12, max: 100, noNaN: true }),
      fc.double({ min: 0, max: 1e6, noNaN: true }),
      (learningRate, proximal) => {
        // -0 and 0 are one number.
        round({ ...PLAN, local: { ...PLAN.local, learningRate, proximal: proximal + 0 } });
      },
    ),
  );
});

Deno.test("an impossible plan is refused, and the reason names the place", () => {
  const refused = (change: object, place: RegExp) => {
    const decoded = decodePlan(encodePlan({ ...PLAN, ...change } as RunPlan));
    assert.ok(!decoded.ok, JSON.stringify(change));
    assert.match(decoded.reason, place);
  };
  refused({ rounds: 0 }, /rounds/);
  refused({ seed: new Uint8Array(31) }, /seed.*32 bytes/);
  refused({ participation: { ...PLAN.participation, least: 101 } }, /least <= most/);
  refused({ local: { ...PLAN.local, learningRate: -1 } }, /learningRate.*is "-1"/);
  refused({ local: { ...PLAN.local, learningRate: NaN } }, /learningRate.*NaN/);
  refused({ proofOfWorkBits: 25 }, /proofOfWorkBits/);
  refused({ title: "" }, /title/);
});

Deno.test("a fraction has one encoding", () => {
  const encoded = encodePlan(PLAN);
  const text = new TextDecoder("latin1").decode(encoded);
  const padded = Uint8Array.from(text.replace("c0.1", "d0.10"), (c) => c.charCodeAt(0));
  assert.notDeepEqual(padded, encoded);
  assert.equal(decodePlan(padded).ok, false);
  assert.equal(decodePlan(encodeCanonical({})).ok, false);
  assert.equal(decodePlan(new Uint8Array()).ok, false);
});

Deno.test("the starter coordinates first, and then everybody sees the same order in any order of asking", () => {
  const crypto = nodeCrypto();
  const run = "cd".repeat(32) as BlockId;
  const startedBy = devices[17]!;
  const order = (term: number, candidates: readonly DeviceId[]) =>
    coordinatorOrder(candidates, { run, term, startedBy }, crypto);
  assert.equal(order(0, devices)[0], startedBy);
  for (const term of [0, 1, 2]) {
    assert.deepEqual(order(term, devices), order(term, devices.toReversed()));
  }
  assert.notDeepEqual(order(1, devices), order(2, devices));
  assert.deepEqual(order(1, devices).toSorted(), devices.toSorted());
});

Deno.test("a round calls the plan's share of devices and some more, never twice the same, and changes with the round", () => {
  const participation = { least: 3, most: 20, fraction: 0.25, overSelection: 0.3 };
  assert.equal(calledCount(participation, 40), 13);
  assert.equal(calledCount(participation, 4), 4);
  assert.equal(calledCount(participation, 1_000), 20);
  const plan = { seed: new Uint8Array(32), participation };
  const called = calledDevices(devices, { plan, round: 1, attempt: 0 });
  assert.equal(new Set(called).size, 13);
  assert.deepEqual(called, called.toSorted());
  assert.deepEqual(calledDevices(devices.toReversed(), { plan, round: 1, attempt: 0 }), called);
  assert.notDeepEqual(calledDevices(devices, { plan, round: 2, attempt: 0 }), called);
  const often = new Map<DeviceId, number>();
  for (let round = 0; round < 400; round++) {
    for (const one of calledDevices(devices, { plan, round, attempt: 0 })) {
      often.set(one, (often.get(one) ?? 0) + 1);
    }
  }
  // 400 × 13 / 40 = 130 each on average, standard deviation 9.4.
  for (const device of devices) assert.ok(Math.abs(often.get(device)! - 130) < 50);
});

Deno.test("choices that do not go together are refused when a plan is opened, saying what would", () => {
  const network = softmaxRegression({ inputs: 2, classes: 2 });
  const mean = { type: "clear", rule: { name: "weightedMean", numbers: {} } } as const;
  const privacy = { ...PLAN.privacy!, noise: "central" } as const;
  const opening = (change: Partial<RunPlan>) => () => opened(network, { privacy: null, ...change });
  opening({ aggregation: mean, privacy })();
  assert.throws(
    opening({ aggregation: { ...mean, rule: { name: "median", numbers: {} } }, privacy }),
    /privacy with the rule "median".*weightedMean/,
  );
  assert.throws(
    opening({ aggregation: mean, privacy: PLAN.privacy }),
    /noise is "distributed", expected "central"/,
  );
  const secure = { type: "secure", encoding: { range: 1, bits: 16 } } as const;
  assert.throws(opening({ aggregation: secure, privacy }), /noise is "central"/);
});
