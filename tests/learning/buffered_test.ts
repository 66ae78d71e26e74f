/** Runs whose updates gather in a buffer: which plans allow it, what stale updates make of a version, and which results are not believed. */
import assert from "node:assert/strict";
import { softmaxRegression } from "../../learning/engine/networks.ts";
import { verifyModel } from "../../learning/models/verify_model.ts";
import { submissionStatement } from "../../learning/models/proof.ts";
import { parameterBytes, parametersHash } from "../../learning/parameters.ts";
import { chainTo, countedIn, problemOfLineage } from "../../learning/runs/buffered.ts";
import { type ClearSubmission, combineClear } from "../../learning/runs/combine_clear.ts";
import type { ModelState } from "../../learning/runs/model_state.ts";
import { planRun } from "../../learning/runs/new_run.ts";
import { firstModel } from "../../learning/runs/opened_plan.ts";
import type { RunPlan } from "../../learning/runs/plan.ts";
import { nextModel } from "../../learning/runs/release.ts";
import { decodeResult, encodeResult, type RoundResult } from "../../learning/runs/result.ts";
import { FedBuff } from "./fedbuff_reference.ts";
import { mnistTask } from "../../learning/tasks/mnist.ts";
import { nodeSigner } from "../../platform/node_crypto.ts";
import { seededRandom } from "../../platform/seeded_random.ts";
import type { BlockId, ContentHash, DeviceId } from "../../protocols/ids.ts";
import { deviceIdOf } from "../../protocols/ids.ts";
import fixture from "../fixtures/learning/fedbuff.json" with { type: "json" };
import { crypto, deps, opened, type TestDevice, updateOf } from "./proof_support.ts";

const RUN = "ab".repeat(32) as BlockId;
const STALENESS_MAX = 3;
const NETWORK = softmaxRegression({ inputs: 2, classes: 2 });

function planOf(change: Partial<RunPlan> = {}, goal = 3): Partial<RunPlan> {
  return {
    strategy: { name: "fedBuff", numbers: { serverRate: 1, goal, stalenessMax: STALENESS_MAX } },
    ...change,
  };
}

const plan = opened(NETWORK, planOf());
const devices: readonly TestDevice[] = [1, 2, 3, 4].map((byte) => {
  const signer = nodeSigner(new Uint8Array(32).fill(byte));
  return { id: deviceIdOf(signer.publicKey), signer };
}).sort((a, b) => a.id < b.id ? -1 : 1);

/** One device's update in a version: how stale it is, and what else a liar would say. */
interface Bring {
  readonly device: number;
  readonly staleness: number;
  readonly base?: RoundResult["submissions"][number]["base"];
  readonly signedRound?: number;
}

interface Version {
  readonly result: RoundResult;
  readonly model: ModelState;
  readonly parent: ModelState;
  readonly aggregate: Uint8Array<ArrayBuffer>;
  readonly submitted: ReadonlyMap<DeviceId, Uint8Array<ArrayBuffer>>;
}

/** The version after `chain` (oldest first), from what devices bring, in ascending order. */
function versionAfter(chain: readonly Version[], brings: readonly Bring[]): Version {
  const parent = chain.at(-1)?.model ?? firstModel(plan);
  const round = chain.length + 1;
  const submitted = new Map<DeviceId, Uint8Array<ArrayBuffer>>();
  const updates: (ClearSubmission & { readonly bytes: Uint8Array })[] = [];
  const submissions = brings.map(({ device, staleness, base: said, signedRound }) => {
    const { id, signer } = devices[device]!;
    const bytes = new Uint8Array(parameterBytes(updateOf(plan.layout.count, 10 * round + device)));
    submitted.set(id, bytes);
    updates.push({ device: id, bytes, weight: 1, staleness });
    const from = round - 1 - staleness;
    const model = chain[from - 1]?.model ?? firstModel(plan);
    const base = said ?? { round: from, parameters: parametersHash(model.parameters, crypto) };
    const commitment = crypto.sha256Hex(bytes) as ContentHash;
    const statement = submissionStatement({
      run: RUN,
      round: signedRound ?? base.round + 1,
      attempt: 0,
      parent: base.parameters,
    }, { commitment, weight: 1 });
    return { device: id, commitment, weight: 1, signature: signer.sign(statement), base };
  });
  const { aggregate } = combineClear(plan, updates, {
    run: RUN,
    round,
    crypto,
    random: seededRandom("none"),
    screening: null,
  });
  const model = nextModel(plan, parent, aggregate, devices.length);
  const result: RoundResult = {
    version: 1,
    run: RUN,
    round,
    term: 0,
    attempt: 1,
    parent: parametersHash(parent.parameters, crypto),
    result: parametersHash(model.parameters, crypto),
    state: null,
    aggregate: { hash: crypto.sha256Hex(aggregate) as ContentHash, bytes: aggregate.length },
    submissions,
    sums: [],
    counts: { called: devices.length, ready: brings.length, dropped: 0, refused: 0 },
    durationMs: 1,
    updateBytes: 1,
  };
  return { result, model, parent, aggregate, submitted };
}

