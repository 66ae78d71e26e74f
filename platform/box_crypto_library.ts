/**
 * XSalsa20-Poly1305 (NaCl `crypto_secretbox`, which is what `crypto_box` does once the key is agreed on) by three libraries that give the
 * same bytes: sodium-native (an addon, fastest), libsodium-wrappers (libsodium in WebAssembly, half as fast), noble (JavaScript, a quarter).
 */
import { xsalsa20poly1305 } from "@noble/ciphers/salsa.js";

/** Bytes that a box is longer than what is in it. */
export const TAG_BYTES = 16;
export const NONCE_BYTES = 24;

export type SecretboxName = "sodium-native" | "libsodium-wrappers" | "noble";

/** One library. Keys have 32 bytes, nonces 24. */
export interface Secretbox {
  readonly name: SecretboxName;
  /** 16 bytes of tag, then the ciphertext, into `out` (16 bytes longer than `plaintext`). */
  seal(out: Uint8Array, plaintext: Uint8Array, nonce: Uint8Array, key: Uint8Array): void;
  /** Undefined when the tag does not fit. `box` has at least 16 bytes. */
  open(box: Uint8Array, nonce: Uint8Array, key: Uint8Array): Uint8Array<ArrayBuffer> | undefined;
}

/** The part of sodium-native that is used; the package has no types of its own. */
interface SodiumNative {
  crypto_secretbox_easy(
    out: Uint8Array,
    plaintext: Uint8Array,
    nonce: Uint8Array,
    key: Uint8Array,
  ): void;
  crypto_secretbox_open_easy(
    out: Uint8Array,
    box: Uint8Array,
    nonce: Uint8Array,
    key: Uint8Array,
  ): boolean;
}

/** The fastest library that loads here. The addon has no binary for some platforms; WebAssembly runs everywhere. */
export async function loadSecretbox(): Promise<Secretbox> {
  try {
    return await sodiumNative();
  } catch {
    return await libsodiumWrappers();
  }
}

/** sodium-native; rejects where it has no binary. */
export async function sodiumNative(): Promise<Secretbox> {
  const { default: sodium } = await import("sodium-native") as { default: SodiumNative };
  const library: Secretbox = {
    name: "sodium-native",
    seal: (out, plaintext, nonce, key) => sodium.crypto_secretbox_easy(out, plaintext, nonce, key),
    open(box, nonce, key) {
      const plaintext = new Uint8Array(box.length - TAG_BYTES);
      return sodium.crypto_secretbox_open_easy(plaintext, box, nonce, key) ? plaintext : undefined;
    },
  };
  // An addon that loads may still not run: better to know now than at the first message.
  const key = new Uint8Array(32);
  const nonce = new Uint8Array(NONCE_BYTES);
  const box = new Uint8Array(TAG_BYTES + 1);
  library.seal(box, new Uint8Array(1), nonce, key);
  if (library.open(box, nonce, key)?.[0] !== 0) {
    throw new Error("Cannot use sodium-native: it does not open its own box");
  }
  return library;
}

/** libsodium compiled to WebAssembly. */
export async function libsodiumWrappers(): Promise<Secretbox> {
  const { default: sodium } = await import("libsodium-wrappers");
  await sodium.ready;
  return {
    name: "libsodium-wrappers",
    seal: (out, plaintext, nonce, key) =>
      out.set(sodium.crypto_secretbox_easy(plaintext, nonce, key)),
    open(box, nonce, key) {
      try {
        return new Uint8Array(sodium.crypto_secretbox_open_easy(box, nonce, key));
      } catch {
        return undefined;
      }
    },
  };
}

/** Plain JavaScript, there at once: for simulated worlds, where thousands of devices share one thread and nothing is awaited. */
export const nobleSecretbox: Secretbox = {
  name: "noble",
  seal: (out, plaintext, nonce, key) => out.set(xsalsa20poly1305(key, nonce).encrypt(plaintext)),
  open(box, nonce, key) {
    try {
      return new Uint8Array(xsalsa20poly1305(key, nonce).decrypt(box));
    } catch {
      return undefined;
    }
  },
};
