/**
 * What a node needs from the world, as ports. Production and simulation hand in different adapters; nothing
 * above `platform/` touches a clock, a die, a socket or a key by any other way.
 */

/** Time as a value that is handed in. The simulated clock drifts, jumps and only moves when the world says so. */
export interface Clock {
  /** Milliseconds since the Unix epoch as this device believes. A claim: never used for ordering or safety. */
  wallMs(): number;
  /** Milliseconds since an arbitrary start; never goes back. For timeouts and measurements. */
  monotonicMs(): number;
  /** Calls `callback` once after `delayMs` (≥ 0). Returns a function that cancels it; cancelling twice is harmless. */
  schedule(delayMs: number, callback: () => void): () => void;
}

/** Chance. The system adapter is cryptographically secure; the seeded one is reproducible and for simulation only. */
export interface Random {
  /** `count` random bytes (0 ≤ count ≤ 65,536). */
  bytes(count: number): Uint8Array<ArrayBuffer>;
  /** A uniform integer in [0, 2^32). */
  uint32(): number;
  /** A uniform integer in [0, bound), 1 ≤ bound ≤ 2^32. */
  below(bound: number): number;
  /** A uniform number in [0, 1) with 53 bits. */
  float(): number;
  /** An independent generator for a child; with equal seed and label it is the same generator. */
  fork(label: string): Random;
}

/** One signature to check. */
export interface SignedMessage {
  /** Ed25519 public key, 32 bytes. */
  readonly publicKey: Uint8Array;
  readonly message: Uint8Array;
  /** Ed25519 signature, 64 bytes. */
  readonly signature: Uint8Array;
}

/** A fresh X25519 key pair that lives for one handshake. */
export interface AgreementKeyPair {
  /** 32 bytes, sent to the other side. */
  readonly publicKey: Uint8Array<ArrayBuffer>;
  /** X25519 with the other side's 32-byte public key; 32 bytes. Throws on a low-order key (all-zero result). */
  agree(remotePublicKey: Uint8Array): Uint8Array<ArrayBuffer>;
}

