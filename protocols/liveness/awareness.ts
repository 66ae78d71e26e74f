/**
 * How well this device itself can hear: Lifeguard's local health multiplier (Dadgar, Phillips, Currey 2018, section IV-A). Whoever
 * misses answers, is accused, or finds that it was standing still, gives others more time before it accuses them.
 */

/** Health never gets worse than this; S of the paper. memberlist's `AwarenessMaxMultiplier` 8 means the same. */
export const HEALTH_WORST = 7;

/** What tells us how healthy we are, and by how much it counts (the table of section IV-A). */
export const HEALTH_CHANGES = {
  /** A probe was answered. */
  probeAnswered: -1,
  /** A probe failed, and nobody was there to tell whether that was our fault. */
  probeFailed: 1,
  /** Somebody whom we asked to ping said nothing, not even that it got no answer. */
  nackMissed: 1,
  /** Somebody suspects us. */
  accused: 1,
  /** One of our timers was late: we stood still. Not in the paper, whose authors measure this by missed acks alone. */
  stoodStill: 1,
} as const;

/** The health after a change, between 0 (healthy) and `HEALTH_WORST`. */
export function changedHealth(health: number, change: number): number {
  return Math.max(0, Math.min(HEALTH_WORST, health + change));
}

/** A waiting time as it should be with this health: times (health + 1). */
export function scaledMs(ms: number, health: number): number {
  return ms * (health + 1);
}
