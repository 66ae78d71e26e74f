/**
 * Records heard on one interface, with the times at which they are asked for again and forgotten (RFC 6762 §5.2, §10). Bounded in
 * total and for every source, so that one noisy host cannot push out the others.
 */
import type { Random } from "../../platform/ports.ts";
import { type DnsRecord, nameKey, recordKey, type RecordType } from "./dns.ts";

/** Records of one interface at most. */
export const RECORDS_MAX = 8_192;
/** Records of one source address at most; several nodes of one machine share an address. */
export const RECORDS_PER_SOURCE_MAX = 512;
/** A goodbye or a cache flush takes effect after this, ms (RFC 6762 §10.1, §10.2). */
export const FLUSH_DELAY_MS = 1_000;
const REFRESH_AT = [0.8, 0.85, 0.9, 0.95] as const;

export interface CachedRecord {
  readonly key: string;
  record: DnsRecord;
  readonly source: string;
  heardMs: number;
  expiresMs: number;
  /** Set while a goodbye waits to take effect. */
  goodbye: boolean;
  /** How many refresh queries were due so far, 0–4. */
  refreshes: number;
  /** When to ask for it again; Infinity after the fourth time. */
  refreshMs: number;
}

function slot(type: RecordType, name: string): string {
  return `${type} ${nameKey(name)}`;
}

/** The cache. Every method takes the time; nothing happens by itself. */
export class RecordCache {
  readonly #slots = new Map<string, Map<string, CachedRecord>>();
  readonly #perSource = new Map<string, number>();
  readonly #random: Random;
  #size = 0;

  constructor(random: Random) {
    this.#random = random;
  }

  get size(): number {
    return this.#size;
  }

  /** Records of one name and type that are not expired. */
  lookup(type: RecordType, name: string): readonly CachedRecord[] {
    const found = this.#slots.get(slot(type, name));
    return found === undefined ? [] : [...found.values()];
  }

  *entries(): Generator<CachedRecord> {
    for (const found of this.#slots.values()) yield* found.values();
  }

  /**
   * Takes one record in. A time to live of 0 makes a known record end in a second and is ignored for an unknown one.
   *
   * @returns `new` when it was unknown, `full` when a limit keeps it out
   */
  put(
    record: DnsRecord,
    source: string,
    nowMs: number,
  ): "new" | "known" | "goodbye" | "ignored" | "full" {
    const key = recordKey(record);
    const slotKey = slot(record.type, record.name);
    const known = this.#slots.get(slotKey)?.get(key);
    if (record.ttlS === 0) {
      if (known === undefined) return "ignored";
      known.goodbye = true;
      known.expiresMs = Math.min(known.expiresMs, nowMs + FLUSH_DELAY_MS);
      known.refreshMs = Infinity;
      return "goodbye";
    }
    if (known !== undefined) {
      known.record = record;
      known.heardMs = nowMs;
      this.#renew(known, nowMs);
      return "known";
    }
    const ofSource = this.#perSource.get(source) ?? 0;
    if (this.#size >= RECORDS_MAX || ofSource >= RECORDS_PER_SOURCE_MAX) return "full";
    const entry: CachedRecord = {
      key,
      record,
      source,
      heardMs: nowMs,
      expiresMs: 0,
      goodbye: false,
      refreshes: 0,
      refreshMs: 0,
    };
    this.#renew(entry, nowMs);
    const found = this.#slots.get(slotKey) ?? new Map<string, CachedRecord>();
    found.set(key, entry);
    this.#slots.set(slotKey, found);
    this.#perSource.set(source, ofSource + 1);
    this.#size++;
    return "new";
  }

  /**
   * The cache-flush bit: others of this name and type that were heard more than a second ago end in a second; `keep` holds
   * the keys that came in the same message.
   */
  flush(type: RecordType, name: string, keep: ReadonlySet<string>, nowMs: number): void {
    for (const entry of this.lookup(type, name)) {
      if (keep.has(entry.key) || nowMs - entry.heardMs <= FLUSH_DELAY_MS) continue;
      entry.expiresMs = Math.min(entry.expiresMs, nowMs + FLUSH_DELAY_MS);
      entry.refreshMs = Infinity;
    }
  }

  /** Undoes a goodbye that turned out to be false: the record lives as long as when it was last heard. */
  rescue(entry: CachedRecord): void {
    if (!entry.goodbye) return;
    this.#renew(entry, entry.heardMs);
  }

  remove(entry: CachedRecord): void {
    const slotKey = slot(entry.record.type, entry.record.name);
    const found = this.#slots.get(slotKey);
    if (found === undefined || !found.delete(entry.key)) return;
    if (found.size === 0) this.#slots.delete(slotKey);
    const left = (this.#perSource.get(entry.source) ?? 1) - 1;
    if (left <= 0) this.#perSource.delete(entry.source);
    else this.#perSource.set(entry.source, left);
    this.#size--;
  }

  /** Removes and returns what has expired. */
  expire(nowMs: number): readonly CachedRecord[] {
    const expired = [...this.entries()].filter((entry) => entry.expiresMs <= nowMs);
    for (const entry of expired) this.remove(entry);
    return expired;
  }

  /** Records to ask for again now; each is named once per stage (80, 85, 90, 95 % of its life). */
  dueForRefresh(nowMs: number): readonly CachedRecord[] {
    const due = [...this.entries()].filter((entry) => entry.refreshMs <= nowMs);
    for (const entry of due) {
      while (entry.refreshMs <= nowMs) this.#nextRefresh(entry, entry.refreshes + 1);
    }
    return due;
  }

  /** The earliest time at which something expires or is to be refreshed; Infinity when empty. */
  nextMs(): number {
    let next = Infinity;
    for (const entry of this.entries()) next = Math.min(next, entry.expiresMs, entry.refreshMs);
    return next;
  }

  #renew(entry: CachedRecord, heardMs: number): void {
    entry.goodbye = false;
    entry.expiresMs = heardMs + entry.record.ttlS * 1_000;
    this.#nextRefresh(entry, 0);
  }

  #nextRefresh(entry: CachedRecord, stage: number): void {
    entry.refreshes = stage;
    const at = REFRESH_AT[stage];
    const lifeMs = entry.record.ttlS * 1_000;
    // Up to 2 % of jitter, so that all who heard it do not ask at once.
    entry.refreshMs = at === undefined
      ? Infinity
      : entry.expiresMs - lifeMs + lifeMs * (at + this.#random.float() * 0.02);
  }
}
