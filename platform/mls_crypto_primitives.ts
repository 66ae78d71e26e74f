/**
 * HKDF, HMAC, SHA-256 and AES-128-GCM of the MLS suite without WebCrypto. An application message takes some twenty of them, each of a few
 * microseconds; through WebCrypto every one is a task for another thread and a wait for its answer, which on a busy machine is most of
 * what a message costs. HKDF and HMAC are of @noble/hashes, which is faster at these sizes than `node:crypto`; the rest is of the latter.
 */
import { createCipheriv, createDecipheriv, hash, timingSafeEqual } from "node:crypto";
import { expand, extract } from "@noble/hashes/hkdf.js";
import { hmac } from "@noble/hashes/hmac.js";
import { sha256 } from "@noble/hashes/sha2.js";
import type { CiphersuiteImpl } from "ts-mls";
import { othersTurn } from "./turns.ts";

const HASH_BYTES = 32;
const TAG_BYTES = 16;
/** Messages after which others get their turn on this thread: about 10 ms of work. */
const MESSAGES_PER_TURN = 16;

/** The key derivation of the suite (RFC 5869). */
export const kdf: CiphersuiteImpl["kdf"] = {
  extract: (salt, secret) => Promise.resolve(extract(sha256, secret, salt)),
  expand: (secret, info, bytes) => Promise.resolve(expand(sha256, secret, info, bytes)),
  size: HASH_BYTES,
};

/** The hash of the suite and the MAC made of it (RFC 2104). */
export const hashing: CiphersuiteImpl["hash"] = {
  digest: (data) => Promise.resolve(new Uint8Array(hash("sha256", data, "buffer"))),
  mac: (key, data) => Promise.resolve(hmac(sha256, key, data)),
  verifyMac: (key, mac, data) =>
    Promise.resolve(mac.length === HASH_BYTES && timingSafeEqual(hmac(sha256, key, data), mac)),
};

/** AES-128-GCM (NIST SP 800-38D), the tag behind the ciphertext. `decryptAead` rejects when it is not genuine. */
export const aead: Pick<CiphersuiteImpl["hpke"], "encryptAead" | "decryptAead"> = {
  encryptAead(key, nonce, aad, plaintext) {
    const cipher = createCipheriv("aes-128-gcm", key, nonce);
    if (aad !== undefined && aad.length > 0) cipher.setAAD(aad);
    const sealed = new Uint8Array(plaintext.length + TAG_BYTES);
    sealed.set(cipher.update(plaintext));
    cipher.final();
    sealed.set(cipher.getAuthTag(), plaintext.length);
    return Promise.resolve(sealed);
  },
  // deno-lint-ignore require-await -- what it throws has to be a rejection
  async decryptAead(key, nonce, aad, ciphertext) {
    const end = ciphertext.length - TAG_BYTES;
    if (end < 0) throw new RangeError("Cannot open a message: it is shorter than its tag");
    const decipher = createDecipheriv("aes-128-gcm", key, nonce, { authTagLength: TAG_BYTES });
    if (aad !== undefined && aad.length > 0) decipher.setAAD(aad);
    decipher.setAuthTag(ciphertext.subarray(end));
    const opened = new Uint8Array(decipher.update(ciphertext.subarray(0, end)));
    decipher.final();
    return opened;
  },
};

/** Called once for each message: lets others have their turn now and then, because nothing in a message waits by itself. */
export function messageTurns(): () => Promise<void> | undefined {
  let messages = 0;
  return () => {
    return ++messages % MESSAGES_PER_TURN === 0 ? othersTurn() : undefined;
  };
}
