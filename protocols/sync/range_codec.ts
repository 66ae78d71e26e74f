/** Bytes of reconcile messages: LEB128 varints, bounds as time step plus id prefix, runs of skipped ranges merged. */
import type { Bound, ReconcileSet } from "./reconcile_set.ts";
import { END_OF_RANGE, FINGERPRINT_BYTES } from "./reconcile_set.ts";

const SKIP = 0;
const FINGERPRINT = 1;
// A bound and the modes before it: 5 + 1 + 32 bytes for each of a pending skip and the range itself, and the closing fingerprint.
const RANGE_OVERHEAD_BYTES = 128;

/** Reads one message from front to back. Every method returns undefined once something does not fit; `problem` says what. */
export class RangeReader {
  #offset = 0;
  #timeBucket = 0;
  #problem = "message ends in the middle of a range";
  #failed = false;

  constructor(readonly message: Uint8Array) {}

  /** True when everything was read. A failed reader is never at its end by this: its caller stops at the undefined. */
  get isAtEnd(): boolean {
    return !this.#failed && this.#offset >= this.message.length;
  }

  get problem(): string {
    return this.#problem;
  }

  varint(): number | undefined {
    let value = 0;
    let scale = 1;
    for (let i = 0; i < 5; i++) {
      const byte = this.message[this.#offset];
      if (byte === undefined) return this.#fail("message ends in the middle of a number");
      this.#offset++;
      value += (byte & 127) * scale;
      if (byte < 128) return value;
      scale *= 128;
    }
    return this.#fail("number has more than 5 bytes");
  }

  bytes(count: number): Uint8Array | undefined {
    if (this.#failed || this.#offset + count > this.message.length) {
      return this.#fail("message ends in the middle of a range");
    }
    this.#offset += count;
    return this.message.subarray(this.#offset - count, this.#offset);
  }

  /** 0 is the end of everything; else the step from the last time bucket plus 1, prefix length, prefix. */
  bound(): Bound | undefined {
    const step = this.varint();
    if (step === undefined) return undefined;
    if (step === 0) return END_OF_RANGE;
    this.#timeBucket += step - 1;
    if (this.#timeBucket >= 2 ** 31) {
      return this.#fail(`time bucket is ${this.#timeBucket}, expected less than 2^31`);
    }
    const length = this.varint();
    if (length === undefined) return undefined;
    if (length > 32) return this.#fail(`prefix has ${length} bytes, expected at most 32`);
    const prefix = this.bytes(length);
    return prefix === undefined ? undefined : { timeBucket: this.#timeBucket, prefix };
  }

  #fail(problem: string): undefined {
    if (!this.#failed) this.#problem = problem;
    this.#failed = true;
    return undefined;
  }
}

/** Writes one message up to a limit; what no longer fits becomes one fingerprint of all the rest. */
export class RangeWriter {
  #buffer = new Uint8Array(1024);
  #length = 0;
  #timeBucket = 0;
  #pendingSkip: Bound | null = null;
  #cutFrom: number | null = null;

  constructor(readonly bytesMax: number) {}

  /** True when nothing but skipped ranges was written: nothing is left to say. */
  get isEmpty(): boolean {
    return this.#length === 0 && this.#cutFrom === null;
  }

  /** True when the message is full: whatever is written from now on is left out. */
  get isCut(): boolean {
    return this.#cutFrom !== null;
  }

  /** Marks everything up to `upper` as settled. */
  skip(upper: Bound): void {
    if (this.#cutFrom === null) this.#pendingSkip = upper;
  }

  /**
   * Starts a range that ends at `upper` and holds our entries from index `from`; `contentBytes` bounds what follows.
   * False: the message is full, write nothing.
   */
  begin(upper: Bound, mode: number, from: number, contentBytes: number): boolean {
    if (this.#cutFrom !== null) return false;
    if (this.#length + contentBytes + RANGE_OVERHEAD_BYTES > this.bytesMax) {
      this.#cutFrom = from;
      return false;
    }
    this.#flushSkip();
    this.#bound(upper);
    this.varint(mode);
    return true;
  }

  varint(value: number): void {
    let rest = value;
    while (rest > 127) {
      this.#byte((rest % 128) | 128);
      rest = Math.floor(rest / 128);
    }
    this.#byte(rest);
  }

  bytes(bytes: Uint8Array): void {
    this.#reserve(bytes.length);
    this.#buffer.set(bytes, this.#length);
    this.#length += bytes.length;
  }

  /** The message. Trailing skipped ranges are left out: what is not named is settled. */
  finish(set: ReconcileSet): Uint8Array {
    if (this.#cutFrom !== null) {
      this.#flushSkip();
      this.#bound(END_OF_RANGE);
      this.varint(FINGERPRINT);
      this.#reserve(FINGERPRINT_BYTES);
      this.bytes(set.fingerprint(this.#cutFrom, set.size));
    }
    return this.#buffer.slice(0, this.#length);
  }

  #flushSkip(): void {
    if (this.#pendingSkip === null) return;
    this.#bound(this.#pendingSkip);
    this.varint(SKIP);
    this.#pendingSkip = null;
  }

  #bound(bound: Bound): void {
    if (bound.timeBucket >= END_OF_RANGE.timeBucket) {
      this.varint(0);
      return;
    }
    this.varint(bound.timeBucket - this.#timeBucket + 1);
    this.#timeBucket = bound.timeBucket;
    this.varint(bound.prefix.length);
    this.bytes(bound.prefix);
  }

  #byte(value: number): void {
    this.#reserve(1);
    this.#buffer[this.#length++] = value;
  }

  #reserve(count: number): void {
    if (this.#length + count <= this.#buffer.length) return;
    const larger = new Uint8Array(Math.max(this.#buffer.length * 2, this.#length + count));
    larger.set(this.#buffer.subarray(0, this.#length));
    this.#buffer = larger;
  }
}
