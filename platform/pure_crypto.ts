/**
 * The Crypto port in plain JavaScript (@noble), for runtimes whose `node:crypto` lacks an algorithm. Accepts exactly what
 * `node_crypto.ts` accepts and is some ten times slower.
 */
import { ecb } from "@noble/ciphers/aes.js";
import { chacha20poly1305 } from "@noble/ciphers/chacha.js";
import { ed25519, x25519 } from "@noble/curves/ed25519.js";
import { bytesToNumberLE, concatBytes } from "@noble/curves/utils.js";
import { hkdf } from "@noble/hashes/hkdf.js";
import { hmac } from "@noble/hashes/hmac.js";
import { sha256, sha512 } from "@noble/hashes/sha2.js";
import { isAcceptableForm } from "./crypto_acceptance.ts";
import type { BatchSigner, Crypto, SignedMessage } from "./ports.ts";

/** Makes the adapter. It holds nothing and needs no closing. */
export function pureCrypto(): Crypto {
  return {
    sha256(...parts) {
      const hash = sha256.create();
      for (const part of parts) hash.update(part);
      return new Uint8Array(hash.digest());
    },
    sha256Hex: (bytes) => sha256(bytes).toHex(),
    verify,
    verifyMany: async (signed) => {
      const verdicts: boolean[] = [];
      for (const one of signed) {
        // A signature takes about a millisecond here: others get a turn after each.
        await new Promise<void>((resolve) => setTimeout(resolve, 0));
        verdicts.push(verify(one));
      }
      return verdicts;
    },
    agreementKeyPair(random) {
      const secret = random.bytes(32);
      return {
        publicKey: new Uint8Array(x25519.getPublicKey(secret)),
        agree(remotePublicKey) {
          try {
            return new Uint8Array(x25519.getSharedSecret(secret, remotePublicKey));
          } catch (cause) {
            throw new RangeError("Cannot agree on a key: the other public key has low order", {
              cause,
            });
          }
        },
      };
    },
    hkdf: ({ secret, salt, info, length }) =>
      new Uint8Array(hkdf(sha256, secret, salt, info, length)),
    hmac: (key, message) => new Uint8Array(hmac(sha256, key, message)),
    permuteBlocks(key, data) {
      if (key.length !== 16 || data.length % 16 !== 0) {
        throw new RangeError(
          `Cannot permute blocks: key has ${key.length} and data ${data.length} bytes, expected 16 and a multiple of 16`,
        );
      }
      if (data.length === 0) return new Uint8Array(0);
      return new Uint8Array(ecb(key, { disablePadding: true }).encrypt(data));
    },
    seal: ({ key, nonce, plaintext, associated }) =>
      new Uint8Array(chacha20poly1305(key, nonce, associated).encrypt(plaintext)),
    open({ key, nonce, ciphertext, associated }) {
      const cipher = chacha20poly1305(key, nonce, associated);
      try {
        return new Uint8Array(cipher.decrypt(ciphertext));
      } catch {
        return undefined;
      }
    },
  };
}

/** A Signer for a 32-byte Ed25519 seed (RFC 8032). */
export function pureSigner(seed: Uint8Array): BatchSigner {
  const secret = seed.slice();
  const signOne = (message: Uint8Array) => new Uint8Array(ed25519.sign(message, secret));
  return {
    publicKey: new Uint8Array(ed25519.getPublicKey(secret)),
    sign: signOne,
    signMany: async (messages) => {
      const signatures: Uint8Array<ArrayBuffer>[] = [];
      for (const message of messages) {
        // As in `verifyMany`: others get a turn after each.
        await new Promise<void>((resolve) => setTimeout(resolve, 0));
        signatures.push(signOne(message));
      }
      return signatures;
    },
  };
}

function verify({ publicKey, message, signature }: SignedMessage): boolean {
  if (!isAcceptableForm(publicKey, signature)) return false;
  try {
    // Cofactorless and strict about encodings, as RFC 8032 allows and node:crypto does.
    return verifyCofactorless(publicKey, message, signature);
  } catch {
    return false;
  }
}

function verifyCofactorless(
  publicKey: Uint8Array,
  message: Uint8Array,
  signature: Uint8Array,
): boolean {
  // noble multiplies by the cofactor; so the equation is computed here from its points: [S]B = R + [k]A, compared by
  // encoding.
  const { Point } = ed25519;
  const s = bytesToNumberLE(signature.subarray(32));
  if (s >= Point.Fn.ORDER) return false;
  const key = Point.fromBytes(publicKey, false);
  const hash = sha512(concatBytes(signature.subarray(0, 32), publicKey, message));
  const challenge = Point.Fn.create(bytesToNumberLE(hash));
  const expected = Point.BASE.multiplyUnsafe(s).subtract(key.multiplyUnsafe(challenge)).toBytes();
  return expected.every((byte, index) => byte === signature[index]);
}
