/**
 * When a silent device counts as gone. DNS time to live is two minutes; we want seconds, without false alarms on a network that
 * loses packets: first ask all, then ask for the silent one by name, several times, and only then believe the silence.
 */

/** Everybody is asked this often, ms. */
export const HEARTBEAT_MS = 2_000;
/** Silence after which one device is asked for by name, ms: a heartbeat and the longest answer delay, and some more. */
export const SUSPECT_MS = 2_400;
/** Time between two such questions, ms. */
export const VERIFY_INTERVAL_MS = 300;
/** Silence after which a device that did not answer any of them is gone, ms. */
export const EXPIRE_MS = 5_000;
/** At least this many unanswered questions by name, also when our own process stood still meanwhile. */
export const VERIFICATIONS_MIN = 6;

/** What is known of the silence of one instance on one interface. */
export interface Liveness {
  /** When it was last heard, ms. */
  heardMs: number;
  /** Unanswered questions by name since then. */
  verifications: number;
  /** When the last of them was sent, ms. */
  verifiedMs: number;
}

/** An instance that was heard just now. */
export function alive(nowMs: number): Liveness {
  return { heardMs: nowMs, verifications: 0, verifiedMs: -Infinity };
}

/** When something is to be done about this instance if it stays silent, ms. */
export function livenessDueMs(liveness: Liveness): number {
  if (liveness.verifications === 0) return liveness.heardMs + SUSPECT_MS;
  return liveness.verifiedMs + VERIFY_INTERVAL_MS;
}

/** What to do about it now. */
export function judge(liveness: Liveness, nowMs: number): "wait" | "verify" | "expired" {
  if (livenessDueMs(liveness) > nowMs) return "wait";
  const silentMs = nowMs - liveness.heardMs;
  if (silentMs >= EXPIRE_MS && liveness.verifications >= VERIFICATIONS_MIN) return "expired";
  return "verify";
}
