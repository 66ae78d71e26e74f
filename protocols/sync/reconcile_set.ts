/**
 * A sorted set of block ids that can fingerprint any of its ranges in constant time.
 *
 * Fingerprints are sums of a keyed pseudo-random function of each id (AES-128 of its first 16 bytes under a salt drawn for
 * this one reconciliation). Plain sums of ids can be attacked by whoever chooses ids; sums under a key that did not exist when the ids
 * were made cannot. Prefix sums make a range's fingerprint one subtraction. The same function's first 8 bytes
 * serve as short names of ids inside lists, a quarter of the id's size.
 */
import type { BlockId } from "../ids.ts";

/** Encrypts every 16-byte block of `data` by itself under a 16-byte key (AES-128-ECB, no padding). */
export type BlockPermutation = (key: Uint8Array, data: Uint8Array) => Uint8Array;

/** One element: where it sorts and what it is. */
export interface ReconcileEntry {
  /** Hours since the epoch, ⌊timeMs / 3,600,000⌋, 0 ≤ timeBucket < 2^31. */
  readonly timeBucket: number;
  readonly id: BlockId;
}

/** Where a range ends: before all entries with (timeBucket, id) ≥ this. `prefix` is the beginning of an id, padded with zeros. */
export interface Bound {
  readonly timeBucket: number;
  /** 0–32 bytes. */
  readonly prefix: Uint8Array;
}

/** The bound behind every entry. */
export const END_OF_RANGE: Bound = { timeBucket: 2 ** 31, prefix: new Uint8Array(0) };

export const FINGERPRINT_BYTES = 8;
export const SHORT_ID_BYTES = 8;
export const SALT_BYTES = 16;

/** Immutable; made once per reconciliation in O(n log n). */
export class ReconcileSet {
  readonly size: number;
  readonly #buckets: Uint32Array;
  readonly #ids: Uint8Array;
  readonly #short: Uint8Array;
  /** Prefix sums of the 64-bit values, as two 32-bit halves with explicit carry. */
  readonly #sumLow: Uint32Array;
  readonly #sumHigh: Uint32Array;

  /**
   * @param entries in any order, without duplicates
   * @param salt 16 bytes, fresh for each reconciliation and equal on both sides
   */
  constructor(entries: readonly ReconcileEntry[], salt: Uint8Array, permute: BlockPermutation) {
    if (salt.length !== SALT_BYTES) {
      throw new RangeError(
        `Cannot build reconcile set: salt has ${salt.length} bytes, expected 16`,
      );
    }
    const sorted = isSorted(entries) ? entries : entries.toSorted(compareEntries);
    const n = sorted.length;
    this.size = n;
    this.#buckets = new Uint32Array(n);
    this.#ids = new Uint8Array(n * 32);
    const heads = new Uint8Array(n * 16);
    for (let i = 0; i < n; i++) {
      const entry = sorted[i]!;
      this.#buckets[i] = entry.timeBucket;
      this.#ids.subarray(i * 32, i * 32 + 32).setFromHex(entry.id);
      heads.set(this.#ids.subarray(i * 32, i * 32 + 16), i * 16);
    }
    this.#short = permute(salt, heads);
    this.#sumLow = new Uint32Array(n + 1);
    this.#sumHigh = new Uint32Array(n + 1);
    const view = new DataView(this.#short.buffer, this.#short.byteOffset, this.#short.byteLength);
    for (let i = 0; i < n; i++) {
      const low = this.#sumLow[i]! + view.getUint32(i * 16, true);
      this.#sumLow[i + 1] = low;
      this.#sumHigh[i + 1] = this.#sumHigh[i]! + view.getUint32(i * 16 + 4, true) +
        (low > 0xffffffff ? 1 : 0);
    }
  }

  /** The id at `index`. */
  id(index: number): BlockId {
    return this.#ids.subarray(index * 32, index * 32 + 32).toHex() as BlockId;
  }

  /** The 8-byte salted short name of the id at `index`; a view, do not modify. */
  shortId(index: number): Uint8Array {
    return this.#short.subarray(index * 16, index * 16 + SHORT_ID_BYTES);
  }

  /** Sum of the keyed values of entries from ≤ i < to, modulo 2^64, little-endian. */
  fingerprint(from: number, to: number): Uint8Array {
    const out = new Uint8Array(FINGERPRINT_BYTES);
    const view = new DataView(out.buffer);
    const low = this.#sumLow[to]! - this.#sumLow[from]!;
    view.setUint32(0, low, true);
    view.setUint32(4, this.#sumHigh[to]! - this.#sumHigh[from]! - (low < 0 ? 1 : 0), true);
    return out;
  }

  /** Index of the first entry at or after `bound`, not before `from`. */
  lowerBound(from: number, bound: Bound): number {
    let low = from;
    let high = this.size;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#isBefore(middle, bound)) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** The shortest bound that lies between the entries at `index` − 1 and `index`. */
  boundBefore(index: number): Bound {
    const timeBucket = this.#buckets[index]!;
    if (index === 0 || this.#buckets[index - 1]! < timeBucket) {
      return { timeBucket, prefix: new Uint8Array(0) };
    }
    const previous = (index - 1) * 32;
    const current = index * 32;
    let shared = 0;
    while (this.#ids[previous + shared] === this.#ids[current + shared]) shared++;
    return { timeBucket, prefix: this.#ids.slice(current, current + shared + 1) };
  }

  #isBefore(index: number, bound: Bound): boolean {
    const bucket = this.#buckets[index]!;
    if (bucket !== bound.timeBucket) return bucket < bound.timeBucket;
    const offset = index * 32;
    for (let i = 0; i < bound.prefix.length; i++) {
      const mine = this.#ids[offset + i]!;
      const theirs = bound.prefix[i]!;
      if (mine !== theirs) return mine < theirs;
    }
    return false;
  }
}

function compareEntries(a: ReconcileEntry, b: ReconcileEntry): number {
  if (a.timeBucket !== b.timeBucket) return a.timeBucket - b.timeBucket;
  return a.id < b.id ? -1 : a.id > b.id ? 1 : 0;
}

function isSorted(entries: readonly ReconcileEntry[]): boolean {
  for (let i = 1; i < entries.length; i++) {
    if (compareEntries(entries[i - 1]!, entries[i]!) >= 0) return false;
  }
  return true;
}
