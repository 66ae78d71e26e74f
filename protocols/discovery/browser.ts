/**
 * The other half on one interface: asking who is there, remembering what was heard, noticing who fell silent. Everything it
 * says of others is a claim that was bounded and parsed, nothing more.
 */
import type { Announcement } from "../../platform/discovery.ts";
import type { Random } from "../../platform/ports.ts";
import { parseClaims } from "./announcement.ts";
import {
  type DnsMessage,
  dnsMessage,
  type DnsQuestion,
  type DnsRecord,
  nameKey,
  recordBytes,
  recordKey,
  sameName,
} from "./dns.ts";
import { ipBytes, isLinkLocalV6, isOnLink, type Subnet } from "./ip.ts";
import { alive, HEARTBEAT_MS, judge, type Liveness, livenessDueMs } from "./liveness.ts";
import { SENT_BYTES_MAX } from "./message.ts";
import { labelOf, SERVICE } from "./names.ts";
import { type CachedRecord, RecordCache } from "./record_cache.ts";
import type { Outgoing } from "./responder.ts";

const INSTANCES_MAX = 1_024;
const ADDRESSES_MAX = 16;
const FIRST_QUERY_DELAY_MS = { min: 20, span: 100 } as const;
const SECOND_QUERY_MS = 1_000;
const HEARTBEAT_JITTER_MS = 100;
/** Devices heard this recently need not answer a heartbeat. */
const FRESH_MS = 1_000;
const RESOLVE_FIRST_MS = 100;
const RESOLVE_MAX_MS = 60_000;
const KNOWN_ANSWERS_MAX = 256;

interface Instance extends Liveness {
  readonly name: string;
  resolveMs: number;
  resolveWaitMs: number;
}

/** One complete instance as heard on this interface. */
export interface Found {
  readonly instance: string;
  readonly claims: Announcement;
  /** IP addresses without zones that are on this link. */
  readonly addresses: readonly string[];
}

export interface BrowserOptions {
  readonly random: Random;
  readonly subnets: readonly Subnet[];
  readonly nowMs: number;
}

/** Questions that go out from a port of their own, so that each asker gets its own answer. */
export interface OneShot {
  readonly message: DnsMessage;
}

/** One interface's browser. Times are monotonic milliseconds. */
export class Browser {
  readonly #random: Random;
  #subnets: readonly Subnet[];
  readonly #cache: RecordCache;
  readonly #instances = new Map<string, Instance>();
  readonly #goneByGoodbye = new Set<string>();
  #browseMs: number;
  #browses = 0;
  #changed = false;

  constructor(options: BrowserOptions) {
    this.#random = options.random;
    this.#subnets = options.subnets;
    this.#cache = new RecordCache(options.random);
    this.#browseMs = options.nowMs + FIRST_QUERY_DELAY_MS.min +
      options.random.below(FIRST_QUERY_DELAY_MS.span + 1);
  }

  /** True once after something that `found` tells has changed. */
  takeChanged(): boolean {
    const changed = this.#changed;
    this.#changed = false;
    return changed;
  }

  /** True when the instance of this name said goodbye here. */
  saidGoodbye(instance: string): boolean {
    return this.#goneByGoodbye.has(nameKey(instance));
  }

  /** The interface has other addresses now; what was heard on it stays. */
  setSubnets(subnets: readonly Subnet[]): void {
    this.#subnets = subnets;
  }

  /** Asks again now. */
  refresh(nowMs: number): void {
    this.#browseMs = nowMs;
  }

