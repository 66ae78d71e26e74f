/** How many messages one address may make us read: a bucket per source, in a bounded table. */

const MESSAGES_PER_SECOND = 200;
const BURST = 400;
const SOURCES_MAX = 1_024;

/** Token buckets. A source that is not in the table has a full bucket. */
export class SourceBudget {
  readonly #buckets = new Map<string, { tokens: number; atMs: number }>();

  /** True when this message may be read; takes one token. @param nowMs monotonic milliseconds */
  allows(source: string, nowMs: number): boolean {
    const bucket = this.#buckets.get(source) ?? { tokens: BURST, atMs: nowMs };
    const earned = (nowMs - bucket.atMs) * MESSAGES_PER_SECOND / 1_000;
    const tokens = Math.min(BURST, bucket.tokens + earned);
    const allowed = tokens >= 1;
    // Deleting first moves the source to the end: the table forgets whoever was silent longest.
    this.#buckets.delete(source);
    if (this.#buckets.size >= SOURCES_MAX) {
      for (const oldest of this.#buckets.keys()) {
        this.#buckets.delete(oldest);
        break;
      }
    }
    this.#buckets.set(source, { tokens: allowed ? tokens - 1 : tokens, atMs: nowMs });
    return allowed;
  }
}