/** Four versions; the last device is slow, and its updates are one and two versions old. */
function honestChain(): readonly Version[] {
  const chain: Version[] = [];
  const fresh = (...which: number[]) => which.map((device) => ({ device, staleness: 0 }));
  for (
    const brings of [
      fresh(0, 1, 2),
      [...fresh(0, 1), { device: 3, staleness: 1 }],
      fresh(0, 1, 2),
      [...fresh(1, 2), { device: 3, staleness: 2 }],
    ]
  ) chain.push(versionAfter(chain, brings));
  return chain;
}

function verify(version: Version, known: readonly Version[]) {
  return verifyModel(version.result, {
    parent: version.parent,
    aggregate: version.aggregate,
    submissionOf: (device) => version.submitted.get(device),
  }, {
    opened: plan,
    expected: { run: RUN, round: version.result.round },
    known: known.map(({ result }) => result),
    isParticipant: () => true,
    own: null,
    deps,
  });
}

Deno.test("versions of a buffer are those of the paper's algorithm, reckoned with 50 digits", () => {
  const { goal, serverRate, stalenessMax, start, versions } = fixture;
  const count = start.length;
  const open = opened(softmaxRegression({ inputs: 2, classes: 2 }), {
    strategy: { name: "fedBuff", numbers: { goal, serverRate, stalenessMax } },
  });
  assert.equal(open.layout.count, count);
  let model: ModelState = {
    parameters: Float32Array.from(start),
    optimiser: { step: 0, slots: [] },
  };
  for (const [version, { updates, model: expected }] of versions.entries()) {
    const reference = FedBuff.start({ goal, stalenessMax }, count, version);
    const names = updates.map((_, i) => devices[i]!.id);
    const { aggregate } = combineClear(
      open,
      updates.map(({ base, values }, i) => ({
        device: names[i]!,
        bytes: new Uint8Array(parameterBytes(Float32Array.from(values))),
        weight: 1,
        staleness: version - base,
      })),
      { run: RUN, round: version + 1, crypto, random: seededRandom("none"), screening: null },
    );
    const outcomes = updates.map(({ base, values }, i) =>
      reference.receive({
        device: names[i]!,
        baseVersion: base,
        values: Float32Array.from(values),
      })
    );
    const released = outcomes.at(-1)!;
    assert.ok(released.type === "released");
    assert.deepEqual(new Uint8Array(aggregate), new Uint8Array(parameterBytes(released.update)));
    model = nextModel(open, model, aggregate, updates.length);
    for (let i = 0; i < count; i++) {
      assert.ok(Math.abs(model.parameters[i]! - expected[i]!) < 1e-6, `version ${version + 1}`);
    }
  }
});

Deno.test("a result names what each update was trained from, survives its encoding, and is verified by making it again", async () => {
  const chain = honestChain();
  for (const [i, version] of chain.entries()) {
    const decoded = decodeResult(encodeResult(version.result));
    assert.ok(decoded.ok);
    assert.deepEqual(decoded.message, version.result);
    const verification = await verify({ ...version, result: decoded.message }, chain.slice(0, i));
    assert.ok(verification.ok, JSON.stringify(verification));
    assert.ok(verification.recombined);
    // Whoever knows nothing of what came before sees no fault either.
    assert.ok((await verify(version, [])).ok);
  }
});

const lies: readonly (readonly [what: string, brings: readonly Bring[], reason: RegExp])[] = [
  [
    "an update from a version that is no ancestor",
    [{ device: 0, staleness: 0 }, {
      device: 3,
      staleness: 1,
      base: { round: 3, parameters: "cd".repeat(32) as ContentHash },
    }],
    /its base is cdcd.*, version 3 is/,
  ],
  [
    "an update of the present version from other parameters",
    [{ device: 0, staleness: 0, base: { round: 4, parameters: "cd".repeat(32) as ContentHash } }],
    /was trained from cdcd.*, version 4 is/,
  ],
  [
    "an update that is too old",
    [{ device: 0, staleness: 4 }],
    /is 4 versions old, expected 0 to 3/,
  ],
  [
    "an update from a version to come",
    [{ device: 0, staleness: 0, base: { round: 5, parameters: "cd".repeat(32) as ContentHash } }],
    /is -1 versions old/,
  ],
  [
    "an update that was counted before",
    [{ device: 1, staleness: 1 }],
    /one from version 3, or from later, is in version 4 already/,
  ],
  [
    "an old update that is passed off as a new one",
    [{ device: 0, staleness: 0, signedRound: 3 }],
    /signature of .* does not hold/,
  ],
  [
    "more updates than the buffer has room for",
    [0, 1, 2, 3].map((device) => ({ device, staleness: 0 })),
    /4 updates are in it, expected at most 3/,
  ],
];
for (const [what, brings, reason] of lies) {
  Deno.test(`a result with ${what} is not believed`, async () => {
    const chain = honestChain();
    const both = brings.length > 1 ? brings : [...brings, { device: 2, staleness: 0 }];
    const verification = await verify(versionAfter(chain, both), chain);
    assert.ok(!verification.ok);
    assert.match(verification.detail, reason);
  });
}

