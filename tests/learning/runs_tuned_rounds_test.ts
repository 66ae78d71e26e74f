/** Rounds that are tuned to what earlier ones have shown: everybody comes to the same number, and nobody takes another one. */
import assert from "node:assert/strict";
import fixtures from "../fixtures/privacy/adaptive_clipping.json" with { type: "json" };
import { softmaxRegression } from "../../learning/engine/networks.ts";
import { verifyModel } from "../../learning/models/verify_model.ts";
import { epsilonOf } from "../../learning/privacy/accountant.ts";
import { exponential, nextClip, splitNoise } from "../../learning/privacy/adaptive_clipping.ts";
import { clipFlat } from "../../learning/privacy/clipping.ts";
import { addAdaptiveNoise, centralMechanism } from "../../learning/privacy/central_noise.ts";
import { rdpOfMechanism } from "../../learning/privacy/mechanism.ts";
import { RDP_ORDERS, rdpSubsampledGaussian } from "../../learning/privacy/rdp.ts";
import { parametersFromBytes } from "../../learning/parameters.ts";
import type { RunPlan } from "../../learning/runs/plan.ts";
import { decodePlan, encodePlan } from "../../learning/runs/plan_codec.ts";
import { decodeResult, encodeResult, type RoundResult } from "../../learning/runs/result.ts";
import { atRound } from "../../learning/runs/round_form.ts";
import { mechanismOf, releaseOfPlan } from "../../learning/runs/secure_round.ts";
import { expectedUpdateBytes, localUpdate } from "../../learning/runs/update.ts";
import { seededRandom } from "../../platform/seeded_random.ts";
import type { BlockId, ContentHash } from "../../protocols/ids.ts";
import {
  clearRound,
  crypto,
  deps,
  deviceOf,
  type FinishedRound,
  opened,
  secureRound,
  updateOf,
} from "./proof_support.ts";

const NETWORK = softmaxRegression({ inputs: 20, classes: 5 });
const COUNT = 105;
const CLEAR = { type: "clear", rule: { name: "weightedMean", numbers: {} } } as const;
const SECURE = { type: "secure", encoding: { range: 1, bits: 16 } } as const;
const STOCHASTIC: Partial<RunPlan> = {
  compression: { name: "stochastic", numbers: { bits: 8 } },
};
const PRIVACY: NonNullable<RunPlan["privacy"]> = {
  clip: 0.5,
  noiseMultiplier: 0.5,
  noise: "distributed",
  delta: 1e-5,
  dropout: 0.3,
  epsilonMax: 1e4,
  adaptive: { quantile: 0.5, rate: 0.2, countDeviation: 1, least: 0.01, most: 10 },
};

function verify({ opened, parent, aggregate, devices, submitted, result }: FinishedRound) {
  return verifyModel(result, { parent, aggregate, submissionOf: (id) => submitted.get(id) }, {
    opened,
    expected: result,
    isParticipant: (id) => devices.some((device) => device.id === id),
    own: null,
    deps,
  });
}

/** The mean that the devices of a finished round should have come to; the last of them has fallen away. */
function meanOf(devices: number): Float32Array {
  const total = devices * (devices - 1) / 2;
  return Float32Array.from({ length: COUNT }, (_, k) => {
    let sum = 0;
    for (let i = 0; i < devices - 1; i++) sum += updateOf(COUNT, i)[k]! * (i + 1);
    return sum / total;
  });
}

for (
  const [name, change, tuning, off] of [
    ["before any length is known", STOCHASTIC, undefined, 1e-3],
    ["with levels by the length of before", STOCHASTIC, 0.3, 0.05],
  ] as const
) {
  Deno.test(`a compressed secure sum is verified bit by bit, ${name}`, async () => {
    const round = secureRound(NETWORK, 6, { change, ...(tuning !== undefined && { tuning }) });
    const verification = await verify(round);
    assert.ok(verification.ok, JSON.stringify(verification));
    const { parameters, tuning: next } = verification.model;
    const exact = meanOf(6);
    const distance = Math.hypot(
      ...parameters.map((value, k) => value - round.parent.parameters[k]! - exact[k]!),
    );
    assert.ok(distance / Math.hypot(...exact) < off, String(distance / Math.hypot(...exact)));
    assert.equal(next, round.result.tuning!.next);
    // Lengths are about 0.7, weights 10 to 50 of 127, the heavier ones counting more.
    assert.ok(next! > 0.7 * 20 / 127 && next! < 0.7 * 60 / 127, String(next));
  });
}

