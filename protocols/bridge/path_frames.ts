/**
 * The frames of a path over a broker, in a fixed form because each message of each session passes here: byte 0 version, byte 1 kind,
 * bytes 2–9 the id that the receiver gave the path, then what the kind needs. The broker may lose, repeat and reorder them.
 *
 * Opening is a request: `{device, path id}` under the mesh's veil, answered by `{path id}` or a refusal, under the veil as well.
 */
import { type DeviceId, deviceIdOf, publicKeyOf } from "../ids.ts";

const VERSION = 1;
/** Bytes in front of the payload of a data frame. */
export const PATH_HEADER_BYTES = 14;
/** Bytes of the id of a path. */
export const PATH_ID_BYTES = 8;
/** Longest reason in a `close`, bytes. */
export const REASON_BYTES_MAX = 100;
/** Frames of one direction of one path; a path that reaches it closes. */
export const SEQUENCE_MAX = 0xffff_fffe;

const KINDS = { data: 1, acknowledge: 2, ping: 3, close: 4 } as const;

export type PathFrame =
  /** Number `sequence` (from 0) of its direction. */
  | {
    readonly type: "data";
    readonly id: string;
    readonly sequence: number;
    readonly payload: Uint8Array;
  }
  /** All numbers below `next` have reached the listener. */
  | { readonly type: "acknowledge"; readonly id: string; readonly next: number }
  /** "I am still here", when nothing else was sent for a while; acknowledges as well. */
  | { readonly type: "ping"; readonly id: string; readonly next: number }
  /** The end; all numbers below `sequence` were sent before it. */
  | {
    readonly type: "close";
    readonly id: string;
    readonly sequence: number;
    readonly reason: string;
  };

/** "I want a path to you." */
export interface OpenRequest {
  /** Who asks, a claim. */
  readonly from: DeviceId;
  /** The id under which it listens, 16 hex digits; also names the attempt: the same request again has the same answer. */
  readonly id: string;
}

export type OpenReply =
  | { readonly type: "opened"; readonly id: string }
  | { readonly type: "refused"; readonly reason: string };

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** Writes a frame. */
export function encodePathFrame(frame: PathFrame): Uint8Array<ArrayBuffer> {
  const tail = frame.type === "data"
    ? frame.payload
    : frame.type === "close"
    ? encoder.encode(frame.reason).subarray(0, REASON_BYTES_MAX)
    : NOTHING;
  const out = new Uint8Array(PATH_HEADER_BYTES + tail.length);
  out[0] = VERSION;
  out[1] = KINDS[frame.type];
  out.set(Uint8Array.fromHex(frame.id), 2);
  const number = "next" in frame ? frame.next : frame.sequence;
  new DataView(out.buffer).setUint32(10, number);
  out.set(tail, PATH_HEADER_BYTES);
  return out;
}

/** Reads a frame; the payload is a view of `bytes`. Undefined when it is none; never throws. */
export function decodePathFrame(bytes: Uint8Array): PathFrame | undefined {
  if (bytes.length < PATH_HEADER_BYTES || bytes[0] !== VERSION) return undefined;
  const id = bytes.subarray(2, 10).toHex();
  const number = new DataView(bytes.buffer, bytes.byteOffset, bytes.length).getUint32(10);
  const tail = bytes.subarray(PATH_HEADER_BYTES);
  switch (bytes[1]) {
    case KINDS.data:
      return { type: "data", id, sequence: number, payload: tail };
    case KINDS.acknowledge:
      return tail.length > 0 ? undefined : { type: "acknowledge", id, next: number };
    case KINDS.ping:
      return tail.length > 0 ? undefined : { type: "ping", id, next: number };
    case KINDS.close:
      if (tail.length > REASON_BYTES_MAX) return undefined;
      return { type: "close", id, sequence: number, reason: printable(decoder.decode(tail)) };
    default:
      return undefined;
  }
}

/** Writes what is under the veil of an opening request. */
export function encodeOpenRequest(request: OpenRequest): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(1 + 32 + PATH_ID_BYTES);
  out[0] = VERSION;
  out.set(publicKeyOf(request.from), 1);
  out.set(Uint8Array.fromHex(request.id), 33);
  return out;
}

/** Reads it; undefined when it is none. */
export function decodeOpenRequest(bytes: Uint8Array): OpenRequest | undefined {
  if (bytes.length !== 1 + 32 + PATH_ID_BYTES || bytes[0] !== VERSION) return undefined;
  return { from: deviceIdOf(bytes.subarray(1, 33)), id: bytes.subarray(33).toHex() };
}

/** Writes what is under the veil of the reply. */
export function encodeOpenReply(reply: OpenReply): Uint8Array<ArrayBuffer> {
  const tail = reply.type === "opened"
    ? Uint8Array.fromHex(reply.id)
    : encoder.encode(reply.reason).subarray(0, REASON_BYTES_MAX);
  const out = new Uint8Array(1 + tail.length);
  out[0] = reply.type === "opened" ? 1 : 0;
  out.set(tail, 1);
  return out;
}

/** Reads it; undefined when it is none. */
export function decodeOpenReply(bytes: Uint8Array): OpenReply | undefined {
  const tail = bytes.subarray(1);
  if (bytes[0] === 1 && tail.length === PATH_ID_BYTES) return { type: "opened", id: tail.toHex() };
  if (bytes[0] !== 0 || tail.length > REASON_BYTES_MAX) return undefined;
  return { type: "refused", reason: printable(decoder.decode(tail)) };
}

const NOTHING = new Uint8Array(0);

/** Text of somebody else, for logs and people. */
function printable(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}]/gu, "");
}
