/** Plans from what a person says: sensible where nothing was said, what was said where it was, and a refusal that helps where it cannot be. */
import assert from "node:assert/strict";
import { openLedger, openRun } from "../../learning/privacy/ledger.ts";
import { type NewRun, planRun } from "../../learning/runs/new_run.ts";
import { decodePlan, encodePlan } from "../../learning/runs/plan_codec.ts";
import type { RunPlan } from "../../learning/runs/plan.ts";
import { mechanismOf } from "../../learning/runs/secure_round.ts";
import { TASKS } from "../../learning/tasks/tasks.ts";
import { nodeCrypto } from "../../platform/node_crypto.ts";
import { deviceIdOf } from "../../protocols/ids.ts";

const crypto = nodeCrypto({ workersMax: 0 });
const devices = Array.from({ length: 1_000 }, (_, i) => {
  const key = new Uint8Array(32);
  new DataView(key.buffer).setUint32(0, i);
  return deviceIdOf(key);
});

function planned(wish: Partial<NewRun>, members = 5) {
  return planRun({ task: "mnist", ...wish }, {
    tasks: TASKS,
    crypto,
    members: devices.slice(0, members),
    seed: new Uint8Array(32).fill(3),
  });
}

function plan(wish: Partial<NewRun> = {}, members = 5): RunPlan {
  const outcome = planned(wish, members);
  if (outcome.type === "impossible") throw new Error(outcome.message);
  return outcome.opened.plan;
}

function refusal(wish: Partial<NewRun>, members = 5): string {
  const outcome = planned(wish, members);
  return outcome.type === "impossible" ? outcome.message : "planned";
}

Deno.test("a task's name alone is a plan: secure with three members and more, in the clear with fewer", () => {
  const secure = plan();
  assert.deepEqual(secure.aggregation, { type: "secure", encoding: { range: 1, bits: 16 } });
  assert.deepEqual(secure.participation, { least: 3, most: 1_024, fraction: 1, overSelection: 0 });
  assert.deepEqual(secure.local, {
    epochs: 1,
    batchSize: 10,
    learningRate: 0.1,
    momentum: null,
    proximal: null,
  });
  assert.deepEqual(secure.deadlines, { readyMs: 10_000, trainMs: 600_000, phaseMs: 30_000 });
  assert.deepEqual(
    [secure.rounds, secure.title, secure.strategy.name, secure.proofOfWorkBits, secure.privacy],
    [50, "Handwritten digits", "fedAvg", 8, null],
  );
  const clear = plan({}, 2);
  assert.deepEqual(clear.aggregation, {
    type: "clear",
    rule: { name: "weightedMean", numbers: {} },
  });
  assert.equal(clear.participation.least, 2);
  assert.equal(plan({ participants: { least: 1 } }, 1).participation.least, 1);
});

Deno.test("what is said is in the plan, and every plan survives its block", () => {
  const said = plan({
    title: "Ziffern",
    options: { model: "softmax" },
    rounds: 7,
    participants: { least: 15, most: 20, fraction: 0.5 },
    local: { epochs: 3, momentum: 0.9 },
    strategy: { name: "fedAdam", numbers: { serverRate: 0.02 } },
    aggregation: "secureGroups",
    rule: { name: "trimmedMean", numbers: {} },
    deadlines: { trainMs: 60_000 },
    share: { kind: "dirichlet" },
  }, 15);
  assert.deepEqual(decodePlan(encodePlan(said)), { ok: true, message: said });
  assert.deepEqual(said.participation, { least: 15, most: 20, fraction: 0.5, overSelection: 0.3 });
  assert.deepEqual(
    [said.local.epochs, said.local.momentum, said.local.batchSize, said.deadlines.trainMs],
    [3, 0.9, 10, 60_000],
  );
  // Every number of a choice is named, also those that nobody said.
  assert.deepEqual(said.strategy.numbers, {
    serverRate: 0.02,
    momentum: 0.9,
    memory: 0.99,
    adaptivity: 1e-3,
  });
  assert.deepEqual(said.share, {
    kind: "dirichlet",
    alpha: 0.5,
    devices: devices.slice(0, 15).toSorted(),
  });
  assert.equal(
    said.aggregation.type === "secureGroups" && said.aggregation.rule.name,
    "trimmedMean",
  );
});