Deno.test("a common choice of numbers is verified bit by bit, and only those numbers change", async () => {
  const round = secureRound(NETWORK, 6, {
    change: { compression: { name: "randomK", numbers: { share: 0.2 } } },
  });
  const verification = await verify(round);
  assert.ok(verification.ok, JSON.stringify(verification));
  const changed = verification.model.parameters.filter((value, k) =>
    value !== round.parent.parameters[k]
  );
  assert.ok(changed.length > 0 && changed.length <= 21, String(changed.length));
  assert.equal(round.result.tuning, undefined);
});

Deno.test("adaptive clipping: the next length follows from the released count, and is verified", async () => {
  const adaptive = { ...PRIVACY.adaptive!, countDeviation: 0.1 };
  // All updates are longer than 0.5 and shorter than 5.
  for (const [clip, moved] of [[0.5, "up"], [5, "down"]] as const) {
    const round = secureRound(NETWORK, 8, {
      change: { privacy: { ...PRIVACY, noiseMultiplier: 0.05, adaptive } },
      tuning: clip,
    });
    const verification = await verify(round);
    assert.ok(verification.ok, JSON.stringify(verification));
    const { next } = round.result.tuning!;
    assert.ok(moved === "up" ? next > clip : next < clip, `${clip} became ${next}`);
    assert.equal(verification.model.tuning, next);
  }
});

Deno.test("adaptive clipping in the clear: the coordinator counts and clips, and the next length is verified", async () => {
  const adaptive = { ...PRIVACY.adaptive!, countDeviation: 0.1, least: 1e-3 };
  // All updates are longer than 0.5 and shorter than 5.
  for (const [clip, moved] of [[0.5, "up"], [5, "down"]] as const) {
    const privacy = {
      ...PRIVACY,
      noise: "central",
      noiseMultiplier: 0.05,
      clip,
      adaptive,
    } as const;
    const round = clearRound(NETWORK, 8, { aggregation: CLEAR, privacy });
    assert.equal(round.aggregate.length, 4 * (COUNT + 1));
    const verification = await verify(round);
    assert.ok(verification.ok, JSON.stringify(verification));
    const { used, next } = round.result.tuning!;
    assert.equal(used, null);
    assert.ok(moved === "up" ? next > clip : next < clip, `${clip} became ${next}`);
    assert.equal(verification.model.tuning, next);
    const mean = new Float32Array(COUNT);
    for (let i = 0; i < 8; i++) {
      const update = updateOf(COUNT, i);
      clipFlat(update, clip);
      mean.forEach((value, k) => mean[k] = value + update[k]! / 8);
    }
    const off = verification.model.parameters.map((value, k) =>
      value - round.parent.parameters[k]! - mean[k]!
    );
    // All that is left is noise, of a little more than a twentieth of the length on each number of the sum.
    assert.ok(Math.hypot(...off) < 1.4 * 0.052 * clip * Math.sqrt(COUNT) / 8);
    for (const lie of [{ used, next: next * 1.01 }, { used: clip, next }]) {
      const refused = await verify({ ...round, result: { ...round.result, tuning: lie } });
      assert.match(refused.ok ? "" : refused.detail, /tuned to/);
    }
    const cut = round.aggregate.slice(0, -4);
    const refused = await verify({
      ...round,
      aggregate: cut,
      result: {
        ...round.result,
        aggregate: { hash: crypto.sha256Hex(cut) as ContentHash, bytes: cut.length },
      },
    });
    assert.ok(!refused.ok, "without the count no version follows");
  }
});

Deno.test("in the clear a device leaves an update as long as it is when its coordinator counts the long ones", () => {
  const lengthSent = (privacy: NonNullable<RunPlan["privacy"]>) => {
    const plan = opened(NETWORK, {
      aggregation: CLEAR,
      privacy: { ...privacy, noise: "central" },
    });
    const before = new Float32Array(COUNT);
    const sent = localUpdate(plan, {
      subject: { run: "ab".repeat(32) as BlockId, round: 1, device: deviceOf("sends", 0).id },
      before,
      after: updateOf(COUNT, 0),
      examples: 10,
      devices: 4,
      secret: new Uint8Array(32),
      residual: null,
      crypto,
    });
    assert.ok(sent.type === "clear");
    return Math.hypot(...parametersFromBytes(sent.bytes)!);
  };
  assert.ok(Math.abs(lengthSent(PRIVACY) - Math.hypot(...updateOf(COUNT, 0))) < 1e-6);
  const { adaptive: _adaptive, ...fixed } = PRIVACY;
  assert.ok(lengthSent(fixed) <= 0.5);
});

