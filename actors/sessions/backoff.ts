/** When to try a lost peer again. */
import type { Random } from "../../platform/ports.ts";

/** First wait, ms. */
const BACKOFF_FIRST_MS = 100;
/** Longest wait, ms. */
const BACKOFF_MAX_MS = 30_000;

/**
 * The wait before attempt number `failures` + 1: doubling from 100 ms to 30 s, of which a random half is left away, so
 * that devices that lost each other at the same moment do not all come back at the same moment.
 */
export function backoffMs(failures: number, random: Random): number {
  const ceiling = Math.min(BACKOFF_MAX_MS, BACKOFF_FIRST_MS * 2 ** Math.min(failures, 30));
  return Math.round(ceiling * (0.5 + random.float() / 2));
}
