/**
 * Chance that follows from 32 bytes alone, the same on every machine: the keystream of ChaCha20 (RFC 8439) under the seed. Every device of an
 * experiment cuts the common data by it and must get the same cut, so the generator is a published cipher and not an implementation's own.
 */
import { chacha20 } from "@noble/ciphers/chacha.js";
import { sha256 } from "@noble/hashes/sha2.js";
import { invariant } from "../../platform/invariant.ts";
import type { Random } from "../../platform/ports.ts";

/** Bytes of a seed. */
export const SEED_BYTES = 32;

/** Keystream made at once: whole 64-byte blocks. */
const BUFFER_BYTES = 4_096;
const BLOCKS_PER_BUFFER = BUFFER_BYTES / 64;
/** The cipher's 32-bit block counter ends here. */
const BLOCKS_MAX = 2 ** 32 - BLOCKS_PER_BUFFER;
const ZEROS = new Uint8Array(BUFFER_BYTES);
const NONCE = new Uint8Array(12);
const encoder = new TextEncoder();

/**
 * A generator whose draws follow from `seed` (32 bytes). Integers are read little-endian; `fork(label)` is the generator under
 * SHA-256(seed ‖ label), whatever was drawn before. Throws when the seed has another length.
 */
export function seededStream(seed: Uint8Array): Random {
  invariant(
    seed.length === SEED_BYTES,
    () => `Cannot draw from a seed of ${seed.length} bytes: expected ${SEED_BYTES}`,
  );
  const key = seed.slice();
  const buffer = new Uint8Array(BUFFER_BYTES);
  const words = new DataView(buffer.buffer);
  let at = BUFFER_BYTES;
  let counter = 0;
  const uint32 = (): number => {
    if (at === BUFFER_BYTES) {
      invariant(counter <= BLOCKS_MAX, "Cannot draw: 256 GiB were drawn from one seed");
      chacha20(key, NONCE, ZEROS, buffer, counter);
      counter += BLOCKS_PER_BUFFER;
      at = 0;
    }
    const word = words.getUint32(at, true);
    at += 4;
    return word;
  };
  return {
    uint32,
    bytes(count) {
      invariant(
        Number.isInteger(count) && count >= 0 && count <= 65_536,
        () => `Cannot draw bytes: count is ${count}, expected an integer from 0 to 65536`,
      );
      const bytes = new Uint8Array(count);
      for (let i = 0; i < count; i += 4) {
        const word = uint32();
        for (let k = 0; k < 4 && i + k < count; k++) bytes[i + k] = word >>> (8 * k);
      }
      return bytes;
    },
    below(bound) {
      invariant(
        Number.isInteger(bound) && bound >= 1 && bound <= 2 ** 32,
        () => `Cannot draw: bound is ${bound}, expected an integer from 1 to 2^32`,
      );
      // Rejection: no value is more likely than another.
      const usable = 2 ** 32 - (2 ** 32 % bound);
      for (;;) {
        const word = uint32();
        if (word < usable) return word % bound;
      }
    },
    float() {
      const high = uint32() >>> 5;
      const low = uint32() >>> 6;
      return (high * 2 ** 26 + low) / 2 ** 53;
    },
    fork: (label) => seededStream(sha256(concat(key, encoder.encode(label)))),
  };
}

function concat(a: Uint8Array, b: Uint8Array): Uint8Array {
  const both = new Uint8Array(a.length + b.length);
  both.set(a);
  both.set(b, a.length);
  return both;
}
