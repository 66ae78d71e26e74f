/**
 * Backups kept by somebody who need not be trusted: what a version is made of, and every limit. Documented byte by byte in
 * `docs/protocols/backup.md`.
 */
import type { ContentHash } from "../ids.ts";

/** Content is cut where the content says so, never below this (but at its end) and never above `PIECE_BYTES_MAX`. Bytes. */
export const PIECE_BYTES_MIN = 256 * 1024;
/** What pieces of random content have on average, roughly, bytes. */
export const PIECE_BYTES_USUAL = 1024 * 1024;
export const PIECE_BYTES_MAX = 4 * 1024 * 1024;
/** A sealed piece is longer by its tag. */
export const SEALED_PIECE_BYTES_MAX = PIECE_BYTES_MAX + 16;
/** Pieces of one version, the index included. */
export const PIECES_MAX = 1_000_000;
/** Files of one version. */
export const FILES_MAX = 1_000_000;
/** An encoded version: 32 bytes for each piece, and what points to the index. */
export const VERSION_BYTES_MAX = 40 * 1024 * 1024;
/** Names asked about at once. */
export const NAMES_ASKED_MAX = 512;

/** How a passphrase becomes a key: scrypt (RFC 7914). */
export interface KeyDerivation {
  /** Cost, a power of two; 2^14 to 2^20. Memory is 128·n·r bytes. */
  readonly n: number;
  /** 8. */
  readonly r: number;
  /** 1. */
  readonly p: number;
  /** 16 random bytes. */
  readonly salt: Uint8Array;
}

/** Cost of new backups: 128 MiB and about half a second. */
export const KDF_COST = { n: 2 ** 17, r: 8, p: 1 } as const;
export const KDF_N_MIN = 2 ** 14;
export const KDF_N_MAX = 2 ** 20;

/** A piece as the index has it. */
export interface PieceReference {
  /** SHA-256 of the sealed piece: what its keeper knows it by. */
  readonly name: ContentHash;
  /** HMAC of the plain piece under a key its keeper does not have, 32 bytes: the piece's key follows from it. */
  readonly tag: Uint8Array;
  /** Plain size, bytes. */
  readonly bytes: number;
}

/** A file of a backup. */
export interface IndexedFile {
  /** "node.db", "manifest.json", "blobs/ab/…", "keys/identity.pem": see `isBackupPath`. */
  readonly path: string;
  readonly bytes: number;
  /** SHA-256 of the whole file. */
  readonly sha256: ContentHash;
  readonly pieces: readonly PieceReference[];
}

/** What leads to the index: sealed inside a version. */
export interface Root {
  readonly indexBytes: number;
  readonly index: readonly PieceReference[];
}

/** What is signed. All but `root` may be read by the keeper. */
export interface VersionBody {
  readonly version: 1;
  /** Ed25519 public key of the device that made it, 32 bytes. */
  readonly device: Uint8Array;
  readonly kdf: KeyDerivation;
  /** 16 bytes that follow from the right passphrase and tell a wrong one. */
  readonly check: Uint8Array;
  /** The device's wall clock, ms: a claim. */
  readonly timeMs: number;
  /** Plain bytes of all files. */
  readonly bytes: number;
  readonly files: number;
  /** Every piece this version needs, ascending and without duplicates: what its keeper must not throw away. */
  readonly names: readonly ContentHash[];
  /** 12 random bytes, then `Root` sealed with everything above as associated data. */
  readonly root: Uint8Array;
}

/** Whether a restored file may have this path: only what a backup of ours has, so that nothing leads out of the folder. */
export function isBackupPath(path: string): boolean {
  return /^(?:node\.db|manifest\.json|blobs\/[0-9a-f]{2}\/[0-9a-f]{64}|keys(?:\/[A-Za-z0-9][A-Za-z0-9._-]{0,63}){1,3})$/
    .test(path);
}

/** Whether a keeper may keep a device's backups under this name: also a safe name of a folder everywhere. */
export function isDeviceName(name: string): boolean {
  return /^[a-z0-9](?:[a-z0-9._-]{0,62}[a-z0-9])?$/.test(name) && !name.includes("..");
}
