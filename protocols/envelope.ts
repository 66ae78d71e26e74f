/**
 * What a session carries: one message of one protocol. The header has a fixed form because it is parsed for every
 * message: byte 0 protocol number, byte 1 protocol version, bytes 2–5 request id (unsigned, big endian), then the body.
 */
import { invariant } from "../platform/invariant.ts";

/** The protocols between nodes. */
export const PROTOCOLS = ["sync", "gossip", "mailbox", "liveness", "bridge", "rounds"] as const;
export type ProtocolName = typeof PROTOCOLS[number];

/** Largest envelope, bytes: one chunk and its frame around it, with room. */
export const ENVELOPE_BYTES_MAX = 512 * 1024;

/** Bytes in front of the body. */
export const ENVELOPE_HEADER_BYTES = 6;

/** Numbers on the wire; never reused for another protocol. */
const PROTOCOL_NUMBERS: Readonly<Record<ProtocolName, number>> = {
  sync: 1,
  gossip: 2,
  mailbox: 3,
  liveness: 4,
  bridge: 5,
  rounds: 6,
};
const nameByNumber = new Map(PROTOCOLS.map((name) => [PROTOCOL_NUMBERS[name], name] as const));

/** One message of one protocol. */
export interface Envelope {
  readonly protocol: ProtocolName;
  /** Version of that protocol, 1–255. */
  readonly version: number;
  /** Pairs a reply with its request, unsigned 32 bits; 0 when the protocol pairs them itself. */
  readonly requestId: number;
  readonly body: Uint8Array;
}

export type EnvelopeOutcome =
  | { readonly type: "envelope"; readonly envelope: Envelope }
  | { readonly type: "invalid"; readonly reason: string };

/** Encodes an envelope. The body may have at most `ENVELOPE_BYTES_MAX - ENVELOPE_HEADER_BYTES` bytes. */
export function encodeEnvelope(envelope: Envelope): Uint8Array<ArrayBuffer> {
  const bytes = ENVELOPE_HEADER_BYTES + envelope.body.length;
  invariant(
    bytes <= ENVELOPE_BYTES_MAX,
    () => `Cannot encode envelope: ${bytes} bytes, expected <= ${ENVELOPE_BYTES_MAX}`,
  );
  const out = new Uint8Array(bytes);
  writeEnvelope(envelope, out, 0);
  return out;
}

/** Writes an envelope into `out` at `offset`; it takes `ENVELOPE_HEADER_BYTES + body.length` bytes. */
export function writeEnvelope(envelope: Envelope, out: Uint8Array, offset: number): void {
  const { version, requestId } = envelope;
  invariant(
    Number.isInteger(version) && version >= 1 && version <= 255,
    () => `Cannot encode envelope: version is ${version}, expected 1-255`,
  );
  invariant(
    Number.isInteger(requestId) && requestId >= 0 && requestId <= 0xffff_ffff,
    () => `Cannot encode envelope: request id is ${requestId}, expected 32 bits`,
  );
  out[offset] = PROTOCOL_NUMBERS[envelope.protocol];
  out[offset + 1] = version;
  out[offset + 2] = requestId >>> 24;
  out[offset + 3] = requestId >>> 16;
  out[offset + 4] = requestId >>> 8;
  out[offset + 5] = requestId;
  out.set(envelope.body, offset + ENVELOPE_HEADER_BYTES);
}

/** Decodes an envelope; the body is a view of `bytes`. Says why when it is none. */
export function decodeEnvelope(bytes: Uint8Array): EnvelopeOutcome {
  if (bytes.length > ENVELOPE_BYTES_MAX) {
    return invalid(`envelope has ${bytes.length} bytes, expected <= ${ENVELOPE_BYTES_MAX}`);
  }
  const [number, version, a, b, c, d] = bytes;
  if (
    number === undefined || version === undefined || a === undefined || b === undefined ||
    c === undefined || d === undefined
  ) {
    return invalid(`envelope has ${bytes.length} bytes, expected >= ${ENVELOPE_HEADER_BYTES}`);
  }
  const protocol = nameByNumber.get(number);
  if (protocol === undefined) {
    return invalid(`protocol number is ${number}, expected one of ${[...nameByNumber.keys()]}`);
  }
  if (version === 0) return invalid("protocol version is 0, expected 1-255");
  const requestId = ((a << 24) | (b << 16) | (c << 8) | d) >>> 0;
  const body = bytes.subarray(ENVELOPE_HEADER_BYTES);
  return { type: "envelope", envelope: { protocol, version, requestId, body } };
}

function invalid(reason: string): EnvelopeOutcome {
  return { type: "invalid", reason };
}
