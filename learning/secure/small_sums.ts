/** What the sums with one message have in common: bounds, the list of who is in, and that totals fit each other. */
import { invariant } from "../../platform/invariant.ts";
import type { DeviceId } from "../../protocols/ids.ts";
import { SUM_BITS_MIN, SUM_DEVICES_MAX, SUM_DEVICES_MIN, type SumOutcome } from "./contract.ts";
import { refused } from "./roster.ts";
import { SMALL_LENGTH_MAX, type SumCollector, type SumTotal } from "./secure_sum.ts";

/** Length and width of the numbers of a small sum. */
export interface SmallSize {
  readonly length: number;
  /** `SUM_BITS_MIN`–32. */
  readonly bits: number;
}

/** Throws unless a small sum can have this size. */
export function checkSmallSize({ length, bits }: SmallSize): void {
  invariant(
    Number.isInteger(length) && length >= 1 && length <= SMALL_LENGTH_MAX &&
      Number.isInteger(bits) && bits >= SUM_BITS_MIN && bits <= 32,
    () =>
      `Cannot sum ${length} numbers of ${bits} bits with one message: expected 1 to ${SMALL_LENGTH_MAX} numbers of ${SUM_BITS_MIN} to 32 bits`,
  );
}

/** A collector around what adds and what writes the total; keeps who is in. */
export function collectorOf(
  parts: {
    /** False when the part is malformed; then nothing was added. */
    readonly add: (part: Uint8Array) => boolean;
    readonly total: () => Uint8Array;
    readonly expected: string;
    readonly devicesMax?: number;
  },
): SumCollector {
  const devices = new Set<DeviceId>();
  return {
    add(device, part) {
      if (devices.has(device)) {
        return refused("duplicate", `Cannot add the part of ${device}: it sent one before`, device);
      }
      if (devices.size >= (parts.devicesMax ?? SUM_DEVICES_MAX)) {
        return refused("wrongPhase", `Cannot add the part of ${device}: the sum is full`, device);
      }
      if (!parts.add(part)) {
        return refused(
          "malformed",
          `Cannot add the part of ${device}: ${part.length} bytes, expected ${parts.expected}`,
          device,
        );
      }
      devices.add(device);
      return { ok: true, value: "accepted" };
    },
    total: () => ({ devices: [...devices].sort(), bytes: parts.total() }),
  };
}

/** Totals of as many aggregators as there are, all over the same three or more devices; undefined when they are. */
export function totalsProblem(
  totals: readonly SumTotal[],
  aggregators: number,
): ReturnType<typeof refused> | undefined {
  const [first] = totals;
  if (totals.length !== aggregators || first === undefined) {
    return refused("malformed", `Cannot open ${totals.length} totals: expected ${aggregators}`);
  }
  if (first.devices.length < SUM_DEVICES_MIN) {
    return refused(
      "tooFew",
      `Cannot open a sum over ${first.devices.length} devices: expected at least ${SUM_DEVICES_MIN}`,
    );
  }
  const same = totals.every(({ devices }) =>
    devices.length === first.devices.length &&
    devices.every((device, i) => device === first.devices[i])
  );
  return same
    ? undefined
    : refused("otherSurvivors", "Cannot open a sum: the totals are over different devices");
}

/** A sum's outcome from a total that may be malformed. */
export function opened(
  sum: Uint32Array<ArrayBuffer> | undefined,
): SumOutcome<Uint32Array<ArrayBuffer>> {
  return sum === undefined
    ? refused("malformed", "Cannot open a sum: a total is malformed")
    : { ok: true, value: sum };
}
