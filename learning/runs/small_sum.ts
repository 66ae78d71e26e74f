/** Sums with a second party as a plan wants them: which arithmetic, and under which key. */
import { modulusFrom, type PaillierSize, paillierSum } from "../secure/paillier.ts";
import type { RosterView } from "../secure/roster.ts";
import type { SumDependencies, SumRound } from "../secure/contract.ts";
import type { SecureSum } from "../secure/secure_sum.ts";
import { twoServerSum } from "../secure/two_servers.ts";
import type { SmallAggregation } from "./aggregation_choice.ts";

/** The arithmetic of an attempt's sum. */
export interface SmallArithmetic {
  readonly arithmetic: SecureSum;
  /** What encrypting and opening take, to be done on another core; null where that is nothing. */
  readonly paillier: (PaillierSize & { readonly n: bigint }) | null;
}

/** For at most `called` devices; `key` is the second party's, checked before, and empty with two servers. */
export function smallSumOf(
  { aggregation, round, view, key, called }: {
    readonly aggregation: SmallAggregation;
    readonly round: SumRound;
    readonly view: RosterView;
    readonly key: Uint8Array;
    readonly called: number;
  },
  deps: Pick<SumDependencies, "crypto" | "masks">,
): SmallArithmetic {
  const { length, bits } = round;
  if (aggregation.type === "twoServers") {
    return { arithmetic: twoServerSum({ length, bits, salt: view.hash }, deps), paillier: null };
  }
  const paillier = { length, bits, summandsMax: called, n: modulusFrom(key) };
  return { arithmetic: paillierSum(paillier), paillier };
}
