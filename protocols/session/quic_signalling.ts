/**
 * What two devices say over a rendezvous to open a QUIC path: an offer, answered by an answer. Each names the certificate that its
 * sender shows when the other connects to it, and commits to a secret by which the sender proves itself when it connects.
 *
 * Both are signed. Whoever sits between can therefore neither put in a certificate of its own nor connect in somebody's place: the
 * secret travels only inside a connection whose certificate was checked against the signed one.
 *
 * How they travel is in `signed_signal.ts`.
 */
import { z } from "zod";
import type { Crypto } from "../../platform/ports.ts";
import { ipBytes } from "../discovery/ip.ts";
import { bytes16, bytes32, text } from "../wire_schema.ts";
import { signalWire } from "./signed_signal.ts";

/** Candidates in one message, at most. */
export const QUIC_CANDIDATES_MAX = 24;
/** Longest offer or answer, bytes. */
export const QUIC_SIGNAL_BYTES_MAX = 4_096;
/** Bytes of the secret that a message commits to. */
export const QUIC_SECRET_BYTES = 32;

/** A UDP address at which a device may be reached. */
export interface QuicCandidate {
  /** An IPv4 or IPv6 address without zone. */
  readonly host: string;
  readonly port: number;
}

interface Proof {
  /** SHA-256 of the sender's certificate (DER), 32 bytes. */
  readonly certificateHash: Uint8Array;
  /** SHA-256 of the sender's secret for this attempt, 32 bytes. */
  readonly commitment: Uint8Array;
  /** The sender's own UDP port, for whoever knows an address of it by other means. */
  readonly port: number;
  readonly candidates: readonly QuicCandidate[];
}

/** "I want a QUIC path to you." Answered by `QuicAnswer`, or refused without a reason when the sender is no member. */
export interface QuicOffer extends Proof {
  readonly type: "quicOffer";
  /** 16 random bytes: names this attempt and makes the offer fresh. */
  readonly id: Uint8Array;
  /** As announced by discovery. */
  readonly meshTag: string;
  /** 32-byte public key of the sender. */
  readonly from: Uint8Array;
  /** 32-byte public key of the device that is meant; 32 zero bytes for whoever of the mesh is at this address. */
  readonly to: Uint8Array;
}

/** The reply to an offer; its sender dials the offer's candidates at the same time, so that both routers open. */
export interface QuicAnswer extends Proof {
  readonly type: "quicAnswer";
  readonly id: Uint8Array;
  readonly from: Uint8Array;
  /** SHA-256 of the offer's body. */
  readonly offerHash: Uint8Array;
}

export type QuicSignal = QuicOffer | QuicAnswer;

const port = z.int().min(1).max(65_535);
const candidate = z.strictObject({
  host: text(45).refine((host) => ipBytes(host) !== undefined, "expected an IP address"),
  port,
});
const proof = {
  certificateHash: bytes32,
  commitment: bytes32,
  port,
  candidates: z.array(candidate).max(QUIC_CANDIDATES_MAX),
};
const message = z.discriminatedUnion("type", [
  z.strictObject({
    type: z.literal("quicOffer"),
    id: bytes16,
    meshTag: text(8),
    from: bytes32,
    to: bytes32,
    ...proof,
  }),
  z.strictObject({
    type: z.literal("quicAnswer"),
    id: bytes16,
    from: bytes32,
    offerHash: bytes32,
    ...proof,
  }),
]);
/** How they travel. */
export const { encode: encodeQuicSignal, decode: decodeQuicSignal, verify: verifyQuicSignal } =
  signalWire<QuicSignal>({
    schema: message,
    domainOf: ({ type }) => type,
    bytesMax: QUIC_SIGNAL_BYTES_MAX + 128,
    bodyBytesMax: QUIC_SIGNAL_BYTES_MAX,
    itemsMax: 192,
  });

/** What a binding is made of: the same at both ends. */
export interface QuicMeeting {
  readonly id: Uint8Array;
  readonly offer: Pick<Proof, "certificateHash" | "commitment">;
  readonly answer: Pick<Proof, "certificateHash" | "commitment">;
}

const BINDING_LABEL = new TextEncoder().encode("kiana quic v1 binding\0");

/** Channel binding of a QUIC path: SHA-256 over a label, the id, both certificate hashes and both commitments, the offer's first. */
export function quicBinding(crypto: Crypto, meeting: QuicMeeting): Uint8Array<ArrayBuffer> {
  const { id, offer, answer } = meeting;
  return crypto.sha256(
    BINDING_LABEL,
    id,
    offer.certificateHash,
    answer.certificateHash,
    offer.commitment,
    answer.commitment,
  );
}
