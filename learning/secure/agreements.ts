/**
 * Agreements on keys (X25519, RFC 7748) in a secure sum. They are what a device's part costs beside its masks, so nothing is agreed on twice while the secret
 * is in memory, and whether a key is of use is looked up, not tried.
 */
import type { AgreementKeyPair, Crypto, Random } from "../../platform/ports.ts";
import { equalBytes } from "../../protocols/codec.ts";

type Agreeing = Pick<Crypto, "agreementKeyPair">;

/**
 * All u of low order that 255 bits can write, little-endian: agreeing with them gives zero whatever the secret. The two points of order 8 are those of
 * Bernstein's "Curve25519: validate" page; p and p + 1 are 0 and 1 once more.
 */
const LOW_ORDER = [
  "0000000000000000000000000000000000000000000000000000000000000000",
  "0100000000000000000000000000000000000000000000000000000000000000",
  "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
  "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
  "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
  "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
  "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
].map((hex) => Uint8Array.fromHex(hex));

/** True for a public key of 32 bytes with which everybody agrees on zero. Its highest bit is not read, as in RFC 7748. */
export function hasLowOrder(publicKey: Uint8Array): boolean {
  const point = publicKey.slice();
  point[31]! &= 0x7f;
  return LOW_ORDER.some((low) => equalBytes(low, point));
}

// By the secret's own bytes, which live as long as the state they are in.
const pairs = new WeakMap<Uint8Array, AgreementKeyPair>();
const agreements = new WeakMap<Uint8Array, Map<string, Uint8Array>>();

/** The X25519 key pair of a stored secret. */
export function keyPairOf(crypto: Agreeing, secret: Uint8Array): AgreementKeyPair {
  let pair = pairs.get(secret);
  if (pair === undefined) {
    const stored: Pick<Random, "bytes"> = { bytes: () => secret.slice() };
    pairs.set(secret, pair = crypto.agreementKeyPair(stored as Random));
  }
  return pair;
}

/** The agreed secret; undefined when the other key has low order. */
export function agreed(pair: AgreementKeyPair, other: Uint8Array): Uint8Array | undefined {
  try {
    return pair.agree(other);
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}

/** The same for a secret that asks again: a device seals shares for each of its neighbours, and opens theirs, under one agreement. */
export function agreedOnce(
  crypto: Agreeing,
  secret: Uint8Array,
  other: Uint8Array,
): Uint8Array | undefined {
  let known = agreements.get(secret);
  if (known === undefined) agreements.set(secret, known = new Map());
  const name = other.toHex();
  const before = known.get(name);
  if (before !== undefined) return before;
  const now = agreed(keyPairOf(crypto, secret), other);
  // As many as a device has neighbours.
  if (now !== undefined) known.set(name, now);
  return now;
}
