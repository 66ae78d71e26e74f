/**
 * Session frames as bytes. Fixed binary forms instead of CBOR, because a frame is made and parsed for every 64 KiB at
 * line speed; `docs/protocols/session.md` has the tables. Numbers are big endian; positions take 48 bits.
 */
import { invariant } from "../../platform/invariant.ts";
import type { GoodbyeReason, SessionFrame } from "./messages.ts";

/** First byte of each frame. Kinds below 0x10 belong to the handshake. */
export const FRAME_KINDS = {
  resume: 0x10,
  data: 0x11,
  ack: 0x12,
  ping: 0x13,
  pong: 0x14,
  goodbye: 0x15,
} as const;

/** Bytes in front of the stream bytes of a data frame. */
export const DATA_HEADER_BYTES = 13;
/** Largest stream position; at 100 MB/s it is reached after a month, and then the path closes and the session begins afresh. */
export const POSITION_MAX = 2 ** 48 - 1;

const ID_BYTES = 16;
const TAG_BYTES = 8;
const RESUME_BYTES = 1 + ID_BYTES + ID_BYTES + 6 + TAG_BYTES + TAG_BYTES;
const GOODBYE_REASONS: readonly GoodbyeReason[] = ["stopping", "stalled", "violation"];

export type FrameOutcome =
  | { readonly type: "frame"; readonly frame: SessionFrame }
  | { readonly type: "invalid"; readonly reason: string };

/** Encodes one frame. */
export function encodeFrame(frame: SessionFrame): Uint8Array<ArrayBuffer> {
  switch (frame.type) {
    case "resume": {
      const out = new Uint8Array(RESUME_BYTES);
      out[0] = FRAME_KINDS.resume;
      out.set(sized(frame.localId, ID_BYTES), 1);
      out.set(sized(frame.remoteId, ID_BYTES), 17);
      writePosition(out, 33, frame.received);
      out.set(sized(frame.boot, TAG_BYTES), 39);
      out.set(sized(frame.lastPath, TAG_BYTES), 47);
      return out;
    }
    case "data": {
      const out = new Uint8Array(DATA_HEADER_BYTES + frame.bytes.length);
      writeDataHeader(out, frame.offset, frame.acknowledged);
      out.set(frame.bytes, DATA_HEADER_BYTES);
      return out;
    }
    case "ack": {
      const out = new Uint8Array(7);
      out[0] = FRAME_KINDS.ack;
      writePosition(out, 1, frame.acknowledged);
      return out;
    }
    case "ping":
    case "pong": {
      const out = new Uint8Array(11);
      out[0] = FRAME_KINDS[frame.type];
      new DataView(out.buffer).setUint32(1, frame.token);
      writePosition(out, 5, frame.acknowledged);
      return out;
    }
    case "goodbye":
      return Uint8Array.of(FRAME_KINDS.goodbye, GOODBYE_REASONS.indexOf(frame.reason));
  }
}

/** Writes the 13 bytes in front of a data frame's stream bytes; for senders that gather into their own buffer. */
export function writeDataHeader(out: Uint8Array, offset: number, acknowledged: number): void {
  out[0] = FRAME_KINDS.data;
  writePosition(out, 1, offset);
  writePosition(out, 7, acknowledged);
}

/** Decodes one frame; byte fields are views of `bytes`. Says why when it is none. */
export function decodeFrame(bytes: Uint8Array): FrameOutcome {
  switch (bytes[0]) {
    case FRAME_KINDS.data:
      if (bytes.length <= DATA_HEADER_BYTES) return wrongLength("data", bytes, "> 13");
      return decoded({
        type: "data",
        offset: readPosition(bytes, 1),
        acknowledged: readPosition(bytes, 7),
        bytes: bytes.subarray(DATA_HEADER_BYTES),
      });
    case FRAME_KINDS.ack:
      if (bytes.length !== 7) return wrongLength("ack", bytes, "7");
      return decoded({ type: "ack", acknowledged: readPosition(bytes, 1) });
    case FRAME_KINDS.ping:
    case FRAME_KINDS.pong: {
      const type = bytes[0] === FRAME_KINDS.ping ? "ping" : "pong";
      if (bytes.length !== 11) return wrongLength(type, bytes, "11");
      const token = new DataView(bytes.buffer, bytes.byteOffset).getUint32(1);
      return decoded({ type, token, acknowledged: readPosition(bytes, 5) });
    }
    case FRAME_KINDS.resume:
      if (bytes.length !== RESUME_BYTES) return wrongLength("resume", bytes, `${RESUME_BYTES}`);
      return decoded({
        type: "resume",
        localId: bytes.slice(1, 17),
        remoteId: bytes.slice(17, 33),
        received: readPosition(bytes, 33),
        boot: bytes.slice(39, 47),
        lastPath: bytes.slice(47, 55),
      });
    case FRAME_KINDS.goodbye: {
      if (bytes.length !== 2) return wrongLength("goodbye", bytes, "2");
      const reason = GOODBYE_REASONS[bytes[1] ?? 255];
      if (reason !== undefined) return decoded({ type: "goodbye", reason });
      return invalid(`goodbye reason is ${bytes[1]}, expected 0-${GOODBYE_REASONS.length - 1}`);
    }
    default:
      return invalid(`frame kind is ${bytes[0]}, expected 0x10-0x15`);
  }
}

function writePosition(out: Uint8Array, at: number, position: number): void {
  invariant(
    Number.isInteger(position) && position >= 0 && position <= POSITION_MAX,
    () => `stream position is ${position}, expected 48 bits`,
  );
  const high = Math.floor(position / 2 ** 32);
  out[at] = high >>> 8;
  out[at + 1] = high;
  out[at + 2] = position >>> 24;
  out[at + 3] = position >>> 16;
  out[at + 4] = position >>> 8;
  out[at + 5] = position;
}

function readPosition(bytes: Uint8Array, at: number): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset + at, 6);
  return view.getUint16(0) * 2 ** 32 + view.getUint32(2);
}

function sized(bytes: Uint8Array, length: number): Uint8Array {
  invariant(bytes.length === length, () => `field has ${bytes.length} bytes, expected ${length}`);
  return bytes;
}

function decoded(frame: SessionFrame): FrameOutcome {
  return { type: "frame", frame };
}

function wrongLength(name: string, bytes: Uint8Array, expected: string): FrameOutcome {
  return invalid(`${name} frame has ${bytes.length} bytes, expected ${expected}`);
}

function invalid(reason: string): FrameOutcome {
  return { type: "invalid", reason };
}
