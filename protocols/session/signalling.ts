/**
 * What two devices say over a rendezvous to open a WebRTC path: an offer answered by an answer, then the offerer's
 * candidates. Everything is signed by the device that says it, the answer also names the offer it belongs to, so that
 * nobody between them can put its own DTLS fingerprint in. How they travel is in `signed_signal.ts`.
 */
import { z } from "zod";
import type { Crypto } from "../../platform/ports.ts";
import { RENDEZVOUS_BYTES_MAX } from "../../platform/transport.ts";
import { bytes16, bytes32, text } from "../wire_schema.ts";
import { signalWire } from "./signed_signal.ts";

/** Longest session description, bytes. */
export const SDP_BYTES_MAX = 8 * 1024;
/** Candidates in one message, at most. */
export const CANDIDATES_MAX = 48;
/** Longest candidate line, bytes. */
export const CANDIDATE_BYTES_MAX = 512;

/** "I want a path to you." Answered by `SignalAnswer`, or refused without a reason when the sender is no member. */
export interface SignalOffer {
  readonly type: "offer";
  /** 16 random bytes: names this attempt and makes the offer fresh. */
  readonly id: Uint8Array;
  /** As announced by discovery. */
  readonly meshTag: string;
  /** 32-byte public key of the sender. */
  readonly from: Uint8Array;
  /** 32-byte public key of the device that is meant; 32 zero bytes for whoever of the mesh is at this address. */
  readonly to: Uint8Array;
  /** Session description without candidates. */
  readonly sdp: string;
}

/** The reply to an offer. */
export interface SignalAnswer {
  readonly type: "answer";
  readonly id: Uint8Array;
  readonly from: Uint8Array;
  /** SHA-256 of the offer's body. */
  readonly offerHash: Uint8Array;
  readonly sdp: string;
  /** The answerer's ICE candidates. */
  readonly candidates: readonly string[];
}

/** The offerer's ICE candidates, sent when the answer has been applied. Answered by an empty body. */
export interface SignalCandidates {
  readonly type: "candidates";
  readonly id: Uint8Array;
  readonly from: Uint8Array;
  readonly candidates: readonly string[];
}

export type SignalMessage = SignalOffer | SignalAnswer | SignalCandidates;

const candidates = z.array(text(CANDIDATE_BYTES_MAX)).max(CANDIDATES_MAX);
const message = z.discriminatedUnion("type", [
  z.strictObject({
    type: z.literal("offer"),
    id: bytes16,
    meshTag: text(8),
    from: bytes32,
    to: bytes32,
    sdp: text(SDP_BYTES_MAX),
  }),
  z.strictObject({
    type: z.literal("answer"),
    id: bytes16,
    from: bytes32,
    offerHash: bytes32,
    sdp: text(SDP_BYTES_MAX),
    candidates,
  }),
  z.strictObject({ type: z.literal("candidates"), id: bytes16, from: bytes32, candidates }),
]);

/** How they travel. */
export const { encode: encodeSignal, decode: decodeSignal, verify: verifySignal } = signalWire<
  SignalMessage
>({
  schema: message,
  domainOf: ({ type }) => type === "answer" ? "signalAnswer" : "signalOffer",
  bytesMax: RENDEZVOUS_BYTES_MAX,
  bodyBytesMax: RENDEZVOUS_BYTES_MAX,
  itemsMax: 128,
});

/** The one SHA-256 DTLS fingerprint of a session description, 32 bytes; undefined when there is none or more than one. */
export function fingerprintOf(sdp: string): Uint8Array<ArrayBuffer> | undefined {
  const found = new Set<string>();
  for (const match of sdp.matchAll(/^a=fingerprint:(\S+) (\S+)\r?$/gmi)) {
    const [, algorithm = "", value = ""] = match;
    const hex = value.replaceAll(":", "").toLowerCase();
    if (algorithm.toLowerCase() !== "sha-256" || !/^[0-9a-f]{64}$/.test(hex)) return undefined;
    found.add(hex);
  }
  const [only] = found;
  return found.size === 1 && only !== undefined ? Uint8Array.fromHex(only) : undefined;
}

/** Channel binding of a WebRTC path: SHA-256 over both fingerprints, the smaller first. */
export function webrtcBinding(
  crypto: Crypto,
  a: Uint8Array,
  b: Uint8Array,
): Uint8Array<ArrayBuffer> {
  return a.toHex() < b.toHex() ? crypto.sha256(a, b) : crypto.sha256(b, a);
}

/** A session description without its candidate lines. */
export function withoutCandidates(sdp: string): string {
  return sdp.replace(/^a=(candidate:.*|end-of-candidates)\r?\n/gm, "");
}
