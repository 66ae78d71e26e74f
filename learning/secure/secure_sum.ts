/**
 * Ways to sum so that no single vector is seen. `masked` is the protocol of `client.ts` and `server.ts`: any length, one coordinator that
 * nobody trusts. The other two send one message a device and are done, for small vectors, and trust that two parties do not work together.
 */
import type { Random } from "../../platform/ports.ts";
import type { DeviceId } from "../../protocols/ids.ts";
import type { SumOutcome } from "./contract.ts";

/** As named in a run's plan. */
export const SUM_MODES = ["masked", "paillier", "twoServers"] as const;
export type SumMode = typeof SUM_MODES[number];

/** Most numbers of a vector in the modes with one message. */
export const SMALL_LENGTH_MAX = 65_536;

/** Most devices of a sum with a second party: as many as a round can have. */
export const SMALL_DEVICES_MAX = 1_024;

/** What an aggregator has in the end: whose vectors, and their sum in a form that says nothing by itself. */
export interface SumTotal {
  /** Ascending. */
  readonly devices: readonly DeviceId[];
  readonly bytes: Uint8Array;
}

/** One aggregator at work. */
export interface SumCollector {
  /** Adds a device's part; refused when it is malformed, or the device's second. */
  add(device: DeviceId, part: Uint8Array): SumOutcome<"accepted">;
  /** The total of everything added so far. */
  total(): SumTotal;
}

/** A sum with one message from each device. */
export interface SecureSum {
  readonly mode: Exclude<SumMode, "masked">;
  /** Parties that add up; each device sends one part to each, over a channel that only this party reads. */
  readonly aggregators: number;
  /** A vector of `length` numbers modulo 2^bits, as one part for each aggregator. */
  contribute(values: Uint32Array, random: Pick<Random, "bytes">): readonly Uint8Array[];
  /** A fresh aggregator, 0 ≤ `aggregator` < `aggregators`. */
  collector(aggregator: number): SumCollector;
  /** The sum modulo 2^bits from all aggregators' totals; refused when these are not over the same devices, or fewer than three. */
  open(totals: readonly SumTotal[]): SumOutcome<Uint32Array<ArrayBuffer>>;
}
