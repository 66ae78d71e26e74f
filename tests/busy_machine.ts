/** Limits on time that also hold where others want the same processors. */

/** No limit is stretched further: what is broken shall still fail while people wait. */
const STRETCH_MAX = 10;

/**
 * A limit in ms that holds on a machine with a processor to spare, made longer where more wants to run than there are processors:
 * then everything waits that much longer. It follows the last minute's load, so it is to be asked for when it is compared.
 */
export function stretched(limitMs: number): number {
  const waiting = (Deno.loadavg()[0] ?? 0) / navigator.hardwareConcurrency;
  return limitMs * Math.min(STRETCH_MAX, Math.max(1, waiting));
}
