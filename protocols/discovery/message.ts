/**
 * The edge between the DNS codec and us: what the codec decoded becomes a bounded `DnsMessage`, or is refused. Records of other
 * types and services pass by unread. Nothing else may look at decoded packets.
 */
import { Buffer } from "node:buffer";
import { ipBytes } from "./ip.ts";
import type { DnsMessage, DnsQuestion, DnsRecord } from "./dns.ts";

/** Datagrams above this are not even decoded, bytes (RFC 6762 §17). */
export const DATAGRAM_BYTES_MAX = 9_000;
/** What we send fits an Ethernet frame, bytes. */
export const SENT_BYTES_MAX = 1_400;
const QUESTIONS_MAX = 64;
const RECORDS_MAX = 256;
const NAME_LENGTH_MAX = 255;
const TEXT_BYTES_MAX = 1_300;
/** Nothing heard is believed for longer than this, seconds (RFC 6762 §10). */
export const TTL_S_MAX = 4_500;

type Loose = Readonly<Record<string, unknown>>;

/** The packet form of `npm:dns-packet`, which `npm:multicast-dns` encodes. */
export interface CodecPacket {
  readonly type: "query" | "response";
  readonly id: number;
  readonly flags: number;
  readonly questions: readonly object[];
  readonly answers: readonly object[];
  readonly authorities: readonly object[];
  readonly additionals: readonly object[];
}

const AUTHORITATIVE = 1 << 10;
const TRUNCATED = 1 << 9;

function isLoose(value: unknown): value is Loose {
  return typeof value === "object" && value !== null;
}

function nameIn(value: unknown): string | undefined {
  return typeof value === "string" && value.length > 0 && value.length <= NAME_LENGTH_MAX
    ? value
    : undefined;
}

function parseQuestion(value: unknown): DnsQuestion | undefined {
  if (!isLoose(value)) return undefined;
  const name = nameIn(value.name);
  if (name === undefined) return undefined;
  // The codec shows class IN with the QU bit as a number it does not know.
  const unicast = value.class === "UNKNOWN_32769" || value.class === "UNKNOWN_33023";
  if (!unicast && value.class !== "IN" && value.class !== "ANY") return undefined;
  switch (value.type) {
    case "A":
    case "AAAA":
    case "PTR":
    case "SRV":
    case "TXT":
    case "ANY":
      return { name, type: value.type, unicast };
    default:
      return undefined;
  }
}

function parseRecord(value: unknown): DnsRecord | undefined {
  if (!isLoose(value) || value.class !== "IN") return undefined;
  const name = nameIn(value.name);
  const ttl = value.ttl;
  if (name === undefined || typeof ttl !== "number" || !Number.isInteger(ttl) || ttl < 0) {
    return undefined;
  }
  // A time to live with the top bit set means 0 (RFC 2181 §8).
  const base = {
    name,
    ttlS: ttl > 0x7fff_ffff ? 0 : Math.min(ttl, TTL_S_MAX),
    flush: value.flush === true,
  };
  switch (value.type) {
    case "A":
    case "AAAA": {
      const bytes = typeof value.data === "string" ? ipBytes(value.data) : undefined;
      if (bytes?.length !== (value.type === "A" ? 4 : 16)) return undefined;
      return { ...base, type: value.type, data: value.data as string };
    }
    case "PTR": {
      const data = nameIn(value.data);
      return data === undefined ? undefined : { ...base, type: "PTR", data };
    }
    case "SRV": {
      const port = isLoose(value.data) ? value.data.port : undefined;
      const target = isLoose(value.data) ? nameIn(value.data.target) : undefined;
      if (typeof port !== "number" || target === undefined) return undefined;
      if (!Number.isInteger(port) || port < 0 || port > 65_535) return undefined;
      return { ...base, type: "SRV", data: { port, target } };
    }
    case "TXT": {
      if (!Array.isArray(value.data)) return undefined;
      const parts = value.data.filter((part): part is Uint8Array => part instanceof Uint8Array);
      if (parts.reduce((sum, part) => sum + part.length + 1, 0) > TEXT_BYTES_MAX) return undefined;
      return { ...base, type: "TXT", data: parts.map((part) => Uint8Array.from(part)) };
    }
    default:
      return undefined;
  }
}

/**
 * What a decoded packet says, as far as it concerns discovery; undefined when it is no standard query or response, or is larger
 * than any honest one.
 */
export function parseMessage(packet: unknown): DnsMessage | undefined {
  if (!isLoose(packet)) return undefined;
  const { type, id, questions, answers, authorities, additionals } = packet;
  if (type !== "query" && type !== "response") return undefined;
  if (packet.opcode !== undefined && packet.opcode !== "QUERY") return undefined;
  if (typeof id !== "number" || !Number.isInteger(id) || id < 0 || id > 65_535) return undefined;
  const lists = [questions, answers, authorities, additionals].map((list) =>
    Array.isArray(list) ? list as readonly unknown[] : []
  );
  const [asked = [], answered = [], proposed = [], added = []] = lists;
  if (asked.length > QUESTIONS_MAX) return undefined;
  if (answered.length + proposed.length + added.length > RECORDS_MAX) return undefined;
  const records = (list: readonly unknown[]) =>
    list.map(parseRecord).filter((record) => record !== undefined);
  return {
    kind: type,
    id,
    truncated: packet.flag_tc === true,
    questions: asked.map(parseQuestion).filter((question) => question !== undefined),
    answers: records(answered),
    authorities: records(proposed),
    additionals: records(added),
  };
}

function codecRecord(record: DnsRecord): object {
  const { name, type, ttlS: ttl, flush } = record;
  const base = { name, type, ttl, flush, class: "IN" };
  switch (record.type) {
    case "SRV":
      return { ...base, data: { priority: 0, weight: 0, ...record.data } };
    case "TXT":
      return { ...base, data: record.data.map((part) => Buffer.from(part)) };
    default:
      return { ...base, data: record.data };
  }
}

/** The packet that the codec encodes. Questions are never sent with the QU bit: see docs/protocols/discovery.md. */
export function toPacket(message: DnsMessage): CodecPacket {
  return {
    type: message.kind,
    id: message.id,
    flags: (message.kind === "response" ? AUTHORITATIVE : 0) | (message.truncated ? TRUNCATED : 0),
    questions: message.questions.map(({ name, type }) => ({ name, type, class: "IN" })),
    answers: message.answers.map(codecRecord),
    authorities: message.authorities.map(codecRecord),
    additionals: message.additionals.map(codecRecord),
  };
}
