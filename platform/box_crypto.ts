/**
 * The Sealer port: NaCl `crypto_box` (X25519-XSalsa20-Poly1305). The agreement with another device is made once and kept (as
 * `crypto_box_beforenm`), so that a message costs only its symmetric part.
 */
import { diffieHellman, type KeyObject } from "node:crypto";
import { hsalsa } from "@noble/ciphers/salsa.js";
import { NONCE_BYTES, type Secretbox, TAG_BYTES } from "./box_crypto_library.ts";
import { privateKeyObject, publicKeyObject, rawPublicKey } from "./crypto_keys.ts";
import type { Sealer } from "./ports.ts";

export interface SealerOptions {
  /** X25519 private key, 32 bytes. */
  readonly secret: Uint8Array;
  readonly secretbox: Secretbox;
  /** Agreed keys kept, 32 bytes each and their name. Default 1,024: more than a mesh has devices that write to each other. */
  readonly keysMax?: number;
}

const KEY_BYTES = 32;

/** Makes the adapter. The secret stays in it. */
export function sealer(options: SealerOptions): Sealer {
  const { secretbox } = options;
  const ownKey = privateKeyObject("x25519", options.secret);
  const keys = new AgreedKeys(ownKey, options.keysMax ?? 1_024);
  return {
    publicKey: rawPublicKey(ownKey),
    seal(recipient, plaintext, random) {
      const key = keys.with(recipient);
      if (key === undefined) {
        throw new RangeError(
          `Cannot seal for key ${
            recipient.toHex().slice(0, 64)
          }: it has low order or no 32 bytes; ` +
            "nobody can prove to own it",
        );
      }
      const nonce = random.bytes(NONCE_BYTES);
      const sealed = new Uint8Array(NONCE_BYTES + TAG_BYTES + plaintext.length);
      sealed.set(nonce);
      secretbox.seal(sealed.subarray(NONCE_BYTES), plaintext, nonce, key);
      return sealed;
    },
    open(sender, sealed) {
      if (sealed.length < NONCE_BYTES + TAG_BYTES) return undefined;
      const key = keys.with(sender);
      if (key === undefined) return undefined;
      const nonce = sealed.subarray(0, NONCE_BYTES);
      return secretbox.open(sealed.subarray(NONCE_BYTES), nonce, key);
    },
  };
}

/** Keys agreed on with others, by their public key; forgets the one that was not used for longest. */
class AgreedKeys {
  readonly #ownKey: KeyObject;
  readonly #entriesMax: number;
  readonly #keys = new Map<string, Uint8Array>();

  constructor(ownKey: KeyObject, entriesMax: number) {
    this.#ownKey = ownKey;
    this.#entriesMax = entriesMax;
  }

  /** Undefined when the other key has another length or low order. */
  with(publicKey: Uint8Array): Uint8Array | undefined {
    if (publicKey.length !== KEY_BYTES) return undefined;
    const name = publicKey.toHex();
    let key = this.#keys.get(name);
    if (key === undefined) key = this.#agree(publicKey);
    else this.#keys.delete(name);
    if (key === undefined) return undefined;
    if (this.#keys.size >= this.#entriesMax) {
      const { value: oldest } = this.#keys.keys().next();
      if (oldest !== undefined) this.#keys.delete(oldest);
    }
    this.#keys.set(name, key);
    return key;
  }

  #agree(publicKey: Uint8Array): Uint8Array | undefined {
    let shared: Uint8Array;
    try {
      shared = diffieHellman({
        privateKey: this.#ownKey,
        publicKey: publicKeyObject("x25519", publicKey),
      });
    } catch {
      // OpenSSL refuses an all-zero result, as RFC 7748 (section 6.1) asks.
      return undefined;
    }
    return hsalsa20(shared);
  }
}

/** The key of the box: HSalsa20 of the shared secret and a zero nonce (Bernstein, "Cryptography in NaCl", section 7). */
function hsalsa20(shared: Uint8Array): Uint8Array {
  const words = (bytes: Uint8Array) => {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    return Uint32Array.from({ length: bytes.length / 4 }, (_, i) => view.getUint32(i * 4, true));
  };
  const out = new Uint32Array(8);
  const sigma = words(new TextEncoder().encode("expand 32-byte k"));
  hsalsa(sigma, words(shared), new Uint32Array(4), out);
  const key = new Uint8Array(KEY_BYTES);
  const view = new DataView(key.buffer);
  out.forEach((word, i) => view.setUint32(i * 4, word, true));
  return key;
}