Deno.test("in the clear no more devices are called than a coordinator has disk for, and a rule that compares updates takes twice as much of it", () => {
  const wish = { aggregation: "clear", rule: { name: "coordinateMedian", numbers: {} } } as const;
  const cnn = plan({ ...wish, options: { model: "cnn" } });
  assert.equal(cnn.participation.most, 256);
  assert.equal(plan(wish).participation.most, 1_024);
  const mean = plan({ aggregation: "clear", options: { model: "cnn" } });
  assert.equal(mean.participation.most, 512);
  assert.match(
    refusal({ ...wish, options: { model: "cnn" }, participants: { most: 500 } }),
    /participants.most is 500: combining 500 updates of 1663370 numbers takes 6346 MiB of disk, expected at most 4096/,
  );
});

Deno.test("a buffer asks a coordinator for the updates it has room for, however many devices take part", () => {
  const wish = (goal: number): Partial<NewRun> => ({
    aggregation: "clear",
    options: { model: "cnn" },
    strategy: { name: "fedBuff", numbers: { goal } },
  });
  assert.equal(plan(wish(20)).participation.most, 1_024);
  assert.match(
    refusal({ ...wish(700), participants: { most: 1_000 } }),
    /participants.most is 1000: combining 700 updates of 1663370 numbers takes .* of disk/,
  );
});

Deno.test("the noise of a private plan is what every ledger allows for all rounds, and hardly more", () => {
  for (const noise of ["distributed", "central"] as const) {
    const wish: Partial<NewRun> = {
      options: { model: "softmax" },
      rounds: 200,
      privacy: { epsilon: 8, clip: 1 },
      aggregation: noise === "central" ? "clear" : "secure",
    };
    const outcome = planned(wish, 1_000);
    assert.equal(outcome.type, "planned", JSON.stringify(outcome).slice(0, 500));
    if (outcome.type !== "planned") return;
    const { privacy, participation } = outcome.opened.plan;
    assert.equal(privacy?.noise, noise);
    assert.equal(privacy.epsilonMax, 8);
    if (noise === "distributed") assert.equal(participation.least, 667);
    // The count of clipped updates takes its part of the same noise.
    const adaptive = planned({ ...wish, privacy: { ...wish.privacy!, clipQuantile: 0.5 } }, 1_000);
    assert.ok(adaptive.type === "planned");
    const { privacy: same } = adaptive.opened.plan;
    assert.ok(Math.abs(same!.noiseMultiplier / privacy.noiseMultiplier - 1) < 0.002);
    assert.deepEqual(same!.adaptive, {
      quantile: 0.5,
      rate: 0.2,
      countDeviation: Math.max(50, 1.6 * same!.noiseMultiplier),
      least: 0.001,
      most: 1_000,
    });
    const roundsOf = (noiseMultiplier: number) => {
      const opened = {
        ...outcome.opened,
        plan: { ...outcome.opened.plan, privacy: { ...privacy, noiseMultiplier } },
      };
      const terms = {
        run: "ab".repeat(32),
        limit: { epsilon: 8, delta: privacy.delta },
        mechanism: mechanismOf(opened)!,
        sampling: { rate: 1 },
      };
      const ledger = openRun(openLedger({ epsilon: 1e6, delta: 1e-5 }), terms);
      return ledger.type === "opened" ? ledger.roundsPossible : 0;
    };
    assert.ok(roundsOf(privacy.noiseMultiplier) >= 200);
    assert.ok(roundsOf(privacy.noiseMultiplier * 0.98) < 200);
  }
});

Deno.test("privacy that drowns the model is refused with what would be possible, and stated noise is only held to its cost", () => {
  const message = refusal({ privacy: { epsilon: 2, clip: 1 } });
  assert.match(message, /noise [\d.]+ times as long as all that 5 devices can learn in 50 rounds/);
  const [, epsilon] = /possible would be epsilon ([\d.]+)/.exec(message) ?? [];
  const [, multiplier] = /state noiseMultiplier ([\d.]+) yourself/.exec(message) ?? [];
  assert.ok(Number(epsilon) > 2 && Number(multiplier) > 1, message);
  // What is said to be possible is.
  assert.equal(refusal({ privacy: { epsilon: Number(epsilon), clip: 1 } }), "planned");
  const stated = { epsilon: 2, clip: 1, noiseMultiplier: Number(multiplier) };
  assert.equal(refusal({ privacy: stated }), "planned");
  const tooLittle = refusal({ privacy: { ...stated, noiseMultiplier: 1 } });
  assert.match(tooLittle, /50 rounds with noiseMultiplier 1 cost ε [\d.]+, more than 2/);
  assert.match(
    tooLittle,
    /possible would be (?:\d+ rounds?, or )?noiseMultiplier [\d.]+, or epsilon/,
  );
  const [, rounds] = /possible would be (\d+) rounds?/.exec(tooLittle) ?? [];
  if (Number(rounds) > 0) {
    const fewer = { rounds: Number(rounds), privacy: { ...stated, noiseMultiplier: 1 } };
    assert.equal(refusal(fewer), "planned");
  }
});

