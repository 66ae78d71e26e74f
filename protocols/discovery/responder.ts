/**
 * Our half of multicast DNS on one interface: probing for our names, announcing, answering (RFC 6762 §6–§10). Never sends
 * a shared record without a random delay, nor any record twice in a second.
 */
import type { Random } from "../../platform/ports.ts";
import {
  compareProbes,
  dataKey,
  type DnsMessage,
  dnsMessage,
  type DnsQuestion,
  type DnsRecord,
  recordKey,
  sameName,
} from "./dns.ts";

const PROBES = 3;
const PROBE_INTERVAL_MS = 250;
const PROBE_FIRST_DELAY_MAX_MS = 250;
const ANNOUNCEMENTS = 2;
const ANNOUNCE_INTERVAL_MS = 1_000;
const SHARED_DELAY_MS = { min: 20, span: 100 } as const;
const TRUNCATED_DELAY_MS = { min: 400, span: 100 } as const;
const TRUNCATED_SOURCES_MAX = 32;
const TRUNCATED_RECORDS_MAX = 2_048;
const REPEAT_MS = 1_000;
const DEFENCE_REPEAT_MS = 250;
const LOST_PROBE_DELAY_MS = 1_000;
const LEGACY_TTL_S = 10;
const MULTICAST_PORT = 5353;

/** Where a message came from. */
export interface Source {
  readonly address: string;
  readonly port: number;
}

/** A message to send: to the group, or to one host when `to` is given. */
export interface Outgoing {
  readonly message: DnsMessage;
  readonly to?: Source;
}

type Phase =
  | { readonly type: "silent" }
  | { readonly type: "probing"; readonly sent: number; readonly dueMs: number }
  | { readonly type: "announcing"; readonly sent: number; readonly dueMs: number }
  | { readonly type: "settled" };

interface HeldQuery {
  readonly source: Source;
  readonly questions: DnsQuestion[];
  readonly known: DnsRecord[];
  readonly dueMs: number;
}

/** One interface's responder. Times are monotonic milliseconds. */
export class Responder {
  readonly #random: Random;
  #records: readonly DnsRecord[] = [];
  #instance = "";
  #phase: Phase = { type: "silent" };
  readonly #pending = new Map<string, { record: DnsRecord; dueMs: number }>();
  readonly #multicastMs = new Map<string, number>();
  readonly #held = new Map<string, HeldQuery>();

  constructor(random: Random) {
    this.#random = random;
  }

  get probing(): boolean {
    return this.#phase.type === "probing";
  }

  /** Takes a name: probes for it, then announces. Also after a conflict and when the interface came back. */
  probe(
    options: { instance: string; records: readonly DnsRecord[]; nowMs: number; waitMs?: number },
  ): void {
    this.#instance = options.instance;
    this.#records = options.records;
    this.#pending.clear();
    const delayMs = this.#random.below(PROBE_FIRST_DELAY_MAX_MS + 1) + (options.waitMs ?? 0);
    this.#phase = { type: "probing", sent: 0, dueMs: options.nowMs + delayMs };
  }

