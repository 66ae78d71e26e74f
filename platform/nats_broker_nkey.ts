/** Ed25519 public keys as NATS writes them ("nkeys"): a type byte, the key and a checksum in base32. */
import { base32nopad } from "@scure/base";
import { invariant } from "./invariant.ts";

/** Type bytes that make the text begin with "U" (user), "A" (account) or "N" (server). */
const USER_PREFIX = 20 << 3;

/** CRC-16/XMODEM: polynomial 0x1021, start 0, as nats-io/nkeys uses it. */
function crc16(bytes: Uint8Array): number {
  let crc = 0;
  for (const byte of bytes) {
    crc ^= byte << 8;
    for (let bit = 0; bit < 8; bit++) crc = (crc & 0x8000) === 0 ? crc << 1 : (crc << 1) ^ 0x1021;
    crc &= 0xffff;
  }
  return crc;
}

/** The nkey of a user with this Ed25519 public key (32 bytes): 56 characters that begin with "U". */
export function userNkey(publicKey: Uint8Array): string {
  invariant(publicKey.length === 32, () => `public key has ${publicKey.length} bytes, expected 32`);
  const body = new Uint8Array(35);
  body[0] = USER_PREFIX;
  body.set(publicKey, 1);
  new DataView(body.buffer).setUint16(33, crc16(body.subarray(0, 33)), true);
  return base32nopad.encode(body);
}

/** The Ed25519 public key of a user's nkey; undefined when the text is none. */
export function publicKeyOfNkey(text: string): Uint8Array | undefined {
  if (!/^U[A-Z2-7]{55}$/.test(text)) return undefined;
  try {
    const key = base32nopad.decode(text).slice(1, 33);
    return userNkey(key) === text ? key : undefined;
  } catch {
    return undefined;
  }
}
