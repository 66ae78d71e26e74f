/**
 * The parcel: one sealed message on its way to one device, as every carrier sees it. The carrier learns who wrote to whom, when, until
 * when and how much; the content is a box that only the recipient opens. The sender's signature lets a carrier refuse
 * what no member has sent before it stores a byte. Format: `docs/protocols/mailbox.md`.
 */
import type { DeviceId, MeshId } from "../ids.ts";

/** Lower-case hex of the SHA-256 of a parcel's header, 64 characters. */
export type ParcelId = string & { readonly __brand: "ParcelId" };

/** What is signed. */
export interface ParcelHeader {
  readonly version: 1;
  readonly mesh: MeshId;
  readonly from: DeviceId;
  readonly to: DeviceId;
  /** 1 for the sender's first parcel to this recipient in this `series`, then without gaps: tells the recipient what is still missing. */
  readonly number: number;
  /** 8 random bytes drawn when the sender's numbering begins (again, after its disk was put back). */
  readonly series: Uint8Array;
  /** The sender's wall clock, ms: a claim. */
  readonly timeMs: number;
  /** Carriers drop it after this wall time, ms; at most `PARCEL_LIFE_MS_MAX` after `timeMs`. */
  readonly expiresAtMs: number;
  /** SHA-256 of `sealed`, 32 bytes. */
  readonly sealedHash: Uint8Array;
  readonly sealedBytes: number;
}

export interface Parcel {
  readonly id: ParcelId;
  readonly header: ParcelHeader;
  /** Exactly what was signed: canonical CBOR of the header. */
  readonly headerBytes: Uint8Array;
  /** Ed25519 under the domain `parcel`, 64 bytes. */
  readonly signature: Uint8Array;
  /** The sender's box for the recipient (`Sealer.seal`): 24-byte nonce, then X25519-XSalsa20-Poly1305 of an encoded `Content`. */
  readonly sealed: Uint8Array;
}

/** Largest sealed content, bytes. */
export const SEALED_BYTES_MAX = 300 * 1024;
/** Largest encoded parcel, bytes. */
export const PARCEL_BYTES_MAX = SEALED_BYTES_MAX + 1_024;
/** A parcel lives at most 30 days. */
export const PARCEL_LIFE_MS_MAX = 30 * 24 * 60 * 60 * 1000;
/** Carriers accept clocks this far ahead, ms. */
export const PARCEL_SKEW_MS = 15 * 60 * 1000;
/**
 * Recipients accept clocks this far ahead, ms: a clock that is wrong by hours must not cost a message, and what they remember of a
 * parcel stays bounded in time.
 */
export const RECIPIENT_SKEW_MS = 24 * 60 * 60 * 1000;
