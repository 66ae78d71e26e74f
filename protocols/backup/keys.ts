/** The keys of a backup, all from one secret, and pieces sealed and opened with them. Pure: cryptography comes in as a port. */
import { scrypt } from "@noble/hashes/scrypt.js";
import type { Crypto } from "../../platform/ports.ts";
import type { ContentHash } from "../ids.ts";
import { KDF_N_MAX, KDF_N_MIN, type KeyDerivation, type PieceReference } from "./format.ts";

const utf8 = new TextEncoder();
const NOTHING = new Uint8Array(0);
/** Each piece has a key of its own, used once: the nonce may stand still. */
const NONCE = new Uint8Array(12);

export interface BackupKeys {
  /** HMAC of plain pieces. */
  readonly tag: Uint8Array;
  /** From a tag to the key of its piece. */
  readonly piece: Uint8Array;
  /** Seals the root of a version. */
  readonly root: Uint8Array;
  /** 16 bytes that are no secret: they tell a wrong passphrase. */
  readonly check: Uint8Array;
  /** Where content is cut depends on it, so that sizes of pieces do not betray known files. */
  readonly gear: Uint32Array;
}

/** A passphrase as it is meant: however it was typed or stored. */
export function normalizedPassphrase(text: string): string {
  return text.normalize("NFKC").trim().replaceAll(/\s+/g, " ");
}

/**
 * The secret of a passphrase, 32 bytes. Takes about half a second at the usual cost.
 *
 * @throws {RangeError} for costs out of bounds: too cheap to protect, or a trap
 */
export function secretOf(passphrase: string, kdf: KeyDerivation): Uint8Array {
  const { n, r, p, salt } = kdf;
  const powerOfTwo = Number.isInteger(Math.log2(n));
  if (!powerOfTwo || n < KDF_N_MIN || n > KDF_N_MAX || r !== 8 || p !== 1 || salt.length !== 16) {
    throw new RangeError(
      `Cannot derive a key: scrypt costs are n ${n}, r ${r}, p ${p}, salt of ${salt.length} bytes; expected n a power of ` +
        `two from ${KDF_N_MIN} to ${KDF_N_MAX}, r 8, p 1, 16 bytes`,
    );
  }
  const text = utf8.encode(normalizedPassphrase(passphrase));
  return scrypt(text, salt, { N: n, r, p, dkLen: 32, maxmem: 2 ** 31 });
}

/** Every key that follows from a secret. */
export function keysOf(crypto: Crypto, secret: Uint8Array): BackupKeys {
  const derive = (label: string, length: number) =>
    crypto.hkdf({ secret, salt: NOTHING, info: utf8.encode(`kiana backup v1 ${label}`), length });
  const gear = derive("gear", 1_024);
  const view = new DataView(gear.buffer, gear.byteOffset, gear.byteLength);
  return {
    tag: derive("tag", 32),
    piece: derive("piece", 32),
    root: derive("root", 32),
    check: derive("check", 16),
    gear: Uint32Array.from({ length: 256 }, (_, i) => view.getUint32(4 * i)),
  };
}

/** Seals a piece. The same content gives the same bytes under the same keys: it is stored once. */
export function sealPiece(
  crypto: Crypto,
  keys: BackupKeys,
  plaintext: Uint8Array,
): { readonly reference: PieceReference; readonly sealed: Uint8Array<ArrayBuffer> } {
  const tag = crypto.hmac(keys.tag, plaintext);
  const key = crypto.hmac(keys.piece, tag);
  const sealed = crypto.seal({ key, nonce: NONCE, plaintext, associated: NOTHING });
  const name = crypto.sha256Hex(sealed) as ContentHash;
  return { reference: { name, tag, bytes: plaintext.length }, sealed };
}

/** Opens a piece; undefined when it is not the one that `reference` names. */
export function openPiece(
  crypto: Crypto,
  keys: BackupKeys,
  { reference, sealed }: { readonly reference: PieceReference; readonly sealed: Uint8Array },
): Uint8Array<ArrayBuffer> | undefined {
  if (crypto.sha256Hex(sealed) !== reference.name) return undefined;
  const key = crypto.hmac(keys.piece, reference.tag);
  const plain = crypto.open({ key, nonce: NONCE, ciphertext: sealed, associated: NOTHING });
  return plain?.length === reference.bytes ? plain : undefined;
}
