/**
 * What a fault in a round does to a device's reputation. Only what a signature proves counts: anyone who is shown the evidence comes to the
 * same delta. Being slow, unreachable or unusual is no fault. Refused without any effect on reputation is also what a submission's signature does not
 * cover: the length that its offer states, the proof of work beside it, and anything of another attempt, for which the signature does not hold.
 */

/** What can go wrong with one device in one round. */
export type RoundFault =
  /** Two different submissions, both signed, for one attempt. */
  | "twoSubmissions"
  /** A revealed share that does not fit what its owner committed to, or shares that do not give the secret of whoever dealt them. */
  | "forgedShare"
  /** A signed submission that holds NaN or infinities. */
  | "notFinite"
  /** A signed submission of another length, or that cannot be decoded. */
  | "misshapen"
  /** Signed for a model the round did not hand out. */
  | "wrongModel"
  /** A signed submission larger than the plan allows. */
  | "tooLarge"
  /** Screened out by norm or direction. */
  | "outlier"
  /** More messages than its rate allows. */
  | "rateLimited";

/** Points of reputation, of 100. Equal kinds of harm cost alike; what only malice explains costs most. */
const DELTAS: Readonly<Record<RoundFault, number>> = {
  twoSubmissions: -50,
  forgedShare: -50,
  notFinite: -10,
  misshapen: -10,
  wrongModel: -10,
  tooLarge: -5,
  outlier: 0,
  rateLimited: 0,
};

/** True when the fault is evident from what the device itself signed. */
export function isProvable(fault: RoundFault): boolean {
  return DELTAS[fault] < 0;
}

/** What a round's faults change, by device; devices without a change are not in it. One fault of a kind counts once per round. */
export function reputationDeltas(
  faults: Iterable<{ readonly device: string; readonly fault: RoundFault }>,
): ReadonlyMap<string, number> {
  const kinds = new Map<string, Set<RoundFault>>();
  for (const { device, fault } of faults) {
    if (!isProvable(fault)) continue;
    kinds.set(device, (kinds.get(device) ?? new Set()).add(fault));
  }
  return new Map([...kinds].map(([device, set]) => [
    device,
    [...set].reduce((sum, fault) => sum + DELTAS[fault], 0),
  ]));
}
