/** Groups that sum securely, and a robust rule over their means: a liar spoils one group and no more. */
import assert from "node:assert/strict";
import { softmaxRegression } from "../../learning/engine/networks.ts";
import { firstModel } from "../../learning/runs/opened_plan.ts";
import { combineSums, nextModel } from "../../learning/runs/release.ts";
import { groupsOf, sumRoundOf } from "../../learning/runs/secure_round.ts";
import { localUpdate } from "../../learning/runs/update.ts";
import { seededRandom } from "../../platform/seeded_random.ts";
import type { BlockId, ContentHash } from "../../protocols/ids.ts";
import { crypto, opened } from "./proof_support.ts";
import { play, players, TOY } from "./secure_support.ts";

const RUN = "ab".repeat(32) as BlockId;
const ROUND = { round: 1, attempt: 0 };

function planWith(rule: "coordinateMedian" | "weightedMean") {
  return opened(softmaxRegression({ inputs: 2, classes: 2 }), {
    participation: { least: 3, most: 100, fraction: 1, overSelection: 0 },
    aggregation: {
      type: "secureGroups",
      encoding: { range: 1, bits: 16 },
      groupSize: 5,
      rule: { name: rule, numbers: {} },
    },
  });
}

Deno.test("groups follow from plan, round, attempt and the set of devices, hold each device once and differ by one in size", () => {
  const { plan } = planWith("coordinateMedian");
  const devices = players(47, { seed: 1 }).map(({ device }) => device);
  const groups = groupsOf(plan, ROUND, devices);
  assert.equal(groups.length, 9);
  assert.deepEqual(groups.flat().sort(), devices.toSorted());
  assert.ok(groups.every((group) => group.length === 5 || group.length === 6));
  assert.deepEqual(groupsOf(plan, ROUND, devices.toReversed()), groups);
  assert.notDeepEqual(groupsOf(plan, { ...ROUND, attempt: 1 }, devices), groups);
  assert.notDeepEqual(groupsOf(plan, { ...ROUND, round: 2 }, devices), groups);
  assert.notDeepEqual(groupsOf({ ...plan, seed: new Uint8Array(32) }, ROUND, devices), groups);
});

Deno.test("devices that are too few for two groups are one: none is smaller than the plan says", () => {
  const devices = players(9, { seed: 1 }).map(({ device }) => device);
  const { plan } = planWith("coordinateMedian");
  assert.deepEqual(groupsOf(plan, ROUND, devices), [devices.toSorted()]);
});

Deno.test("with two liars among 25 the median of five secure groups is near the honest mean, and the mean is not", () => {
  const everybody = players(25, { seed: "groups", deps: TOY });
  const liars = new Set([everybody[3]!.device, everybody[11]!.device]);
  const moved = (rule: "coordinateMedian" | "weightedMean") => {
    const plan = planWith(rule);
    const random = seededRandom("groups");
    const model = firstModel(plan);
    const round = sumRoundOf(plan, {
      run: RUN,
      ...ROUND,
      modelHash: "cd".repeat(32) as ContentHash,
      devices: everybody.length,
    })!;
    const devices = everybody.map(({ device }) => device);
    const sums = groupsOf(plan.plan, ROUND, devices).map((group) => {
      const members = everybody.filter(({ device }) => group.includes(device));
      const ending = play({
        round,
        players: members,
        values: (i) => {
          const { device } = members[i]!;
          const update = localUpdate(plan, {
            subject: { run: RUN, round: ROUND.round, device },
            before: model.parameters,
            after: model.parameters.map((value) =>
              value + (liars.has(device) ? 1 : 0.1 + 0.01 * random.float())
            ),
            examples: 10,
            devices: everybody.length,
            secret: new Uint8Array(32).fill(i),
            residual: null,
            crypto,
          });
          assert.ok(update.type === "secure");
          return update.values;
        },
      });
      assert.ok(ending.ended === "sum");
      return { sum: new Uint32Array(ending.sum), devices: ending.survivors.length };
    });
    const aggregate = combineSums(plan, sums, everybody.length);
    const { parameters } = nextModel(plan, model, aggregate, everybody.length);
    return parameters.map((value, k) => value - model.parameters[k]!);
  };
  const median = moved("coordinateMedian");
  assert.ok(median.every((value) => Math.abs(value - 0.105) < 0.01), `${median}`);
  assert.ok(moved("weightedMean").every((value) => value > 0.15));
});
