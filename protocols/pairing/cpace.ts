/**
 * CPace: two sides with one short secret get one strong key, and whoever does not know the secret gets one guess per run and
 * nothing to test offline. Suite CPACE-RISTR255-SHA512, initiator-responder, as in draft-irtf-cfrg-cpace (sections 6, 7.2 and
 * appendix A); checked against its test vectors.
 *
 * Group arithmetic is @noble/curves', which runs on bigints and is not constant-time to the last cycle: secrets live for
 * one run only, and an attacker sees one run of each.
 */
import { ristretto255, ristretto255_hasher } from "@noble/curves/ed25519.js";
import { sha512 } from "@noble/hashes/sha2.js";
import { invariant } from "../../platform/invariant.ts";

const utf8 = new TextEncoder();
const DSI = utf8.encode("CPaceRistretto255");
const DSI_ISK = utf8.encode("CPaceRistretto255_ISK");
const DSI_MAC = utf8.encode("CPaceMac");
const HASH_BLOCK_BYTES = 128;

/** What both sides must have in common before they start. */
export interface CpaceInputs {
  /** The short secret, "PRS". */
  readonly password: Uint8Array;
  /** Channel identifier, "CI". */
  readonly channel: Uint8Array;
  /** Session id, "sid": fresh in every run. */
  readonly session: Uint8Array;
}

/** One side of a run between sending its share and hearing the other's. */
export interface CpaceShare {
  /** 32 bytes, sent to the other side. */
  readonly share: Uint8Array;
  /** Never leaves this device. */
  readonly scalar: bigint;
}

/** A share as it stands in the transcript, with what its sender bound to it. */
export interface CpaceSent {
  readonly share: Uint8Array;
  readonly associated: Uint8Array;
}

/** Chooses a scalar from 32 random bytes (section 7.2: the bits above 252 are cleared) and makes this side's share. */
export function makeShare(inputs: CpaceInputs, random: Uint8Array): CpaceShare {
  invariant(random.length === 32, () => `a scalar needs 32 random bytes, got ${random.length}`);
  let scalar = 0n;
  for (let index = 31; index >= 0; index--) {
    const byte = random[index] as number;
    scalar = scalar << 8n | BigInt(index === 31 ? byte & 0x0f : byte);
  }
  invariant(scalar !== 0n, "the random generator gave a scalar of zero");
  return { share: generatorOf(inputs).multiply(scalar).toBytes(), scalar };
}

/**
 * The key both sides get ("ISK", 64 bytes) when password, channel, session and transcript are the same. Undefined when the
 * remote share is no group element or the neutral one: the run must end then.
 */
export function sharedKey(
  options: {
    readonly session: Uint8Array;
    readonly scalar: bigint;
    readonly remoteShare: Uint8Array;
    readonly initiator: CpaceSent;
    readonly responder: CpaceSent;
  },
): Uint8Array | undefined {
  const { session, scalar, remoteShare, initiator, responder } = options;
  let remote;
  try {
    remote = ristretto255.Point.fromBytes(remoteShare);
  } catch {
    return undefined;
  }
  if (remote.equals(ristretto255.Point.ZERO)) return undefined;
  const secret = remote.multiply(scalar).toBytes();
  const hash = sha512.create();
  hash.update(lengthValues(DSI_ISK, session, secret));
  hash.update(lengthValues(initiator.share, initiator.associated));
  hash.update(lengthValues(responder.share, responder.associated));
  return hash.digest();
}

/** The key for confirmation tags (section "Key confirmation"): a side's tag is a MAC over `lengthValues(share, associated)` it sent. */
export function confirmationKey(session: Uint8Array, isk: Uint8Array): Uint8Array {
  return sha512.create().update(DSI_MAC).update(session).update(isk).digest();
}

/** `lv_cat` of the draft: every part behind its length in LEB128, so that no two lists of parts give the same bytes. */
export function lengthValues(...parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const out: number[] = [];
  for (const part of parts) {
    let length = part.length;
    while (length >= 128) {
      out.push(length & 0x7f | 0x80);
      length >>>= 7;
    }
    out.push(length);
    for (const byte of part) out.push(byte);
  }
  return new Uint8Array(out);
}

/** `generator_string` of the draft: the zeros fill the first hash block, so that its time does not depend on the password. */
export function generatorString(inputs: CpaceInputs): Uint8Array<ArrayBuffer> {
  const { password, channel, session } = inputs;
  const used = lengthValues(password).length + lengthValues(DSI).length + 1;
  const zeros = new Uint8Array(Math.max(0, HASH_BLOCK_BYTES - used));
  return lengthValues(DSI, password, zeros, channel, session);
}

/** `calculate_generator` of the draft, as a point. */
export function generatorOf(inputs: CpaceInputs): InstanceType<typeof ristretto255.Point> {
  const hash = sha512(generatorString(inputs));
  // Element derivation of RFC 9496 section 4.3.4, from 64 uniform bytes.
  return ristretto255_hasher.deriveToCurve!(hash) as InstanceType<typeof ristretto255.Point>;
}
