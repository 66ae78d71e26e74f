/**
 * Robust and secure together: devices are put into random groups, each group sums securely by itself, and a robust rule is applied to the
 * groups' means (the bucketing of Karimireddy et al. 2022, "Byzantine-Robust Learning on Heterogeneous Datasets via Bucketing", with secure sums
 * as buckets). A liar spoils one group; nobody sees less than a group's sum.
 */
import type { Crypto, MaskStream } from "../../platform/ports.ts";
import type { DeviceId } from "../../protocols/ids.ts";
import type { Parameters } from "../parameters.ts";
import { SUM_DEVICES_MIN, type SumOutcome } from "./contract.ts";
import type { DecodedSum } from "./encoding.ts";
import { refused } from "./roster.ts";
import { shuffledIndices } from "./shuffle.ts";

/**
 * Which group each device is in: about `groupSize` in each, sizes differing by one at most. Follows from `seed` (32 bytes, public, unknown before
 * the roster is fixed) and the set of devices. Refused when there are not enough for two groups.
 */
export function secureGroups(
  options: {
    readonly devices: readonly DeviceId[];
    /** Smallest group, at least 3. */
    readonly groupSize: number;
    readonly seed: Uint8Array;
  },
  masks: MaskStream,
): SumOutcome<readonly (readonly DeviceId[])[]> {
  const { groupSize, seed } = options;
  const devices = [...new Set(options.devices)].sort();
  if (!Number.isInteger(groupSize) || groupSize < SUM_DEVICES_MIN) {
    return refused(
      "malformed",
      `Cannot make groups of ${groupSize}: expected an integer >= ${SUM_DEVICES_MIN}`,
    );
  }
  const count = Math.floor(devices.length / groupSize);
  if (count < 2) {
    return refused(
      "tooFew",
      `Cannot make groups of ${groupSize} out of ${devices.length} devices: expected at least ${
        2 * groupSize
      }`,
    );
  }
  const groups: DeviceId[][] = Array.from({ length: count }, () => []);
  // Dealt out one by one, as cards are: sizes differ by one at most.
  shuffledIndices(seed, devices.length, masks).forEach((index, at) =>
    groups[at % count]!.push(devices[index]!)
  );
  return { ok: true, value: groups.map((group) => group.sort()) };
}

/** A public seed for groups, from what nobody chose alone. */
export function groupSeed(
  crypto: Pick<Crypto, "sha256">,
  round: Uint8Array,
  root: Uint8Array,
): Uint8Array<ArrayBuffer> {
  return crypto.sha256(new TextEncoder().encode("kiana sum groups v1\0"), round, root);
}

/** One group's result, with how many devices are in it. */
export interface GroupMean extends DecodedSum {
  readonly devices: number;
}

/**
 * The robust rule over the groups' means. `rule` gets all means with the groups' weights and gives one; fewer than `groupsMin` groups (those
 * whose sum came about) are refused, because a rule for f liars needs more than 2f groups.
 */
export function robustOverGroups(
  groups: readonly GroupMean[],
  options: {
    readonly groupsMin: number;
    readonly rule: (means: readonly Parameters[], weights: readonly number[]) => Parameters;
  },
): SumOutcome<Parameters> {
  if (groups.length < options.groupsMin || groups.length === 0) {
    return refused(
      "tooFew",
      `Cannot combine ${groups.length} groups: the rule needs at least ${options.groupsMin}`,
    );
  }
  return {
    ok: true,
    value: options.rule(groups.map(({ mean }) => mean), groups.map(({ weight }) => weight)),
  };
}