Deno.test("a result without bases, with one in a run by rounds, or with a weight is not believed", async () => {
  const chain = honestChain();
  const [first] = chain as [Version];
  const changed = (change: (one: RoundResult["submissions"][number]) => object): Version => ({
    ...first,
    result: {
      ...first.result,
      submissions: first.result.submissions.map((one) =>
        change(one) as RoundResult["submissions"][number]
      ),
    },
  });
  const bare = await verify(changed(({ base: _, ...rest }) => rest), []);
  assert.match(bare.ok ? "" : bare.detail, /names no version it was trained from/);
  const heavy = await verify(changed((one) => ({ ...one, weight: 2 })), []);
  assert.match(heavy.ok ? "" : heavy.detail, /weighs 2, expected 1/);
  const byRounds = await verifyModel(first.result, {
    parent: first.parent,
    aggregate: first.aggregate,
    submissionOf: () => undefined,
  }, {
    opened: opened(NETWORK),
    expected: { run: RUN, round: 1 },
    isParticipant: () => true,
    own: null,
    deps,
  });
  assert.match(byRounds.ok ? "" : byRounds.detail, /and the run goes by rounds/);
});

Deno.test("a chain ends where a result is not known, and forgets what no update can be from", () => {
  const results = honestChain().map(({ result }) => result);
  const last = { round: 4, parameters: results[3]!.result };
  assert.deepEqual(chainTo(last, results, 10), results.toReversed());
  assert.deepEqual(chainTo(last, results, 2), results.slice(2).toReversed());
  assert.deepEqual(chainTo(last, [results[0]!, results[3]!], 10), [results[3]]);
  const base = { round: 0, parameters: results[0]!.parent };
  const chain = chainTo(last, results, 10);
  assert.equal(countedIn({ device: devices[0]!.id, base }, chain), 3);
  assert.equal(
    countedIn({ device: devices[0]!.id, base: { ...base, round: 3 } }, chain),
    undefined,
  );
  const buffer = { goal: 3, stalenessMax: STALENESS_MAX };
  for (const result of results) assert.equal(problemOfLineage(result, results, buffer), undefined);
});

Deno.test("plans in which a buffer promises what it cannot hold are refused, saying what would be possible", () => {
  const clear = { type: "clear", rule: { name: "weightedMean", numbers: {} } } as const;
  const encoding = { range: 1, bits: 16 };
  const privacy = {
    clip: 1,
    noiseMultiplier: 4,
    noise: "central",
    delta: 1e-5,
    dropout: 0,
    epsilonMax: 10,
  } as const;
  const refused: readonly (readonly [Partial<RunPlan>, RegExp])[] = [
    [{ aggregation: { type: "secure", encoding } }, /one by one.*expected aggregation "clear"/],
    [
      { aggregation: { type: "clear", rule: { name: "coordinateMedian", numbers: {} } } },
      /expected the rule "weightedMean"/,
    ],
    [{ privacy }, /promises no privacy.*expected another strategy, or no privacy/],
    [
      { participation: { least: 2, most: 20, fraction: 0.5, overSelection: 0 } },
      /fraction is 0.5, expected 1/,
    ],
    [
      { participation: { least: 2, most: 2, fraction: 1, overSelection: 0 } },
      /goal is 3, expected at most participation.most, 2/,
    ],
    [
      { participation: { least: 9, most: 20, fraction: 1, overSelection: 0 } },
      /expected a goal of 5 or more/,
    ],
  ];
  opened(NETWORK, planOf({ aggregation: clear }));
  for (const [change, reason] of refused) {
    assert.throws(() => opened(NETWORK, planOf({ aggregation: clear, ...change })), reason);
  }
});

Deno.test("a buffer that nobody gave a size has one for half of the members, ten at most", () => {
  const goalWith = (members: number, numbers: Readonly<Record<string, number>> = {}) => {
    const planned = planRun({
      task: "mnist",
      aggregation: "clear",
      strategy: { name: "fedBuff", numbers },
      // Also a single member, who waits for another one.
      wait: true,
    }, {
      tasks: [mnistTask],
      crypto,
      members: Array.from({ length: members }, (_, i) => `device ${i}` as DeviceId),
      seed: new Uint8Array(32),
    });
    assert.ok(planned.type === "planned", JSON.stringify(planned));
    return planned.opened.plan.strategy.numbers.goal;
  };
  assert.deepEqual([1, 2, 5, 40].map((members) => goalWith(members)), [1, 1, 3, 10]);
  assert.equal(goalWith(40, { goal: 7 }), 7);
});