  /** Announces changed data under the same names. Records that are no longer ours say goodbye. */
  replace(records: readonly DnsRecord[], nowMs: number): readonly Outgoing[] {
    const kept = new Set(records.map(recordKey));
    // The flush bit replaces unique records at the others; only shared ones need a goodbye (RFC 6762 §8.4).
    const removed = this.#records.filter((record) => !record.flush && !kept.has(recordKey(record)));
    this.#records = records;
    this.#pending.clear();
    if (this.probing || this.#phase.type === "silent") return [];
    this.#phase = { type: "announcing", sent: 0, dueMs: nowMs };
    return removed.length === 0 ? [] : [farewell(removed)];
  }

  /** The last words: everything of ours with a time to live of 0. Nothing when nothing was announced. */
  goodbye(): readonly Outgoing[] {
    const spoken = this.#phase.type === "announcing" || this.#phase.type === "settled";
    this.#phase = { type: "silent" };
    this.#pending.clear();
    // The list of service types is shared with other hosts: it is not ours to end.
    const ours = this.#records.filter((record) => record.flush || this.#isOurPointer(record));
    return spoken && ours.length > 0 ? [farewell(ours)] : [];
  }

  /** A query was heard: answers are sent at once, or later by `tick`. */
  onQuery(message: DnsMessage, source: Source, nowMs: number): readonly Outgoing[] {
    if (this.#phase.type === "probing") this.#compareProbe(message, nowMs);
    if (this.#phase.type === "probing" || this.#phase.type === "silent") return [];
    if (source.port !== MULTICAST_PORT) return this.#answerOneShot(message, source);
    const heldKey = source.address;
    const held = this.#held.get(heldKey);
    if (message.truncated || held !== undefined) {
      const questions = [...held?.questions ?? [], ...message.questions].slice(0, 64);
      const known = [...held?.known ?? [], ...message.answers].slice(0, TRUNCATED_RECORDS_MAX);
      if (message.truncated && (held !== undefined || this.#held.size < TRUNCATED_SOURCES_MAX)) {
        const delayMs = TRUNCATED_DELAY_MS.min + this.#random.below(TRUNCATED_DELAY_MS.span + 1);
        this.#held.set(heldKey, { source, questions, known, dueMs: nowMs + delayMs });
        return [];
      }
      this.#held.delete(heldKey);
      return this.#answer({ questions, known, source, probe: false }, nowMs);
    }
    const probe = message.authorities.length > 0;
    return this.#answer(
      { questions: message.questions, known: message.answers, source, probe },
      nowMs,
    );
  }

  /** A response was heard: drops what another host has just said for us (RFC 6762 §7.4). */
  onResponse(message: DnsMessage, nowMs: number): void {
    for (const record of message.answers) {
      if (record.flush) continue;
      const key = recordKey(record);
      const pending = this.#pending.get(key);
      if (pending !== undefined && record.ttlS >= pending.record.ttlS) this.#pending.delete(key);
      // Somebody takes back our own pointer: say that we are still here.
      if (record.ttlS === 0 && this.#phase.type === "settled" && this.#isOurPointer(record)) {
        const own = this.#records.find((candidate) => recordKey(candidate) === key);
        if (own !== undefined) this.#schedule(own, nowMs, nowMs, REPEAT_MS);
      }
    }
  }

  /** True when somebody else uses the name that `record` has, with other data (RFC 6762 §9). */
  conflictsWith(record: DnsRecord): boolean {
    if (record.ttlS === 0 || this.#phase.type === "silent") return false;
    // Not claimed yet: the owner will answer our first probe. This also bounds what a liar can make us do.
    if (this.#phase.type === "probing" && this.#phase.sent === 0) return false;
    const own = this.#records.filter((candidate) =>
      candidate.flush && candidate.type === record.type && sameName(candidate.name, record.name)
    );
    return own.length > 0 && !own.some((candidate) => dataKey(candidate) === dataKey(record));
  }

  /** Sends what is due. */
  tick(nowMs: number): readonly Outgoing[] {
    const out: Outgoing[] = [];
    const phase = this.#phase;
    if (phase.type === "probing" && phase.dueMs <= nowMs) out.push(...this.#probeDue(phase, nowMs));
    const after = this.#phase;
    if (after.type === "announcing" && after.dueMs <= nowMs) {
      out.push(this.#multicast(this.#records, nowMs, []));
      const sent = after.sent + 1;
      this.#phase = sent >= ANNOUNCEMENTS
        ? { type: "settled" }
        : { type: "announcing", sent, dueMs: nowMs + ANNOUNCE_INTERVAL_MS };
    }
    for (const [key, held] of this.#held) {
      if (held.dueMs > nowMs) continue;
      this.#held.delete(key);
      out.push(...this.#answer({ ...held, probe: false }, nowMs));
    }
    const due = [...this.#pending.values()].filter((pending) => pending.dueMs <= nowMs)
      .map((pending) => pending.record);
    for (const record of due) this.#pending.delete(recordKey(record));
    if (due.length > 0) out.push(this.#multicast(due, nowMs, this.#additionalsOf(due, [])));
    return out;
  }

  /** When `tick` has something to do; Infinity when nothing waits. */
  nextMs(): number {
    let next = Infinity;
    if (this.#phase.type === "probing" || this.#phase.type === "announcing") {
      next = this.#phase.dueMs;
    }
    for (const pending of this.#pending.values()) next = Math.min(next, pending.dueMs);
    for (const held of this.#held.values()) next = Math.min(next, held.dueMs);
    return next;
  }

  #isOurPointer(record: DnsRecord): boolean {
    return record.type === "PTR" && sameName(record.data, this.#instance);
  }

  #probeDue(phase: { sent: number }, nowMs: number): readonly Outgoing[] {
    if (phase.sent >= PROBES) {
      this.#phase = { type: "announcing", sent: 0, dueMs: nowMs };
      return [];
    }
    this.#phase = { type: "probing", sent: phase.sent + 1, dueMs: nowMs + PROBE_INTERVAL_MS };
    const unique = this.#records.filter((record) => record.flush);
    const names = [...new Set(unique.map((record) => record.name))];
    const message = dnsMessage("query", {
      questions: names.map((name) => ({ name, type: "ANY", unicast: false })),
      authorities: unique.map((record) => ({ ...record, flush: false })),
    });
    return [{ message }];
  }

  /** Two hosts probe for one instance name at once: the loser waits a second and tries again (RFC 6762 §8.2). */
  #compareProbe(message: DnsMessage, nowMs: number): void {
    const ofInstance = (record: DnsRecord) => sameName(record.name, this.#instance);
    const theirs = message.authorities.filter(ofInstance);
    if (theirs.length === 0) return;
    const ours = this.#records.filter((record) => record.flush && ofInstance(record));
    if (compareProbes(ours, theirs) >= 0) return;
    this.#phase = { type: "probing", sent: 0, dueMs: nowMs + LOST_PROBE_DELAY_MS };
  }

  #answersTo(question: DnsQuestion): readonly DnsRecord[] {
    const named = this.#records.filter((record) => sameName(record.name, question.name));
    const found = named.filter((record) =>
      question.type === "ANY" || record.type === question.type
    );
    const unique = named.find((record) => record.flush);
    if (found.length > 0 || unique === undefined) return found;
    // We own the name and have no such record: say so instead of letting the asker wait.
    const { name, ttlS } = unique;
    const rrtypes = [...new Set(named.map((record) => record.type))];
    return [{ name, type: "NSEC", ttlS, flush: true, data: { nextDomain: name, rrtypes } }];
  }

  #answer(
    query: {
      readonly questions: readonly DnsQuestion[];
      readonly known: readonly DnsRecord[];
      readonly source: Source;
      readonly probe: boolean;
    },
    nowMs: number,
  ): readonly Outgoing[] {
    const known = new Map(query.known.map((record) => [recordKey(record), record.ttlS]));
    const direct: DnsRecord[] = [];
    const delayMs = SHARED_DELAY_MS.min + this.#random.below(SHARED_DELAY_MS.span + 1);
    const answers = query.questions.map((question) => ({
      question,
      records: this.#answersTo(question)
        // They know it and it lives at least half its time: nothing to say (RFC 6762 §7.1).
        .filter((record) => (known.get(recordKey(record)) ?? 0) * 2 < record.ttlS),
    }));
    const shared = answers.some(({ records }) => records.some((record) => !record.flush));
    for (const { question, records } of answers) {
      for (const record of records) {
        const spokenMs = this.#multicastMs.get(recordKey(record)) ?? -Infinity;
        // A quarter of its life ago or less: one host's wish does not need the whole network (RFC 6762 §5.4).
        const recent = nowMs - spokenMs < record.ttlS * 250;
        if (question.unicast && recent) direct.push(record);
        else {
          const repeatMs = query.probe ? DEFENCE_REPEAT_MS : REPEAT_MS;
          this.#schedule(record, nowMs, nowMs + (shared ? delayMs : 0), repeatMs);
        }
      }
    }
    if (direct.length === 0) return [];
    const additionals = this.#additionalsOf(direct, query.known);
    return [{
      message: dnsMessage("response", { answers: direct, additionals }),
      to: query.source,
    }];
  }

  /** Someone without a multicast socket asks from a port of its own (RFC 6762 §6.7). */
  #answerOneShot(message: DnsMessage, source: Source): readonly Outgoing[] {
    const answers = message.questions.flatMap((question) => this.#answersTo(question));
    if (answers.length === 0) return [];
    const plain = (record: DnsRecord) => ({
      ...record,
      flush: false,
      ttlS: Math.min(record.ttlS, LEGACY_TTL_S),
    });
    const response = dnsMessage("response", {
      id: message.id,
      questions: message.questions,
      answers: answers.map(plain),
      additionals: this.#additionalsOf(answers, []).map(plain),
    });
    return [{ message: response, to: source }];
  }

  #schedule(record: DnsRecord, nowMs: number, wantedMs: number, repeatMs: number): void {
    const key = recordKey(record);
    const spokenMs = this.#multicastMs.get(key) ?? -Infinity;
    const dueMs = Math.max(wantedMs, spokenMs + repeatMs, nowMs);
    const pending = this.#pending.get(key);
    if (pending === undefined || pending.dueMs > dueMs) this.#pending.set(key, { record, dueMs });
  }

  /** What an asker will want next: the service and text of an instance, the addresses of a host (RFC 6763 §12). */
  #additionalsOf(
    answers: readonly DnsRecord[],
    known: readonly DnsRecord[],
  ): readonly DnsRecord[] {
    const skip = new Set([...answers, ...known].map(recordKey));
    const wanted = new Set(answers.flatMap((record) => record.type === "PTR" ? [record.data] : []));
    if (answers.some((record) => record.type === "SRV") || wanted.has(this.#instance)) {
      for (const record of this.#records) if (record.type === "SRV") wanted.add(record.data.target);
    }
    return this.#records.filter((record) =>
      record.flush && wanted.has(record.name) && !skip.has(recordKey(record))
    );
  }

  #multicast(
    answers: readonly DnsRecord[],
    nowMs: number,
    additionals: readonly DnsRecord[],
  ): Outgoing {
    for (const record of [...answers, ...additionals]) {
      const key = recordKey(record);
      this.#multicastMs.set(key, nowMs);
      this.#pending.delete(key);
    }
    if (this.#multicastMs.size > 256) this.#forgetOld(nowMs);
    return { message: dnsMessage("response", { answers, additionals }) };
  }

  #forgetOld(nowMs: number): void {
    for (const [key, spokenMs] of this.#multicastMs) {
      if (nowMs - spokenMs > REPEAT_MS) this.#multicastMs.delete(key);
    }
  }
}

function farewell(records: readonly DnsRecord[]): Outgoing {
  return {
    message: dnsMessage("response", {
      answers: records.map((record) => ({ ...record, ttlS: 0 })),
    }),
  };
}
