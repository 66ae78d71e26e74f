/** What the members of today can never play is refused before anything is published; what is accepted they can, and what is said to be possible is. */
import assert from "node:assert/strict";
import fc from "fast-check";
import type { NewRun } from "../../learning/runs/new_run.ts";
import type { Choice } from "../../learning/runs/plan.ts";
import {
  IMPOSSIBLE,
  MEMBERS_MAX,
  planned,
  refusal,
  rule,
  RULES,
  wishes,
} from "./impossible_runs.ts";
import { membersOf, playRound } from "./played_plans.ts";

Deno.test("a rule that needs more updates than all members give is refused, and each way that the refusal names is one", () => {
  for (const aggregation of ["clear", "secureGroups"] as const) {
    const each = aggregation === "clear" ? 1 : 3;
    for (const [chosen, updates] of RULES) {
      for (let members = 1; members <= MEMBERS_MAX; members++) {
        const wish = { aggregation, rule: chosen } as const;
        const message = refusal(wish, { members });
        // Alone nobody learns together, unless it is said.
        const needed = Math.max(2, updates * each);
        const what = `${chosen.name} ${JSON.stringify(chosen.numbers)} ${aggregation} ${members}`;
        assert.equal(message === undefined, members >= needed, `${what}: ${message}`);
        if (message === undefined) continue;
        assert.match(message, new RegExp(`and ${members} members? may join`), what);
        for (const way of waysOf(message, wish)) {
          const { members: more = members, ...change } = way;
          if (more > MEMBERS_MAX) continue;
          assert.equal(refusal({ ...wish, ...change }, { members: more }), undefined, message);
        }
      }
    }
  }
});

/** What a refusal says would be possible, as wishes. */
function waysOf(
  message: string,
  { rule: chosen }: { readonly rule: Choice },
): readonly (Partial<NewRun> & { readonly members?: number })[] {
  const ways: (Partial<NewRun> & { readonly members?: number })[] = [];
  const [, possible = ""] = /(?:possible would be|expected) (.*?); to start it/.exec(message) ?? [];
  for (const way of possible.split(", or ")) {
    const [, count] = /^(\d+) members?$/.exec(way) ?? [];
    if (count !== undefined) ways.push({ members: Number(count) });
    const [, least] = /^at most (\d+)$/.exec(way) ?? [];
    if (least !== undefined) ways.push({ participants: { least: Number(least) } });
    const numbers = [...way.matchAll(/(faulty|keep|share) ([\d.]+)/g)];
    if (numbers.length > 0) {
      const said = Object.fromEntries(numbers.map(([, name, value]) => [name, Number(value)]));
      ways.push({ rule: { ...chosen, numbers: { ...chosen.numbers, ...said } } });
    }
    if (way.startsWith('rule "')) ways.push({ rule: rule("coordinateMedian") });
    const [, alone] = /^aggregation "clear", (?:where|with participants.least (1))/.exec(way) ?? [];
    if (alone !== undefined) ways.push({ aggregation: "clear", participants: { least: 1 } });
    else if (way.startsWith('aggregation "clear"')) ways.push({ aggregation: "clear" });
  }
  assert.ok(ways.length > 0, message);
  return ways;
}

const WAIT =
  /; to start it all the same and wait for more, say wait \(submind learn start --wait\)$/;

Deno.test("each kind of sum says how many it needs, and what fewer could do", () => {
  for (const aggregation of ["secure", "twoServers", "paillier", "secureGroups"] as const) {
    for (const members of [1, 2]) {
      const message = refusal({ aggregation }, { members }) ?? "";
      assert.match(
        message,
        new RegExp(
          `aggregation "${aggregation}" needs 3 devices, and ${members} members? may join; possible would be 3 members, or aggregation "clear"`,
        ),
      );
      assert.match(message, WAIT);
    }
    assert.equal(refusal({ aggregation }, { members: 3 }), undefined);
  }
  assert.match(
    refusal({ aggregation: "grid" }, { members: 1 }) ?? "",
    /aggregation "grid" needs 2 devices, and 1 member may join/,
  );
  assert.equal(refusal({ aggregation: "grid" }, { members: 2 }), undefined);
});

Deno.test("a plan that waits for devices nobody has is refused with the value, what was expected and what would do, and begins when more are said to come", () => {
  for (const [wish, given, expected] of IMPOSSIBLE) {
    const message = refusal(wish, given);
    assert.match(message ?? "planned", expected);
    if (/expected at least/.test(expected.source)) continue;
    assert.match(message!, WAIT);
    const waiting = planned({ ...wish, wait: true }, given);
    assert.ok(waiting.type === "planned", JSON.stringify(waiting));
  }
});

Deno.test("a device without examples starts a run that the others can play", () => {
  assert.equal(refusal({}, { members: 4, ownLack: "no pictures are here" }), undefined);
});

Deno.test("a data set that is divided among the members of today waits for no others", () => {
  const message = refusal({ share: { kind: "iid" }, participants: { least: 6 }, wait: true }, {
    members: 5,
  });
  assert.match(
    message ?? "",
    /least is 6, and the data set is divided among the 5 members of today; expected at most 5, or no share$/,
  );
});

Deno.test("every plan that is accepted can be played by the members it was made for", () => {
  let [accepted, refused] = [0, 0];
  const kinds = new Set<string>();
  fc.assert(
    fc.property(wishes, fc.integer({ min: 1, max: MEMBERS_MAX }), (wish, members) => {
      const outcome = planned(wish, { members });
      if (outcome.type === "impossible") {
        refused++;
        assert.match(outcome.message, /^Cannot plan the run: .*(?:expected|possible would be) /);
        return;
      }
      accepted++;
      kinds.add(outcome.opened.plan.aggregation.type);
      playRound(outcome.opened, membersOf(members));
    }),
    { numRuns: 250, seed: 4 },
  );
  // It says something only where there is both.
  assert.ok(accepted > 30 && refused > 30, `${accepted} accepted, ${refused} refused`);
  assert.equal(kinds.size, 6, [...kinds].join());
});