/** Cryptography without secrets of its own. Every adapter accepts exactly the same signatures. */
export interface Crypto {
  /** SHA-256 of the parts one after another, 32 bytes. */
  sha256(...parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer>;
  /** SHA-256 as 64 lower-case hex digits. Blocks are named by it, twice per block; adapters have it cheaper than the bytes. */
  sha256Hex(bytes: Uint8Array): string;
  /**
   * Ed25519 verification with one acceptance rule everywhere: the public key must be canonical, neither the key
   * nor R may have small order, then RFC 8032 cofactorless verification.
   */
  verify(signed: SignedMessage): boolean;
  /** Verifies many at once, on other cores where it pays; result i belongs to input i. */
  verifyMany(signed: readonly SignedMessage[]): Promise<readonly boolean[]>;
  /** An X25519 key pair whose secret is 32 bytes drawn from `random`. */
  agreementKeyPair(random: Random): AgreementKeyPair;
  /** HKDF-SHA-256 (RFC 5869), `length` ≤ 8,160 bytes. */
  hkdf(
    options: { secret: Uint8Array; salt: Uint8Array; info: Uint8Array; length: number },
  ): Uint8Array<ArrayBuffer>;
  /** HMAC-SHA-256, 32 bytes. */
  hmac(key: Uint8Array, message: Uint8Array): Uint8Array<ArrayBuffer>;
  /**
   * AES-128 (FIPS 197) of every 16-byte block of `data` by itself under a 16-byte key; `data` is a multiple of 16 bytes. A keyed
   * pseudo-random function of uniformly distributed blocks (hashes); never use it to hide text.
   */
  permuteBlocks(key: Uint8Array, data: Uint8Array): Uint8Array<ArrayBuffer>;
  /** ChaCha20-Poly1305 (RFC 8439): ciphertext followed by the 16-byte tag. Key 32 bytes, nonce 12 bytes. */
  seal(
    options: { key: Uint8Array; nonce: Uint8Array; plaintext: Uint8Array; associated: Uint8Array },
  ): Uint8Array<ArrayBuffer>;
  /** Inverse of `seal`; undefined when the tag does not fit. */
  open(
    options: { key: Uint8Array; nonce: Uint8Array; ciphertext: Uint8Array; associated: Uint8Array },
  ): Uint8Array<ArrayBuffer> | undefined;
}

/** A stream cipher as a generator of masks: ChaCha20 (RFC 8439) with an all-zero nonce, the same numbers on every machine. */
export interface MaskStream {
  /**
   * Adds the key stream to `target`, or subtracts it, modulo 2^32, in place. Word i is bytes 4i … 4i + 3 of the key stream, little-endian.
   * `key` 32 bytes, used for one stream only; `counter` the first block, 0 when absent: 16 words are one block, and there are 2^32.
   */
  apply(
    options: {
      readonly key: Uint8Array;
      readonly target: Uint32Array;
      readonly sign: 1 | -1;
      readonly counter?: number;
    },
  ): void;
  /** The same for the streams of many keys, all from the same block on: faster than one after the other. */
  applyAll(
    options: {
      readonly streams: readonly { readonly key: Uint8Array; readonly sign: 1 | -1 }[];
      readonly target: Uint32Array;
      readonly counter?: number;
    },
  ): void;
}

/** The device's own identity key. The private half never leaves the adapter. */
export interface Signer {
  /** Ed25519 public key, 32 bytes. */
  readonly publicKey: Uint8Array<ArrayBuffer>;
  /** Ed25519 signature over `message`, 64 bytes. Callers put a domain string in front: see `protocols/domains.ts`. */
  sign(message: Uint8Array): Uint8Array<ArrayBuffer>;
}

/** The device's identity key for whoever signs much: the author's log. Every adapter can do it. */
export interface BatchSigner extends Signer {
  /**
   * Signs many, on another core where it pays; signature i belongs to message i. Sets may overtake each other: whoever needs an
   * order keeps it. Rejects when the key cannot be used; then none of the set counts.
   */
  signMany(messages: readonly Uint8Array[]): Promise<readonly Uint8Array<ArrayBuffer>[]>;
}

/**
 * The device's own X25519 key for boxes that wait for it (NaCl `crypto_box`, X25519-XSalsa20-Poly1305). The private half never leaves
 * the adapter.
 */
export interface Sealer {
  /** 32 bytes; published in the device's `keys` block. */
  readonly publicKey: Uint8Array<ArrayBuffer>;
  /** A box only the owner of `recipient` (X25519, 32 bytes) opens, and from nobody else than us: 24-byte nonce, then the box. Throws on a low-order key. */
  seal(recipient: Uint8Array, plaintext: Uint8Array, random: Random): Uint8Array<ArrayBuffer>;
  /** Opens a box that the owner of `sender` made for us; undefined when it did not, or when it was changed. */
  open(sender: Uint8Array, sealed: Uint8Array): Uint8Array<ArrayBuffer> | undefined;
}

/**
 * The key by which a device logs in to message brokers; another one than its identity, because a broker chooses what is signed with it. The
 * private half never leaves the adapter.
 */
export interface BrokerLogin {
  /** Ed25519 public key, 32 bytes; published in the device's `keys` block. */
  readonly publicKey: Uint8Array<ArrayBuffer>;
  /** Ed25519 signature over the broker's nonce, 64 bytes. */
  sign(nonce: Uint8Array): Uint8Array<ArrayBuffer>;
}

/**
 * Room on a disk for what does not fit into memory, up to 256 GiB. Nothing in it outlives `close` or the process, not even for whoever takes the disk. What was never written
 * reads as anything. Meant for writing each place once: a disk that keeps old versions would tell how two of them differ.
 */
export interface Scratch {
  /** Resolves when the bytes would be read. Rejects when the disk is full or fails. Writes go one after another; `bytes` may be reused then. */
  write(at: number, bytes: Uint8Array): Promise<void>;
  /** Fills `into` with the bytes from a place on. */
  read(at: number, into: Uint8Array): Promise<void>;
  /** Gives the room back. Harmless when it was closed before. */
  close(): Promise<void>;
}

export type LogLevel = "debug" | "info" | "warning" | "error";

/** Structured log lines. Fields never hold secrets or bodies. */
export interface Log {
  write(level: LogLevel, message: string, fields?: Readonly<Record<string, unknown>>): void;
}
