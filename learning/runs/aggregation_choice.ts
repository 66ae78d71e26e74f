/** How the updates of a round become one, and who may see what on the way. */
import type { Choice } from "./plan.ts";

export type Aggregation =
  /** The coordinator sees each update, and combines them by a rule (mean, median, Krum, …). */
  | { readonly type: "clear"; readonly rule: Choice }
  /** Nobody sees any update: the secure sum of Bonawitz et al., weighted by examples or not. */
  | { readonly type: "secure"; readonly encoding: SecureEncoding }
  /** Secure sums inside random groups, whose means are combined by a robust rule. */
  | {
    readonly type: "secureGroups";
    readonly encoding: SecureEncoding;
    /** Devices per group, at least 3. */
    readonly groupSize: number;
    readonly rule: Choice;
  }
  /**
   * Nobody sees any update, as long as two devices do not work together: each device gives one part to the coordinator and one to a second
   * party (`learning/secure/two_servers.ts`). For small vectors.
   */
  | { readonly type: "twoServers"; readonly encoding: SecureEncoding }
  /**
   * The same, under Paillier's encryption (`learning/secure/paillier.ts`): devices give the coordinator ciphertexts, and the second party opens their
   * product.
   */
  | {
    readonly type: "paillier";
    readonly encoding: SecureEncoding;
    /** Bits of the second party's key. */
    readonly keyBits: 2_048 | 3_072;
  }
  /** Nobody coordinates: devices average their parameters in the groups of a grid, group after group (`learning/gossip_averaging/grid.ts`). */
  | {
    readonly type: "grid";
    /** d: averaging steps of a round, 1–4. */
    readonly dimensions: number;
    /** M: devices of one group when the grid is full, 2–16. */
    readonly side: number;
    /** How the parameters of a group become one. */
    readonly rule: Choice;
  };

/** Most examples that a plan may let weigh one. */
export const EXAMPLES_PER_WEIGHT_MAX = 2 ** 20;

/** How numbers become integers modulo a power of two. */
export interface SecureEncoding {
  /** Numbers are clamped to ±range. */
  readonly range: number;
  /** Levels are 2^bits; 8–24. */
  readonly bits: number;
  /** So many examples weigh one, 2–2^20; absent: each does. Heavier than 127 nobody is. */
  readonly examplesPerWeight?: number;
}

/** Ways to sum with one message from each device and a second party beside the coordinator. */
export type SmallAggregation = Extract<Aggregation, { readonly type: "twoServers" | "paillier" }>;

/** How updates are summed with a second party; null in all other modes. */
export function smallAggregationOf(
  { aggregation }: { readonly aggregation: Aggregation },
): SmallAggregation | null {
  return aggregation.type === "twoServers" || aggregation.type === "paillier" ? aggregation : null;
}
