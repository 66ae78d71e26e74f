/**
 * When to ping, when a silent path is doubted, when it is dead, and how long a round trip takes. Pure: time is handed in.
 *
 * Doubt comes long before death: it costs a dial of another path beside this one, and is taken back by the next frame. Death ends the
 * session's path, so it waits until nothing but a broken path, or a peer that is gone, explains the silence.
 */

/** A ping goes out this often while it is answered, ms. */
export const HEARTBEAT_INTERVAL_MS = 1_000;
/** A path on which nothing arrives for this long is doubted: another one is opened beside it, ms. */
export const HEARTBEAT_DOUBT_MS = 1_250;
/** After this long even a worse path takes over, when it is ready, ms. */
export const HEARTBEAT_SWITCH_MS = 2_000;
/** A path on which nothing arrives for this long is dead, ms. */
export const HEARTBEAT_DEAD_MS = 4_000;
/** An answer is looked for after twice the round trip, but not before the first and not after the second, ms. */
const ANSWER_MS = { least: 500, most: HEARTBEAT_INTERVAL_MS } as const;
/** Pings that are not answered are repeated this often, ms. */
const REPEAT_MS = 250;
/** Who looks this much later than agreed has stood still itself: the time does not count as silence of the other end, ms. */
const STALL_MS = 250;
/** Clocks are no finer: a wait that is shorter might never end. */
const TICK_MS = 1;
/** Share of a new sample in the smoothed round trip (RFC 6298, alpha). */
const SMOOTHING = 1 / 8;

/** `nextMs`: `due` is to be called again after so long. `doubtful`: nothing has come for `HEARTBEAT_DOUBT_MS`. */
export type HeartbeatDue =
  | {
    readonly type: "ping";
    readonly token: number;
    readonly nextMs: number;
    readonly doubtful: boolean;
  }
  | { readonly type: "wait"; readonly nextMs: number; readonly doubtful: boolean }
  | { readonly type: "dead"; readonly silentMs: number };

/** Watches one path. */
export class Heartbeat {
  #lastHeardMs: number;
  /** When the latest ping left; at first the beginning, which needs no answer. */
  #pingedMs: number;
  #token = 0;
  #sampleFromMs: number | undefined;
  #roundTripMs: number | null = null;
  /** When the next look was agreed. */
  #dueMs: number;

  /** `nowMs` is monotonic time. The first `due` belongs `HEARTBEAT_INTERVAL_MS` later. */
  constructor(nowMs: number) {
    this.#lastHeardMs = nowMs;
    this.#pingedMs = nowMs;
    this.#dueMs = nowMs + HEARTBEAT_INTERVAL_MS;
  }

  /** Smoothed round trip, ms; null before the first pong. */
  get roundTripMs(): number | null {
    return this.#roundTripMs;
  }

  /** For how long nothing has come, ms. */
  silentMs(nowMs: number): number {
    return nowMs - this.#lastHeardMs;
  }

  /** Any frame has arrived. */
  heard(nowMs: number): void {
    this.#lastHeardMs = nowMs;
  }

  /** What is to be done now; to be asked when the last answer said. */
  due(nowMs: number): HeartbeatDue {
    const lateMs = nowMs - this.#dueMs;
    if (lateMs > STALL_MS) this.#lastHeardMs = Math.min(nowMs, this.#lastHeardMs + lateMs);
    const silentMs = this.silentMs(nowMs);
    if (silentMs >= HEARTBEAT_DEAD_MS) return { type: "dead", silentMs };
    const doubtful = silentMs >= HEARTBEAT_DOUBT_MS;
    if (this.#lastHeardMs >= this.#pingedMs) {
      const restMs = this.#pingedMs + HEARTBEAT_INTERVAL_MS - nowMs;
      if (restMs >= TICK_MS) return { type: "wait", nextMs: this.#next(nowMs, restMs), doubtful };
      return this.#ping(nowMs, this.#answerMs, doubtful);
    }
    return this.#ping(nowMs, REPEAT_MS, doubtful);
  }

  /** Pings now, whatever was agreed: something has happened that may have broken the path. */
  ask(nowMs: number): HeartbeatDue {
    const silentMs = this.silentMs(nowMs);
    if (silentMs >= HEARTBEAT_DEAD_MS) return { type: "dead", silentMs };
    return this.#ping(nowMs, this.#answerMs, silentMs >= HEARTBEAT_DOUBT_MS);
  }

  /** A pong has arrived; only the answer to the latest ping is a sample. */
  pong(token: number, nowMs: number): void {
    if (token !== this.#token || this.#sampleFromMs === undefined) return;
    const sampleMs = nowMs - this.#sampleFromMs;
    this.#sampleFromMs = undefined;
    this.#roundTripMs = this.#roundTripMs === null
      ? sampleMs
      : this.#roundTripMs + SMOOTHING * (sampleMs - this.#roundTripMs);
  }

  get #answerMs(): number {
    const { least, most } = ANSWER_MS;
    return Math.min(most, Math.max(least, 2 * (this.#roundTripMs ?? 0)));
  }

  #ping(nowMs: number, nextMs: number, doubtful: boolean): HeartbeatDue {
    this.#token = (this.#token + 1) >>> 0;
    this.#pingedMs = nowMs;
    this.#sampleFromMs = nowMs;
    return { type: "ping", token: this.#token, nextMs: this.#next(nowMs, nextMs), doubtful };
  }

  #next(nowMs: number, afterMs: number): number {
    this.#dueMs = nowMs + afterMs;
    return afterMs;
  }
}
