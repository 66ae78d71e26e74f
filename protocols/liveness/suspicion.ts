/** How long a suspicion lasts before it becomes a verdict: Lifeguard's LHA-Suspicion (Dadgar, Phillips, Currey 2018, section IV-B). */

/** Independent confirmations that bring a suspicion down to its least time; K of the paper. */
export const CONFIRMATIONS = 3;
/**
 * The least time for a mesh of ten, in probe intervals; α of the paper, which uses 5 and finds false positives below SWIM's with 2.
 * memberlist uses 4. Ours confirms sooner: whoever has a session with the suspect probes it as soon as it hears of the suspicion.
 */
export const SUSPICION_FACTOR = 1.5;
/** How much longer an unconfirmed suspicion lasts; β of the paper. */
export const SUSPICION_MOST_FACTOR = 6;

export interface SuspicionBounds {
  readonly leastMs: number;
  readonly mostMs: number;
  /** Confirmations that bring it down to `leastMs`; 0 where there are too few members to expect any. */
  readonly confirmations: number;
}

/**
 * Between which times a suspicion ends. Min = α · log10(n) · interval and Max = β · Min (section IV-B), with log10 not below 1
 * and its product cut to thousandths, as memberlist computes them.
 *
 * @param members who may be alive, this device and the suspect included
 */
export function suspicionBounds(
  members: number,
  probeIntervalMs: number,
  factor: number = SUSPICION_FACTOR,
): SuspicionBounds {
  const scale = Math.max(1, Math.log10(Math.max(1, members)));
  const leastMs = factor * Math.floor(scale * 1_000) * probeIntervalMs / 1_000;
  return {
    leastMs,
    mostMs: SUSPICION_MOST_FACTOR * leastMs,
    // Neither we nor the suspect can confirm.
    confirmations: members - 2 < CONFIRMATIONS ? 0 : CONFIRMATIONS,
  };
}

/**
 * How long a suspicion lasts in all with `confirmed` confirmations: Max − (Max − Min) · log(C + 1) / log(K + 1), not below Min
 * (section IV-B, the formula for SuspicionTimeout).
 */
export function suspicionTimeoutMs(confirmed: number, bounds: SuspicionBounds): number {
  const { leastMs, mostMs, confirmations } = bounds;
  if (confirmations < 1) return leastMs;
  const share = Math.log(confirmed + 1) / Math.log(confirmations + 1);
  return Math.max(leastMs, Math.floor(mostMs - share * (mostMs - leastMs)));
}