Deno.test("a result with another tuning than follows is refused, and so is one with none, or one too many", async () => {
  const round = secureRound(NETWORK, 6, { change: STOCHASTIC, tuning: 0.3 });
  const { used, next } = round.result.tuning!;
  const { tuning: _tuning, ...without } = round.result;
  const lies: readonly (readonly [RoundResult, RegExp])[] = [
    [{ ...round.result, tuning: { used, next: next * 1.5 } }, /the next round is tuned to/],
    [{ ...round.result, tuning: { used: 0.31, next } }, /it is tuned to 0.31, the version before/],
    [{ ...round.result, tuning: { used: null, next } }, /it is tuned to null/],
    [{ ...round.result, tuning: { used, next: 2 ** 60 } }, /length of updates of 1152/],
    [without, /it is tuned to null/],
  ];
  for (const [result, reason] of lies) {
    const verification = await verify({ ...round, result });
    assert.ok(!verification.ok);
    assert.match(verification.detail, reason);
  }
  const plain = secureRound(NETWORK, 6);
  const verification = await verify({
    ...plain,
    result: { ...plain.result, tuning: { used: null, next: 1 } },
  });
  assert.match(verification.ok ? "" : verification.detail, /the plan has none/);
});

Deno.test("devices that were tuned otherwise signed for another sum", async () => {
  const round = secureRound(NETWORK, 6, { change: STOCHASTIC, tuning: 0.3 });
  // The version before and the result agree on something that the devices did not sum with.
  const verification = await verify({
    ...round,
    parent: { ...round.parent, tuning: 0.4 },
    result: { ...round.result, tuning: { ...round.result.tuning!, used: 0.4 } },
  });
  assert.match(verification.ok ? "" : verification.detail, /signature of \S+ does not hold/);
});

Deno.test("plans and results with tunings come through their bytes bit by bit", () => {
  const { plan } = opened(NETWORK, { aggregation: SECURE, privacy: PRIVACY });
  const decoded = decodePlan(encodePlan(plan));
  assert.ok(decoded.ok);
  assert.deepEqual(decoded.message, plan);
  const { result } = secureRound(NETWORK, 6, { change: STOCHASTIC, tuning: 0.1 + 0.2 });
  const read = decodeResult(encodeResult(result));
  assert.ok(read.ok);
  assert.deepEqual(read.message, result);
});

Deno.test("a plan whose clipping cannot adapt is not opened", () => {
  const refuse = (change: Partial<RunPlan>, reason: RegExp) =>
    assert.throws(() => opened(NETWORK, { aggregation: SECURE, ...change }), reason);
  const adaptive = PRIVACY.adaptive!;
  refuse(
    { aggregation: CLEAR, privacy: { ...PRIVACY, noise: "central", noiseMultiplier: 2 } },
    /noise 1, expected more than half/,
  );
  refuse({ privacy: { ...PRIVACY, noiseMultiplier: 2 } }, /noise 1, expected more than half/);
  refuse({ privacy: { ...PRIVACY, adaptive: { ...adaptive, least: 0.6 } } }, /begins at 0.5/);
  refuse(
    { compression: { name: "eden", numbers: {} } },
    /"eden" cannot be summed under masks: .* scale of its own/,
  );
});

Deno.test("a round costs the ledger the same whatever the clipping length has become, and as much as the noise multiplier says", () => {
  const plan = opened(NETWORK, { aggregation: SECURE, privacy: PRIVACY });
  const { adaptive: _adaptive, ...privacy } = PRIVACY;
  const fixed = opened(NETWORK, { aggregation: SECURE, privacy });
  const costAt = (tuning: number | null) => {
    const round = atRound(plan, { run: "ab".repeat(32) as BlockId, round: 3, tuning }, crypto);
    const { plan: { clip } } = releaseOfPlan(round);
    assert.equal(clip, tuning ?? 0.5);
    return rdpOfMechanism(mechanismOf(round)!, { rate: 1 });
  };
  const first = costAt(null);
  for (const clip of [0.01, 0.0137, 0.5, 0.77, 1, 3.3, 10]) {
    costAt(clip).forEach((cost, i) => assert.ok(Math.abs(cost / first[i]! - 1) < 1e-12));
  }
  rdpOfMechanism(mechanismOf(fixed)!, { rate: 1 })
    .forEach((cost, i) => assert.ok(Math.abs(cost / first[i]! - 1) < 1e-12));
});

