/** Plans of runs without a coordinator: a grid that fits the members, and a reason for everything that a grid cannot do. */
import assert from "node:assert/strict";
import { type NewRun, planRun } from "../../learning/runs/new_run.ts";
import { decodePlan, encodePlan } from "../../learning/runs/plan_codec.ts";
import { openPlan } from "../../learning/runs/opened_plan.ts";
import type { RunPlan } from "../../learning/runs/plan.ts";
import { problemOfSize } from "../../learning/runs/plan_limits.ts";
import { TASKS } from "../../learning/tasks/tasks.ts";
import { nodeCrypto } from "../../platform/node_crypto.ts";
import { deviceIdOf } from "../../protocols/ids.ts";

const crypto = nodeCrypto({ workersMax: 0 });

function planned(wish: Partial<NewRun>, members: number) {
  return planRun({ task: "mnist", aggregation: "grid", ...wish }, {
    tasks: TASKS,
    crypto,
    members: Array.from({ length: members }, (_, i) => deviceIdOf(new Uint8Array(32).fill(i))),
    seed: new Uint8Array(32).fill(3),
  });
}

function plan(wish: Partial<NewRun> = {}, members = 9): RunPlan {
  const outcome = planned(wish, members);
  if (outcome.type === "impossible") throw new Error(outcome.message);
  return outcome.opened.plan;
}

Deno.test("a grid has room for the members in groups of at most five, and at least two axes", () => {
  const rule = { name: "weightedMean", numbers: {} };
  const found = [2, 9, 16, 27, 64, 100].map((members) => plan({}, members).aggregation);
  assert.deepEqual(found, [
    { type: "grid", dimensions: 2, side: 2, rule },
    { type: "grid", dimensions: 2, side: 3, rule },
    { type: "grid", dimensions: 2, side: 4, rule },
    { type: "grid", dimensions: 3, side: 3, rule },
    { type: "grid", dimensions: 3, side: 4, rule },
    { type: "grid", dimensions: 3, side: 5, rule },
  ]);
  assert.equal(plan().participation.least, 2);
  const said = plan({ grid: { side: 5 }, rule: { name: "coordinateMedian", numbers: {} } });
  assert.deepEqual(decodePlan(encodePlan(said)), { ok: true, message: said });
  assert.ok("side" in said.aggregation && said.aggregation.side === 5);
});

for (
  const [what, wish, expected] of [
    ["privacy", { privacy: { epsilon: 8, clip: 1 } }, /see each other's parameters/],
    [
      "a rule for differences",
      { rule: { name: "normClipping", numbers: { norm: 1 } } },
      /expected one of/,
    ],
    ["a rule that needs many", { rule: { name: "krum", numbers: {} } }, /expected one of/],
    [
      "a strategy that steps for all",
      { strategy: { name: "fedAdam", numbers: {} } },
      /nobody steps/,
    ],
    [
      "another server rate",
      { strategy: { name: "fedAvg", numbers: { serverRate: 0.5 } } },
      /another rate/,
    ],
    ["compression", { compression: { name: "eden", numbers: { bits: 4 } } }, /whole parameters/],
    ["a share of the devices", { participants: { fraction: 0.5 } }, /nobody calls/],
    ["a side of 17", { grid: { side: 17 } }, /16/],
    ["five axes", { grid: { dimensions: 5 } }, /4/],
    ["a grid in the clear", { aggregation: "clear", grid: { side: 2 } }, /"grid" only/],
  ] as readonly (readonly [string, Partial<NewRun>, RegExp])[]
) {
  Deno.test(`a grid with ${what} is refused in words`, () => {
    const outcome = planned(wish, 9);
    assert.equal(outcome.type, "impossible");
    assert.match(outcome.type === "impossible" ? outcome.message : "", expected);
  });
}

Deno.test("a plan that somebody else wrote is held to the same when it is opened", () => {
  const good = plan();
  const privacy = {
    clip: 1,
    noiseMultiplier: 4,
    noise: "distributed",
    delta: 1e-5,
    dropout: 0,
    epsilonMax: 8,
  } as const;
  assert.throws(() => openPlan({ ...good, privacy }, { tasks: TASKS, crypto }), /promises privacy/);
});

Deno.test("a group whose parameters do not fit into memory is refused before anybody is asked", () => {
  const outcome = planned({}, 9);
  assert.ok(outcome.type === "planned");
  const { opened } = outcome;
  const layout = { ...opened.layout, count: 16 * 1024 * 1024 };
  const rule = opened.plan.aggregation.type === "grid" ? opened.plan.aggregation.rule : null;
  const wide = {
    ...opened.plan,
    aggregation: { type: "grid", dimensions: 2, side: 16, rule: rule! },
  } as const;
  assert.match(problemOfSize({ ...opened, layout, plan: wide }, 9) ?? "", /up to 31 devices/);
});
