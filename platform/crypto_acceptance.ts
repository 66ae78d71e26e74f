/** Which Ed25519 signatures are looked at at all. Every Crypto adapter asks this first, so that all accept the same set. */

/**
 * The y-coordinates of all points of small order, little endian with the sign bit cleared, in every encoding that
 * some library accepts: 0, 1, two of order 8, p−1, p (≡ 0) and p+1 (≡ 1), with p = 2^255 − 19. The list libsodium uses.
 */
const SMALL_ORDER_Y: readonly Uint8Array[] = [
  "0000000000000000000000000000000000000000000000000000000000000000",
  "0100000000000000000000000000000000000000000000000000000000000000",
  "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
  "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
  "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
  "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
  "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
].map((hex) => Uint8Array.fromHex(hex));

/** Whether bytes `offset … offset+32` of `bytes` encode a point of small order. */
function isSmallOrder(bytes: Uint8Array, offset: number): boolean {
  for (const y of SMALL_ORDER_Y) {
    let index = 0;
    while (index < 31 && bytes[offset + index] === y[index]) index++;
    if (index === 31 && ((bytes[offset + 31] as number) & 0x7f) === y[31]) return true;
  }
  return false;
}

/** Whether the 32 bytes encode a y-coordinate below p = 2^255 − 19, the sign bit aside (RFC 8032, 5.1.3). */
function isCanonicalY(bytes: Uint8Array): boolean {
  if (((bytes[31] as number) & 0x7f) !== 0x7f) return true;
  for (let index = 30; index > 0; index--) {
    if (bytes[index] !== 0xff) return true;
  }
  return (bytes[0] as number) < 0xed;
}

/**
 * True when an Ed25519 key (32 bytes) and signature (64 bytes) may be handed to a verifier: right lengths, canonical
 * key, and neither key nor R of small order. Without this the identity key "signs" every message under most
 * libraries, and libraries disagree about crafted signatures ("Taming the many EdDSAs", SSR 2020).
 */
export function isAcceptableForm(publicKey: Uint8Array, signature: Uint8Array): boolean {
  return publicKey.length === 32 && signature.length === 64 && isCanonicalY(publicKey) &&
    !isSmallOrder(publicKey, 0) && !isSmallOrder(signature, 0);
}
