/** The few DNS records that service discovery uses, as plain values, and how they are compared (RFC 1035, 6762, 6763). */
import { ipBytes } from "./ip.ts";

interface RecordBase {
  /** Full name without the trailing dot: "Kitchen._kiana._tcp.local". */
  readonly name: string;
  /** Time to live in seconds; 0 is a goodbye. */
  readonly ttlS: number;
  /** The cache-flush bit: this is the whole set of records with this name and type. Set on unique records only. */
  readonly flush: boolean;
}

export interface AddressRecord extends RecordBase {
  readonly type: "A" | "AAAA";
  readonly data: string;
}
export interface PointerRecord extends RecordBase {
  readonly type: "PTR";
  readonly data: string;
}
export interface ServiceRecord extends RecordBase {
  readonly type: "SRV";
  readonly data: { readonly port: number; readonly target: string };
}
export interface TextRecord extends RecordBase {
  readonly type: "TXT";
  readonly data: readonly Uint8Array[];
}
/** Says which record types a unique name has, so that nobody waits for the others (RFC 6762 §6.1). */
export interface NextRecord extends RecordBase {
  readonly type: "NSEC";
  readonly data: { readonly nextDomain: string; readonly rrtypes: readonly string[] };
}
export type DnsRecord = AddressRecord | PointerRecord | ServiceRecord | TextRecord | NextRecord;
export type RecordType = DnsRecord["type"];

export interface DnsQuestion {
  readonly name: string;
  readonly type: Exclude<RecordType, "NSEC"> | "ANY";
  /** The QU bit: an answer by unicast is welcome (RFC 6762 §5.4). */
  readonly unicast: boolean;
}

export interface DnsMessage {
  readonly kind: "query" | "response";
  /** 0 in multicast messages; chosen by the asker in one-shot queries, echoed in their answers. */
  readonly id: number;
  /** More known answers follow in another message (RFC 6762 §7.2). */
  readonly truncated: boolean;
  readonly questions: readonly DnsQuestion[];
  readonly answers: readonly DnsRecord[];
  readonly authorities: readonly DnsRecord[];
  readonly additionals: readonly DnsRecord[];
}

/** A message with empty parts where none are given. */
export function dnsMessage(kind: DnsMessage["kind"], parts: Partial<DnsMessage>): DnsMessage {
  return {
    id: 0,
    truncated: false,
    questions: [],
    answers: [],
    authorities: [],
    additionals: [],
    ...parts,
    kind,
  };
}

/** Names compare without case of ASCII letters (RFC 6762 §16); this is the form to compare. */
export function nameKey(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => letter.toLowerCase());
}

/** True when both name the same. */
export function sameName(a: string, b: string): boolean {
  return a === b || nameKey(a) === nameKey(b);
}

/** Identity of the data of a record, for comparing two records of one name and type. */
export function dataKey(record: DnsRecord): string {
  switch (record.type) {
    case "A":
      return record.data;
    case "AAAA":
      return ipBytes(record.data)?.toHex() ?? record.data;
    case "PTR":
      return nameKey(record.data);
    case "SRV":
      return `${record.data.port} ${nameKey(record.data.target)}`;
    case "TXT":
      return record.data.map((part) => part.toHex()).join(" ");
    case "NSEC":
      return `${nameKey(record.data.nextDomain)} ${record.data.rrtypes.join(" ")}`;
  }
}

/** Identity of a record: name, type and data; neither its time to live nor its flush bit. */
export function recordKey(record: DnsRecord): string {
  return `${record.type} ${nameKey(record.name)} ${dataKey(record)}`;
}

/** Bytes that a name takes on the wire without compression. */
function nameBytes(name: string): number {
  return new TextEncoder().encode(name).length + 2;
}

/** Bytes that a record takes on the wire without compression, which is how we send it. */
export function recordBytes(record: DnsRecord): number {
  const head = nameBytes(record.name) + 10;
  switch (record.type) {
    case "A":
      return head + 4;
    case "AAAA":
      return head + 16;
    case "PTR":
      return head + nameBytes(record.data);
    case "SRV":
      return head + 6 + nameBytes(record.data.target);
    case "TXT":
      return head + record.data.reduce((sum, part) => sum + part.length + 1, 0);
    case "NSEC":
      return head + nameBytes(record.data.nextDomain) + 8;
  }
}

const TYPE_NUMBER = { A: 1, PTR: 12, TXT: 16, AAAA: 28, SRV: 33, NSEC: 47 } as const;

/** Raw data as RFC 6762 §8.2 compares it: names uncompressed. */
function rawData(record: DnsRecord): Uint8Array {
  switch (record.type) {
    case "A":
    case "AAAA":
      return ipBytes(record.data) ?? new Uint8Array();
    case "PTR":
      return rawName(record.data);
    case "SRV": {
      const { port, target } = record.data;
      return Uint8Array.from([0, 0, 0, 0, port >> 8, port & 255, ...rawName(target)]);
    }
    case "TXT":
      return Uint8Array.from(record.data.flatMap((part) => [part.length, ...part]));
    case "NSEC":
      return rawName(record.data.nextDomain);
  }
}

function rawName(name: string): Uint8Array {
  const labels = name.split(".").map((label) => new TextEncoder().encode(label));
  return Uint8Array.from([...labels.flatMap((label) => [label.length, ...label]), 0]);
}

function compareBytes(a: Uint8Array, b: Uint8Array): number {
  for (let i = 0; i < a.length && i < b.length; i++) {
    if (a[i] !== b[i]) return (a[i] ?? 0) - (b[i] ?? 0);
  }
  return a.length - b.length;
}

function compareRecords(a: DnsRecord, b: DnsRecord): number {
  return TYPE_NUMBER[a.type] - TYPE_NUMBER[b.type] || compareBytes(rawData(a), rawData(b));
}

/**
 * Who wins when two hosts probe for one name at once (RFC 6762 §8.2.1): sorted by class, type and raw data, the first
 * difference decides, the later one wins.
 *
 * @returns above 0 when `ours` wins, below 0 when `theirs` does, 0 when they are the same
 */
export function compareProbes(ours: readonly DnsRecord[], theirs: readonly DnsRecord[]): number {
  const a = ours.toSorted(compareRecords);
  const b = theirs.toSorted(compareRecords);
  for (let i = 0; i < a.length && i < b.length; i++) {
    const [left, right] = [a[i], b[i]];
    if (left === undefined || right === undefined) break;
    const order = compareRecords(left, right);
    if (order !== 0) return order;
  }
  return a.length - b.length;
}
