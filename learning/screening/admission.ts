/**
 * Which submissions are read at all: only of devices the round asked, each once, not too large, not too many waiting, and no device faster
 * than its rate. Decides before a byte of the body is read, in constant memory per device. Pure: time is handed in.
 */
import { invariant } from "../../platform/invariant.ts";

export interface AdmissionLimits {
  /** Most bytes of one submission: what the plan's compression can take. */
  readonly submissionBytesMax: number;
  /** Most bytes admitted and not yet worked off. */
  readonly waitingBytesMax: number;
  /** Offers one device may make per minute, refused ones too. */
  readonly offersPerMinute: number;
  /** Offers a device may make at once after a while of silence, ≥ 1. */
  readonly burst: number;
  /** Devices whose rate is remembered; beyond it whoever was silent longest is forgotten. */
  readonly devicesMax: number;
}

/** For rounds of up to a thousand devices. */
export const ADMISSION_DEFAULTS: Omit<AdmissionLimits, "submissionBytesMax"> = {
  waitingBytesMax: 64 * 1024 * 1024,
  offersPerMinute: 12,
  burst: 6,
  devicesMax: 4_096,
};

export type AdmissionRefusal =
  /** Faster than its rate: costs nothing to say no to. */
  | "rateLimited"
  | "wrongRound"
  /** Not among those the round asked. */
  | "notAsked"
  /** Its submission for this round was admitted before. */
  | "twice"
  | "tooLarge"
  /** Not its fault; it may offer again. */
  | "full";

export type AdmissionOutcome =
  | { readonly type: "admitted" }
  | { readonly type: "refused"; readonly reason: AdmissionRefusal };

interface Bucket {
  tokens: number;
  atMs: number;
}

/** The door of one coordinator. */
export class Admission {
  readonly #limits: AdmissionLimits;
  readonly #buckets = new Map<string, Bucket>();
  #round = -1;
  #asked: ReadonlySet<string> = new Set();
  readonly #admitted = new Set<string>();
  #waitingBytes = 0;

  constructor(limits: AdmissionLimits) {
    const numbers = Object.values(limits);
    invariant(
      numbers.every((value) => value > 0 && Number.isFinite(value)) && limits.burst >= 1,
      () => `Cannot limit submissions: ${JSON.stringify(limits)}, expected numbers > 0`,
    );
    this.#limits = limits;
  }

  /** Opens for another round; what waited is forgotten, rates are not. */
  begin(round: number, asked: Iterable<string>): void {
    this.#round = round;
    this.#asked = new Set(asked);
    this.#admitted.clear();
    this.#waitingBytes = 0;
  }

  /** Decides about an announced submission. @param nowMs monotonic milliseconds */
  offer(submission: {
    readonly device: string;
    readonly round: number;
    readonly bytes: number;
    readonly nowMs: number;
  }): AdmissionOutcome {
    const { device, round, bytes, nowMs } = submission;
    const refused = (reason: AdmissionRefusal) => ({ type: "refused", reason }) as const;
    if (!this.#mayOffer(device, nowMs)) return refused("rateLimited");
    if (round !== this.#round) return refused("wrongRound");
    if (!this.#asked.has(device)) return refused("notAsked");
    if (this.#admitted.has(device)) return refused("twice");
    if (!(bytes >= 0 && bytes <= this.#limits.submissionBytesMax)) return refused("tooLarge");
    if (this.#waitingBytes + bytes > this.#limits.waitingBytesMax) return refused("full");
    this.#admitted.add(device);
    this.#waitingBytes += bytes;
    return { type: "admitted" };
  }

  /** An admitted submission was worked off, or never came; with `again` its device may offer once more. */
  done(device: string, bytes: number, options: { readonly again: boolean }): void {
    this.#waitingBytes = Math.max(0, this.#waitingBytes - bytes);
    if (options.again) this.#admitted.delete(device);
  }

  /** Bytes admitted and not yet worked off. */
  get waitingBytes(): number {
    return this.#waitingBytes;
  }

  /** Devices whose rate is remembered. */
  get remembered(): number {
    return this.#buckets.size;
  }

  #mayOffer(device: string, nowMs: number): boolean {
    const { burst, offersPerMinute, devicesMax } = this.#limits;
    const bucket = this.#buckets.get(device) ?? { tokens: burst, atMs: nowMs };
    const earned = (nowMs - bucket.atMs) * offersPerMinute / 60_000;
    const tokens = Math.min(burst, bucket.tokens + earned);
    const allowed = tokens >= 1;
    // Deleting first moves the device to the end: the table forgets whoever was silent longest.
    this.#buckets.delete(device);
    if (this.#buckets.size >= devicesMax) {
      for (const oldest of this.#buckets.keys()) {
        this.#buckets.delete(oldest);
        break;
      }
    }
    this.#buckets.set(device, { tokens: allowed ? tokens - 1 : tokens, atMs: nowMs });
    return allowed;
  }
}