Deno.test("with a coordinator's noise, too, a round costs the same whatever the length has become, and hardly more than the noise multiplier says", () => {
  const privacy = { ...PRIVACY, noise: "central" } as const;
  const plan = opened(NETWORK, { aggregation: CLEAR, privacy });
  const costAt = (tuning: number | null) =>
    rdpOfMechanism(
      mechanismOf(
        atRound(plan, { run: "ab".repeat(32) as BlockId, round: 3, tuning }, crypto),
      )!,
      { rate: 1 },
    );
  const first = costAt(null);
  for (const clip of [0.01, 0.0137, 0.77, 3.3, 10]) assert.deepEqual(costAt(clip), first);
  const { noiseMultiplier } = privacy;
  RDP_ORDERS.forEach((order, i) => {
    const gaussian = rdpSubsampledGaussian({ samplingRate: 1, noiseMultiplier }, order);
    assert.ok(first[i]! >= gaussian && first[i]! < gaussian * 1.001);
    // What is really released is never worse than what is charged: the lattice of this length.
    for (const clip of [0.01, 0.0137, 0.77, 3.3, 10]) {
      const whole = clip * splitNoise(noiseMultiplier, 1) / noiseMultiplier;
      const exact = centralMechanism({ clip: whole, noiseMultiplier, dimension: COUNT + 1 });
      assert.ok(rdpOfMechanism(exact, { rate: 1 })[i]! <= first[i]! * (1 + 1e-12));
    }
  });
});

Deno.test("a coordinator's noise on the update and on the count is what Opacus adds", () => {
  for (const { noiseMultiplier, countDeviation, updateMultiplier, clip } of fixtures.slice(0, 3)) {
    const random = seededRandom(`noise ${clip}`);
    const numbers = new Float64Array(20_000);
    const noise = { clip, noiseMultiplier, countDeviation };
    const counts = Array.from(
      { length: 400 },
      () => addAdaptiveNoise(new Float64Array(1), 7, noise, random) - 7,
    );
    addAdaptiveNoise(numbers, 7, noise, random);
    const deviationOf = (values: ArrayLike<number>) =>
      Math.sqrt(Array.from(values).reduce((sum, value) => sum + value * value, 0) / values.length);
    // Five standard errors of a measured deviation.
    const near = (measured: number, expected: number, count: number) =>
      Math.abs(measured / expected - 1) < 5 / Math.sqrt(2 * count);
    assert.ok(near(deviationOf(numbers), clip * updateMultiplier, numbers.length));
    assert.ok(near(deviationOf(counts), countDeviation, counts.length));
  }
});

Deno.test("the noise for the update, each next length and the cost of both are what Opacus and dp-accounting say", () => {
  for (const one of fixtures) {
    const { noiseMultiplier, countDeviation, devices, rounds, delta } = one;
    const forUpdate = splitNoise(noiseMultiplier, countDeviation);
    assert.ok(Math.abs(forUpdate / one.updateMultiplier - 1) < 1e-12);
    let { clip } = one;
    for (const { below, clip: expected } of one.steps) {
      clip = nextClip(clip, { bits: below - devices / 2, participants: devices }, one);
      assert.ok(Math.abs(clip / expected - 1) < 1e-12, `${clip}, ${expected}`);
    }
    // What the ledger charges is one release of the whole noise; theirs is of both parts, one after the other.
    const epsilon = epsilonOf({ samplingRate: 1, noiseMultiplier, steps: rounds, delta }, "rdp");
    assert.ok(
      epsilon < one.epsilon * 1.001 && epsilon > one.epsilon * 0.98,
      `${epsilon}, ${one.epsilon}`,
    );
  }
});

Deno.test("the power of e is that of the language to the last digits", () => {
  for (let x = -2; x <= 2; x += 0.0137) {
    assert.ok(Math.abs(exponential(x) / Math.exp(x) - 1) < 1e-14);
  }
});

Deno.test("a coordinator expects as many bytes as a compressed update has", () => {
  const bytes = (compression: RunPlan["compression"], tuning: number | null) => {
    const plan = opened(softmaxRegression({ inputs: 784, classes: 10 }), {
      aggregation: SECURE,
      compression,
    });
    const round = atRound(plan, { run: "ab".repeat(32) as BlockId, round: 3, tuning }, crypto);
    return expectedUpdateBytes(round, 10).least;
  };
  const plain = bytes(null, null);
  const four = { name: "stochastic", numbers: { bits: 4 } };
  assert.equal(plain, Math.ceil(7_851 * 20 / 8));
  assert.equal(bytes(four, null), Math.ceil(7_852 * 20 / 8), "the first round goes in full");
  assert.equal(bytes(four, 0.5), 7_850 + 2 + 4);
  assert.equal(bytes({ name: "randomK", numbers: { share: 0.05 } }, null), Math.ceil(394 * 20 / 8));
});