  /** A response from the group. */
  onResponse(message: DnsMessage, source: string, nowMs: number): void {
    const records = [...message.answers, ...message.additionals];
    const targets = this.#targetsIn(records);
    const relevant = records.filter((record) => this.#isRelevant(record, targets));
    const keys = new Set(relevant.map(recordKey));
    for (const record of relevant) {
      const outcome = this.#cache.put(record, source, nowMs);
      if (outcome === "ignored" || outcome === "full") continue;
      if (outcome !== "known") this.#changed = true;
      if (record.flush && record.ttlS > 0) this.#cache.flush(record.type, record.name, keys, nowMs);
      const name = instanceOf(record);
      if (name === undefined) continue;
      if (outcome === "goodbye") this.#suspect(name);
      else this.#heard(name, nowMs);
    }
  }

  /** An answer to a question by name: the device lives. Its short-lived records are not remembered (RFC 6762 §6.7). */
  onOneShot(message: DnsMessage, nowMs: number): void {
    for (const record of [...message.answers, ...message.additionals]) {
      const name = instanceOf(record);
      const instance = name === undefined ? undefined : this.#instances.get(nameKey(name));
      if (instance === undefined || record.ttlS === 0) continue;
      Object.assign(instance, alive(nowMs));
      for (const entry of this.#recordsOf(instance)) this.#cache.rescue(entry);
    }
  }

  /** Another host asked what we are about to ask, knowing no more than we do: its answers are ours too (RFC 6762 §7.3). */
  onQuery(message: DnsMessage, nowMs: number): void {
    const asked = message.questions.some((question) =>
      !question.unicast && sameName(question.name, SERVICE) && question.type === "PTR"
    );
    if (!asked || message.truncated || this.#browses < 2) return;
    const ours = new Set(this.#knownAnswers(nowMs).map(recordKey));
    if (!message.answers.every((record) => ours.has(recordKey(record)))) return;
    this.#browseMs = this.#nextBrowseMs(nowMs);
  }

  /** Expires, refreshes, verifies and asks what is due. */
  tick(
    nowMs: number,
  ): { readonly group: readonly Outgoing[]; readonly oneShots: readonly OneShot[] } {
    this.#expire(nowMs);
    const oneShots: OneShot[] = [];
    const questions = new Map<string, DnsQuestion>();
    const ask = (name: string, type: DnsQuestion["type"]) =>
      questions.set(`${type} ${nameKey(name)}`, { name, type, unicast: false });
    for (const instance of [...this.#instances.values()]) {
      const verdict = judge(instance, nowMs);
      if (verdict === "expired") this.#drop(instance);
      if (verdict === "verify") {
        instance.verifications++;
        instance.verifiedMs = nowMs;
        const question = { name: instance.name, type: "SRV", unicast: false } as const;
        const id = 1 + this.#random.below(65_535);
        oneShots.push({ message: dnsMessage("query", { id, questions: [question] }) });
      }
      if (verdict !== "expired" && instance.resolveMs <= nowMs) this.#resolve(instance, nowMs, ask);
    }
    for (const { record } of this.#cache.dueForRefresh(nowMs)) {
      if (record.type !== "NSEC" && record.type !== "PTR") ask(record.name, record.type);
    }
    const group: Outgoing[] = [];
    if (questions.size > 0) {
      const all = [...questions.values()];
      for (let i = 0; i < all.length; i += 8) {
        group.push({ message: dnsMessage("query", { questions: all.slice(i, i + 8) }) });
      }
    }
    if (this.#browseMs <= nowMs) group.push(...this.#browse(nowMs));
    return { group, oneShots };
  }

  /** When `tick` has something to do. */
  nextMs(): number {
    let next = Math.min(this.#browseMs, this.#cache.nextMs());
    for (const instance of this.#instances.values()) {
      next = Math.min(next, livenessDueMs(instance), instance.resolveMs);
    }
    return next;
  }

  /** Every complete instance. */
  found(): readonly Found[] {
    const out: Found[] = [];
    for (const instance of this.#instances.values()) {
      const [service] = this.#cache.lookup("SRV", instance.name).toSorted(newestFirst);
      const [text] = this.#cache.lookup("TXT", instance.name).toSorted(newestFirst);
      if (service?.record.type !== "SRV" || text?.record.type !== "TXT") continue;
      const claims = parseClaims(service.record, text.record);
      if (claims === undefined) continue;
      const addresses = this.#addressesOf(service.record.data.target);
      if (addresses.length > 0) out.push({ instance: instance.name, claims, addresses });
    }
    return out;
  }

  #targetsIn(records: readonly DnsRecord[]): ReadonlySet<string> {
    const targets = new Set<string>();
    for (const record of records) {
      if (record.type === "SRV" && labelOf(record.name) !== undefined) {
        targets.add(nameKey(record.data.target));
      }
    }
    for (const instance of this.#instances.values()) {
      for (const { record } of this.#cache.lookup("SRV", instance.name)) {
        if (record.type === "SRV") targets.add(nameKey(record.data.target));
      }
    }
    return targets;
  }

  #isRelevant(record: DnsRecord, targets: ReadonlySet<string>): boolean {
    switch (record.type) {
      case "PTR":
        return sameName(record.name, SERVICE) && labelOf(record.data) !== undefined;
      case "SRV":
      case "TXT":
        return labelOf(record.name) !== undefined;
      case "A":
      case "AAAA":
        // An address elsewhere would make us knock at doors that a stranger points to.
        return targets.has(nameKey(record.name)) && this.#isReachable(record.data);
      case "NSEC":
        return false;
    }
  }

  #isReachable(address: string): boolean {
    const bytes = ipBytes(address);
    if (bytes === undefined) return false;
    return isLinkLocalV6(bytes)
      ? this.#subnets.some((subnet) => subnet.address.includes(":"))
      : isOnLink(address, this.#subnets);
  }

  #addressesOf(target: string): readonly string[] {
    const entries = [...this.#cache.lookup("A", target), ...this.#cache.lookup("AAAA", target)];
    return entries.map((entry) => entry.record.data as string).slice(0, ADDRESSES_MAX);
  }

  #heard(name: string, nowMs: number): void {
    const key = nameKey(name);
    this.#goneByGoodbye.delete(key);
    const known = this.#instances.get(key);
    if (known !== undefined) {
      Object.assign(known, alive(nowMs));
      return;
    }
    if (this.#instances.size >= INSTANCES_MAX) return;
    const resolve = { resolveMs: nowMs + RESOLVE_FIRST_MS, resolveWaitMs: RESOLVE_FIRST_MS };
    this.#instances.set(key, { name, ...alive(nowMs), ...resolve });
    this.#changed = true;
  }

  /** It said goodbye, or somebody did in its name: ask for it at once. */
  #suspect(name: string): void {
    const instance = this.#instances.get(nameKey(name));
    if (instance === undefined || instance.verifications > 0) return;
    instance.verifications = 1;
    instance.verifiedMs = -Infinity;
  }

  #recordsOf(instance: Instance): readonly CachedRecord[] {
    return [
      ...this.#cache.lookup("PTR", SERVICE).filter((entry) =>
        entry.record.type === "PTR" && sameName(entry.record.data, instance.name)
      ),
      ...this.#cache.lookup("SRV", instance.name),
      ...this.#cache.lookup("TXT", instance.name),
    ];
  }

  #drop(instance: Instance): void {
    for (const entry of this.#recordsOf(instance)) this.#cache.remove(entry);
    this.#instances.delete(nameKey(instance.name));
    this.#changed = true;
  }

  #expire(nowMs: number): void {
    for (const entry of this.#cache.expire(nowMs)) {
      this.#changed = true;
      const name = instanceOf(entry.record);
      const instance = name === undefined ? undefined : this.#instances.get(nameKey(name));
      if (instance === undefined || entry.record.type === "TXT") continue;
      if (!entry.goodbye) {
        // Only some of it ended: ask for that again.
        instance.resolveMs = Math.min(instance.resolveMs, nowMs);
        continue;
      }
      if (this.#goneByGoodbye.size < INSTANCES_MAX) {
        this.#goneByGoodbye.add(nameKey(instance.name));
      }
      this.#drop(instance);
    }
  }

  #resolve(
    instance: Instance,
    nowMs: number,
    ask: (name: string, type: DnsQuestion["type"]) => void,
  ): void {
    const [service] = this.#cache.lookup("SRV", instance.name);
    const target = service?.record.type === "SRV" ? service.record.data.target : undefined;
    const missingText = this.#cache.lookup("TXT", instance.name).length === 0;
    const missingAddress = target !== undefined && this.#addressesOf(target).length === 0;
    if (target !== undefined && !missingText && !missingAddress) {
      instance.resolveMs = Infinity;
      instance.resolveWaitMs = RESOLVE_FIRST_MS;
      return;
    }
    if (target === undefined) ask(instance.name, "SRV");
    if (missingText) ask(instance.name, "TXT");
    if (missingAddress) {
      ask(target, "A");
      ask(target, "AAAA");
    }
    // 0.1, 1, 2, 4 … s: the interval at least doubles (RFC 6762 §5.2).
    instance.resolveWaitMs = Math.min(RESOLVE_MAX_MS, Math.max(1_000, instance.resolveWaitMs * 2));
    instance.resolveMs = nowMs + instance.resolveWaitMs;
  }