Deno.test("noise so small that no ledger can count its cost is called what it is", () => {
  const message = refusal({
    rounds: 12,
    privacy: { epsilon: 5_000, clip: 1, noiseMultiplier: 0.02 },
  });
  assert.match(
    message,
    /more than a ledger can count.*no privacy; possible would be 1 round, or noiseMultiplier 0\.\d+$/,
  );
  assert.doesNotMatch(message, /NaN|Infinity/);
});

Deno.test("what devices have of their own is not divided among them", () => {
  for (const wish of [{ task: "sensors" }, { task: "topics", options: { classes: "a,b" } }]) {
    assert.match(
      refusal({ ...wish, share: { kind: "iid" } }),
      new RegExp(`share.kind is "iid", and what .* "${wish.task}" is their own; expected no share`),
    );
    assert.equal(plan(wish).share, null);
  }
});

Deno.test("what could never work is refused, and the reason says what would", () => {
  const median = { name: "coordinateMedian", numbers: {} };
  const impossible: readonly (readonly [Partial<NewRun>, RegExp])[] = [
    [{ task: "chess" }, /no task "chess" is known, expected one of: mnist, sensors, topics/],
    [{ options: { model: "huge" } }, /model/],
    [{ strategy: { name: "fedMagic", numbers: {} } }, /strategy "fedMagic"/],
    [{ strategy: { name: "fedAvg", numbers: { speed: 2 } } }, /fedAvg/],
    [{ strategy: { name: "fedBuff", numbers: {} } }, /expected aggregation "clear"/],
    [
      { compression: { name: "eden", numbers: {} } },
      /summed under masks: .* scale of its own; expected stochastic/,
    ],
    [
      { compression: { name: "topK", numbers: {} } },
      /"topK" cannot be summed under masks: each device/,
    ],
    [
      { compression: { name: "stochastic", numbers: { bits: 1 } } },
      /bits is 1, expected at least 2/,
    ],
    [
      {
        compression: { name: "randomK", numbers: {} },
        privacy: { epsilon: 8, clip: 1, noiseMultiplier: 8 },
      },
      /"randomK" does not go with noise in secure sums/,
    ],
    [{ compression: { name: "zip", numbers: {} }, aggregation: "clear" }, /compression "zip"/],
    [{ rule: median }, /"secure" has one; expected aggregation "secureGroups"/],
    [{ aggregation: "clear", rule: { name: "mode", numbers: {} } }, /aggregation rule "mode"/],
    [
      { aggregation: "clear", rule: median, privacy: { epsilon: 8, clip: 1 } },
      /expected rule weightedMean/,
    ],
    [{ participants: { least: 2 } }, /participants.least is 2, expected at least 3/],
    [
      {
        aggregation: "clear",
        rule: { name: "krum", numbers: { faulty: 2 } },
        participants: { least: 4 },
      },
      /participants.least is 4, expected at least 7/,
    ],
    [{ participants: { least: 9, most: 5 } }, /participants.least is 9, expected at most 5/],
    [{ participants: { fraction: 2 } }, /fraction/],
    [{ rounds: 0 }, /rounds/],
    [{ rounds: 1.5 }, /rounds|fraction|integer/i],
    [{ local: { learningRate: NaN } }, /learningRate.*NaN/],
    [{ privacy: { epsilon: -1, clip: 1 } }, /epsilon is -1, expected a number above 0/],
    [{ privacy: { epsilon: 1, clip: Infinity } }, /clip is Infinity/],
    [
      { privacy: { epsilon: 1, clip: 1, delta: 0.09 }, participants: { least: 20 } },
      /delta is 0.09 with 20 devices/,
    ],
    [{ share: { kind: "iid", alpha: 1 } }, /alpha is for "dirichlet" only/],
    [{ title: "" }, /title/],
  ];
  for (const [wish, reason] of impossible) {
    const message = refusal(wish);
    assert.match(message, reason, JSON.stringify(wish));
    assert.match(message, /^Cannot plan the run: /);
  }
});
