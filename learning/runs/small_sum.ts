/** Sums with a second party as a plan wants them: which arithmetic, and how long what passes is. */
import type { RosterView } from "../secure/roster.ts";
import type { SumDependencies, SumRound } from "../secure/contract.ts";
import type { SecureSum } from "../secure/secure_sum.ts";
import { twoServerSum } from "../secure/two_servers.ts";

/** The arithmetic of an attempt's sum. */
export function smallSumOf(
  { round, view }: { readonly round: SumRound; readonly view: RosterView },
  deps: Pick<SumDependencies, "crypto" | "masks">,
): SecureSum {
  const { length, bits } = round;
  return twoServerSum({ length, bits, salt: view.hash }, deps);
}
