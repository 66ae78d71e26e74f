/** Runs that the members of today cannot play, for tests of planning and of what people are told. */
import fc from "fast-check";
import { type NewRun, planRun } from "../../learning/runs/new_run.ts";
import type { Choice } from "../../learning/runs/plan.ts";
import { mnistTask } from "../../learning/tasks/mnist.ts";
import { nodeCrypto } from "../../platform/node_crypto.ts";
import { membersOf } from "./played_plans.ts";

const crypto = nodeCrypto({ workersMax: 0 });
/** Most members that plans are made for here. */
export const MEMBERS_MAX = 16;
/** Ten numbers. */
const TINY = { model: "softmax", rows: 2, columns: 2, classes: 2 };

/** Who is there. */
export interface Given {
  readonly members: number;
  readonly coordinators?: number;
  readonly ownLack?: string;
}

/** The plan of a wish on a tiny model, or why there is none. */
export function planned(wish: Partial<NewRun>, { members, ...given }: Given) {
  return planRun({ task: "mnist", options: TINY, ...wish }, {
    tasks: [mnistTask],
    crypto,
    members: membersOf(members),
    seed: new Uint8Array(32).fill(3),
    ...given,
  });
}

/** Why there is no plan; undefined when there is one. */
export function refusal(wish: Partial<NewRun>, given: Given): string | undefined {
  const outcome = planned(wish, given);
  return outcome.type === "impossible" ? outcome.message : undefined;
}

/** A choice by name. */
export const rule = (name: string, numbers: Record<string, number> = {}): Choice => ({
  name,
  numbers,
});

/** Rules, and how many updates their papers say they need. */
export const RULES: readonly (readonly [Choice, number])[] = [
  [rule("weightedMean"), 1],
  [rule("normClipping", { norm: 1 }), 1],
  [rule("centeredClipping", { radius: 1 }), 1],
  [rule("coordinateMedian"), 1],
  [rule("geometricMedian"), 1],
  [rule("trimmedMean"), 5],
  [rule("trimmedMean", { share: 0.1 }), 10],
  [rule("krum"), 5],
  [rule("krum", { faulty: 0 }), 3],
  [rule("krum", { faulty: 3 }), 9],
  [rule("multiKrum", { keep: 2 }), 5],
  [rule("multiKrum", { faulty: 2, keep: 8 }), 10],
  [rule("bulyan"), 7],
  [rule("bulyan", { faulty: 2 }), 11],
];

/** Wishes, who is there, and what is said to it. */
export const IMPOSSIBLE: readonly (readonly [Partial<NewRun>, Given, RegExp])[] = [
  [
    { participants: { least: 6 } },
    { members: 5 },
    /participants.least is 6, and 5 members may join; expected at most 5, or more members first/,
  ],
  [{}, { members: 1 }, /participants.least is 2, and 1 member may join; expected at most 1/],
  [
    { aggregation: "clear", strategy: rule("fedBuff", { goal: 4 }), participants: { least: 7 } },
    { members: 5 },
    /participants.least is 7, and 5 members/,
  ],
  [
    { aggregation: "grid", participants: { least: 10 }, rounds: 3 },
    { members: 9 },
    /participants.least is 10, and 9 members may join; expected at most 9/,
  ],
  [
    { participants: { least: 8, fraction: 0.5 }, compression: rule("stochastic", { bits: 4 }) },
    { members: 7 },
    /participants.least is 8, and 7 members/,
  ],
  [
    { participants: { least: 8 }, privacy: { epsilon: 1e5, clip: 1, noiseMultiplier: 2 } },
    { members: 5 },
    /participants.least is 8, and 5 members/,
  ],
  [
    { participants: { least: 6 }, aggregation: "clear", rule: rule("krum", { faulty: 2 }) },
    { members: 9 },
    /participants.least is 6, expected at least 7/,
  ],
  [
    { aggregation: "twoServers" },
    { members: 4, coordinators: 1 },
    /"twoServers" needs a second party beside the coordinator, and 1 member may coordinate \(learn.coordinate\); expected 2, or aggregation "secure"/,
  ],
  [
    {},
    { members: 3, ownLack: "no pictures are here" },
    /least is 3, and this device, one of 3 members, has nothing to learn from: no pictures are here; expected examples here, or 4 members/,
  ],
  [
    { aggregation: "clear", participants: { least: 4 } },
    { members: 4, ownLack: "no pictures are here" },
    /nothing to learn from: no pictures are here; expected examples here, or participants.least 3/,
  ],
];

const rules: fc.Arbitrary<Choice> = fc.oneof(
  fc.constantFrom(...RULES.map(([one]) => one)),
  fc.record({ faulty: fc.nat(4) }).map((numbers) => rule("krum", numbers)),
  fc.record({ faulty: fc.nat(3), keep: fc.integer({ min: 1, max: 9 }) })
    .map((numbers) => rule("multiKrum", numbers)),
  fc.record({ faulty: fc.nat(3) }).map((numbers) => rule("bulyan", numbers)),
  fc.integer({ min: 1, max: 49 }).map((share) => rule("trimmedMean", { share: share / 100 })),
);
/** Seldom said: what is said at random seldom goes together. */
const optional = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: undefined, freq: 2 });
/** Anything that may be said of a run, most of which does not go together. */
export const wishes: fc.Arbitrary<Partial<NewRun>> = fc.record({
  aggregation: fc.constantFrom(
    ...["clear", "secure", "secureGroups", "twoServers", "paillier", "grid", undefined] as const,
  ),
  rule: optional(rules),
  strategy: optional(fc.oneof(
    fc.constantFrom("fedAvg", "fedProx", "fedAvgM", "fedAdagrad", "fedAdam", "fedYogi", "fedBuff")
      .map((name) => rule(name)),
    fc.integer({ min: 1, max: 12 }).map((goal) => rule("fedBuff", { goal })),
  )),
  participants: optional(fc.record({
    least: fc.integer({ min: 1, max: MEMBERS_MAX }),
    most: fc.integer({ min: 3, max: 40 }),
    fraction: fc.constantFrom(0.1, 0.3, 0.5, 1),
  }, { requiredKeys: [] })),
  compression: optional(fc.constantFrom(
    rule("eden", { bits: 4 }),
    rule("topK", { share: 0.2 }),
    rule("randomK", { share: 0.2 }),
    rule("stochastic", { bits: 4 }),
  )),
  privacy: optional(fc.record({
    epsilon: fc.constantFrom(1, 100, 1e5),
    clip: fc.constantFrom(0.1, 1),
    clipQuantile: fc.constant(0.5),
    noiseMultiplier: fc.constantFrom(0.5, 5),
  }, { requiredKeys: ["epsilon", "clip"] })),
  rounds: fc.integer({ min: 1, max: 20 }),
  share: optional(fc.constantFrom({ kind: "iid" } as const, { kind: "shards" } as const)),
}).map((said) =>
  Object.fromEntries(Object.entries(said).filter(([, value]) => value !== undefined)) as Partial<
    NewRun
  >
);