  /** Pointers that need not be repeated: those whose device was heard just now, and live at least half their time. */
  #knownAnswers(nowMs: number): readonly DnsRecord[] {
    const out: DnsRecord[] = [];
    for (const entry of this.#cache.lookup("PTR", SERVICE)) {
      if (entry.record.type !== "PTR" || entry.goodbye) continue;
      const leftS = Math.floor((entry.expiresMs - nowMs) / 1_000);
      const instance = this.#instances.get(nameKey(entry.record.data));
      if (instance === undefined || nowMs - instance.heardMs > FRESH_MS) continue;
      if (leftS * 2 < entry.record.ttlS || out.length >= KNOWN_ANSWERS_MAX) continue;
      out.push({ ...entry.record, ttlS: leftS, flush: false });
    }
    return out;
  }

  #browse(nowMs: number): readonly Outgoing[] {
    this.#browses++;
    this.#browseMs = this.#nextBrowseMs(nowMs);
    const questions = [{ name: SERVICE, type: "PTR", unicast: false }] as const;
    const chunks: DnsRecord[][] = [[]];
    let bytes = 64;
    for (const record of this.#knownAnswers(nowMs)) {
      if (bytes + recordBytes(record) > SENT_BYTES_MAX) {
        chunks.push([]);
        bytes = 64;
      }
      bytes += recordBytes(record);
      chunks.at(-1)?.push(record);
    }
    return chunks.map((answers, index) => ({
      message: dnsMessage("query", {
        questions: index === 0 ? questions : [],
        answers,
        truncated: index < chunks.length - 1,
      }),
    }));
  }

  #nextBrowseMs(nowMs: number): number {
    if (this.#browses === 1) return nowMs + SECOND_QUERY_MS;
    return nowMs + HEARTBEAT_MS - HEARTBEAT_JITTER_MS +
      this.#random.below(2 * HEARTBEAT_JITTER_MS + 1);
  }
}

function newestFirst(a: CachedRecord, b: CachedRecord): number {
  return b.heardMs - a.heardMs;
}

/** The instance a record belongs to; undefined for addresses. */
function instanceOf(record: DnsRecord): string | undefined {
  if (record.type === "PTR") return record.data;
  return record.type === "SRV" || record.type === "TXT" ? record.name : undefined;
}
