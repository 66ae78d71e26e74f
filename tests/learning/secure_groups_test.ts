/** Groups that sum securely, and a robust rule over their means: a liar spoils one group and no more. */
import assert from "node:assert/strict";
import {
  decodeSum,
  encodeUpdate,
  sumBits,
  type SumEncoding,
} from "../../learning/secure/encoding.ts";
import {
  type GroupMean,
  groupSeed,
  robustOverGroups,
  secureGroups,
} from "../../learning/secure/groups.ts";
import type { Parameters } from "../../learning/parameters.ts";
import { nodeMaskStream } from "../../platform/mask_stream.ts";
import { seededRandom } from "../../platform/seeded_random.ts";
import { DEPENDENCIES, good, play, players, sumRound, TOY } from "./secure_support.ts";

const masks = nodeMaskStream();
const seed = groupSeed(DEPENDENCIES.crypto, new Uint8Array(32), new Uint8Array(32).fill(1));

function median(means: readonly Parameters[]): Parameters {
  return means[0]!.map((_, i) =>
    means.map((mean) => mean[i]!).sort((a, b) => a - b)[means.length >> 1]!
  );
}

Deno.test("groups follow from the seed and the set of devices, hold each device once and differ by one in size", () => {
  const devices = players(47, { seed: 1 }).map(({ device }) => device);
  const groups = good(secureGroups({ devices, groupSize: 5, seed }, masks));
  assert.equal(groups.length, 9);
  assert.deepEqual(groups.flat().sort(), devices.toSorted());
  assert.ok(groups.every((group) => group.length === 5 || group.length === 6));
  assert.deepEqual(
    good(
      secureGroups({ devices: [...devices.toReversed(), devices[0]!], groupSize: 5, seed }, masks),
    ),
    groups,
  );
  const other = good(secureGroups({ devices, groupSize: 5, seed: new Uint8Array(32) }, masks));
  assert.notDeepEqual(other, groups);
});

Deno.test("too few devices for two groups, and groups too small to hide in, are refused with what would do", () => {
  const devices = players(9, { seed: 1 }).map(({ device }) => device);
  const few = secureGroups({ devices, groupSize: 5, seed }, masks);
  assert.ok(!few.ok && few.refusal === "tooFew" && /at least 10/.test(few.detail));
  const small = secureGroups({ devices, groupSize: 2, seed }, masks);
  assert.ok(!small.ok && small.refusal === "malformed");
  const none = robustOverGroups([], { groupsMin: 0, rule: median });
  assert.ok(!none.ok && none.refusal === "tooFew");
});

Deno.test("with two liars among 25 the median of five secure groups is near the honest mean, and the mean is not", () => {
  const encoding: SumEncoding = {
    clip: 1,
    valueBits: 16,
    weightMax: 1,
    summandsMax: 8,
    noiseMax: 0,
  };
  const bits = sumBits(encoding);
  const everybody = players(25, { seed: "groups", deps: TOY });
  const random = seededRandom("groups");
  const liars = new Set([everybody[3]!.device, everybody[11]!.device]);
  const groups = good(
    secureGroups({ devices: everybody.map(({ device }) => device), groupSize: 5, seed }, masks),
  );
  const means = groups.map((group, at): GroupMean => {
    const members = everybody.filter(({ device }) => group.includes(device));
    const ending = play({
      round: sumRound({ length: 4, bits, attempt: at }),
      players: members,
      values: (i) => {
        const update = new Float32Array(3).map(() =>
          liars.has(members[i]!.device) ? 1 : 0.1 + 0.01 * random.float()
        );
        return encodeUpdate(update, { encoding, weight: 1, random }).values;
      },
    });
    assert.ok(ending.ended === "sum");
    const decoded = decodeSum(ending.sum, { encoding, bits, summands: ending.survivors.length })!;
    return { ...decoded, devices: ending.survivors.length };
  });
  const robust = good(robustOverGroups(means, { groupsMin: 5, rule: median }));
  assert.ok(robust.every((value) => Math.abs(value - 0.105) < 0.01), `${robust}`);
  const mean = means.reduce((all, group) => all + group.mean[0]!, 0) / means.length;
  assert.ok(mean > 0.15);
});
