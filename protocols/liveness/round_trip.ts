/** How long to wait for an answer of one peer: smoothed round trip and its spread, as TCP computes them (RFC 6298, section 2). */

/** Never less: a busy device answers late, ms. */
export const PROBE_TIMEOUT_LEAST_MS = 250;
/** Where nothing was measured; memberlist's LAN default, ms. */
export const PROBE_TIMEOUT_FIRST_MS = 500;
/** Never more: on a path that loses a fifth of all packets answers take so long now and then, ms. */
export const PROBE_TIMEOUT_MOST_MS = 1_500;

export interface RoundTrip {
  readonly smoothedMs: number;
  readonly spreadMs: number;
}

/** With one more sample: alpha 1/8, beta 1/4. */
export function withSample(known: RoundTrip | null, sampleMs: number): RoundTrip {
  if (known === null) return { smoothedMs: sampleMs, spreadMs: sampleMs / 2 };
  const { smoothedMs, spreadMs } = known;
  return {
    smoothedMs: smoothedMs + (sampleMs - smoothedMs) / 8,
    spreadMs: spreadMs + (Math.abs(smoothedMs - sampleMs) - spreadMs) / 4,
  };
}

/** SRTT + 4 · RTTVAR, within the bounds above. */
export function probeTimeoutMs(known: RoundTrip | null): number {
  if (known === null) return PROBE_TIMEOUT_FIRST_MS;
  const ms = known.smoothedMs + 4 * known.spreadMs;
  return Math.max(PROBE_TIMEOUT_LEAST_MS, Math.min(PROBE_TIMEOUT_MOST_MS, ms));
}
