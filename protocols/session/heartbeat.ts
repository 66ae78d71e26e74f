/** When to ping, when a silent path is dead, and how long a round trip takes. Pure: time is handed in. */

/** A ping goes out this often, ms. */
export const HEARTBEAT_INTERVAL_MS = 1_000;
/** A path on which nothing arrives for this long is dead, ms. */
export const HEARTBEAT_DEAD_MS = 4_000;
/** Share of a new sample in the smoothed round trip (RFC 6298, alpha). */
const SMOOTHING = 1 / 8;

export type HeartbeatDue =
  | { readonly type: "ping"; readonly token: number }
  | { readonly type: "dead"; readonly silentMs: number };

/** Watches one path. */
export class Heartbeat {
  #lastHeardMs: number;
  #token = 0;
  #sentMs: number | undefined;
  #roundTripMs: number | null = null;

  /** `nowMs` is monotonic time. */
  constructor(nowMs: number) {
    this.#lastHeardMs = nowMs;
  }

  /** Smoothed round trip, ms; null before the first pong. */
  get roundTripMs(): number | null {
    return this.#roundTripMs;
  }

  /** Any frame has arrived. */
  heard(nowMs: number): void {
    this.#lastHeardMs = nowMs;
  }

  /** Call every `HEARTBEAT_INTERVAL_MS`. */
  due(nowMs: number): HeartbeatDue {
    const silentMs = nowMs - this.#lastHeardMs;
    if (silentMs >= HEARTBEAT_DEAD_MS) return { type: "dead", silentMs };
    this.#token = (this.#token + 1) >>> 0;
    this.#sentMs = nowMs;
    return { type: "ping", token: this.#token };
  }

  /** A pong has arrived; only the answer to the latest ping is a sample. */
  pong(token: number, nowMs: number): void {
    if (token !== this.#token || this.#sentMs === undefined) return;
    const sampleMs = nowMs - this.#sentMs;
    this.#sentMs = undefined;
    this.#roundTripMs = this.#roundTripMs === null
      ? sampleMs
      : this.#roundTripMs + SMOOTHING * (sampleMs - this.#roundTripMs);
  }
}
