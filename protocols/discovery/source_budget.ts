/** How many messages one source, such as an address or a device, may make us read: a bucket per source, in a bounded table. */

const SOURCES_MAX = 1_024;
/** Of an address on the local network. */
const READ: SourceRate = { perSecond: 200, burst: 400 };

/** How much a source may. */
export interface SourceRate {
  /** Messages a second, in the long run. */
  readonly perSecond: number;
  /** Messages at once, after a silence. */
  readonly burst: number;
}

/** Token buckets. A source that is not in the table has a full bucket. */
export class SourceBudget {
  readonly #buckets = new Map<string, { tokens: number; atMs: number }>();
  readonly #rate: SourceRate;

  constructor(rate: SourceRate = READ) {
    this.#rate = rate;
  }

  /** True when this message may be read; takes one token. @param nowMs monotonic milliseconds */
  allows(source: string, nowMs: number): boolean {
    const { perSecond, burst } = this.#rate;
    const bucket = this.#buckets.get(source) ?? { tokens: burst, atMs: nowMs };
    const earned = (nowMs - bucket.atMs) * perSecond / 1_000;
    const tokens = Math.min(burst, bucket.tokens + earned);
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
