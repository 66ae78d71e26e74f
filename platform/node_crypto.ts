/** The Crypto port on `node:crypto`, the fastest that runs here (docs of the measurements: bench/micro/crypto_bench.ts). */
import {
  createCipheriv,
  createDecipheriv,
  createHash,
  createHmac,
  diffieHellman,
  hash,
  hkdfSync,
} from "node:crypto";
import { privateKeyObject, publicKeyObject, rawPublicKey } from "./crypto_keys.ts";
import { VerifyPool } from "./crypto_pool.ts";
import { ed25519Verifier } from "./crypto_verify.ts";
import type { AgreementKeyPair, Crypto, Random, SignedMessage } from "./ports.ts";
import { othersTurn } from "./turns.ts";

export { nodeSigner } from "./node_signer.ts";

export interface NodeCryptoOptions {
  /** Public keys kept parsed. Default 4,096, about 1 KiB each. */
  readonly cachedKeysMax?: number;
  /** Worker threads for `verifyMany`; 0 keeps everything on this thread. Default: the number of cores, at most 4; 0 on one core. */
  readonly workersMax?: number;
  /** Sets at least this large go to workers, also when these must start first. Default 1,024: that takes as long as starting. */
  readonly poolFrom?: number;
  /**
   * Sets at least this large go to workers that run already; when none do, they start meanwhile and the set is verified on this
   * thread. Default 256, so that a stream of such sets leaves this thread free for the disk.
   */
  readonly warmPoolFrom?: number;
  /** Workers end after this long without work. Default 10,000 ms. */
  readonly workerIdleMs?: number;
  /** Starts a worker; for tests of what happens when none can start. */
  readonly startWorker?: () => Worker;
}

/** The port, and a way to end its workers before their idle time is over. */
export interface NodeCrypto extends Crypto {
  close(): void;
}

// About 4 ms of work: what a request to the gateway waits at most while signatures are verified on this thread.
const SIGNATURES_PER_TURN = 64;
const TAG_BYTES = 16;

/** Makes the adapter. Starts nothing until a large `verifyMany`. */
export function nodeCrypto(options: NodeCryptoOptions = {}): NodeCrypto {
  const verify = ed25519Verifier({ cachedKeysMax: options.cachedKeysMax ?? 4_096 });
  const cores = navigator.hardwareConcurrency;
  const pool = new VerifyPool({
    workersMax: options.workersMax ?? (cores > 1 ? Math.min(cores, 4) : 0),
    batchSize: 512,
    idleMs: options.workerIdleMs ?? 10_000,
    ...(options.startWorker === undefined ? {} : { startWorker: options.startWorker }),
  });
  const poolFrom = options.poolFrom ?? 1_024;
  const warmPoolFrom = Math.min(options.warmPoolFrom ?? 256, poolFrom);
  const goesToPool = (count: number) => {
    if (count < warmPoolFrom || !pool.usable) return false;
    if (count >= poolFrom || pool.warm) return true;
    pool.start();
    return false;
  };
  return {
    sha256,
    // In one call, and without a buffer for the result: half the time of `createHash` for a block of 1 KiB.
    sha256Hex: (bytes) => hash("sha256", bytes, "hex"),
    verify,
    verifyMany: async (signed) => {
      if (goesToPool(signed.length) && signed.every(hasExpectedLengths)) {
        const verdicts = await pool.verify(signed);
        if (verdicts !== undefined) return verdicts;
      }
      return await verifyInTurns(signed, verify);
    },
    agreementKeyPair,
    hkdf: ({ secret, salt, info, length }) =>
      new Uint8Array(hkdfSync("sha256", secret, salt, info, length)),
    hmac: (key, message) => new Uint8Array(createHmac("sha256", key).update(message).digest()),
    permuteBlocks,
    seal,
    open,
    close: () => pool.close(),
  };
}

function sha256(...parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(part);
  return new Uint8Array(hash.digest());
}

async function verifyInTurns(
  signed: readonly SignedMessage[],
  verify: (one: SignedMessage) => boolean,
): Promise<boolean[]> {
  const verdicts: boolean[] = [];
  for (const one of signed) {
    if (verdicts.length > 0 && verdicts.length % SIGNATURES_PER_TURN === 0) {
      await othersTurn();
    }
    verdicts.push(verify(one));
  }
  return verdicts;
}

function hasExpectedLengths(one: SignedMessage): boolean {
  return one.publicKey.length === 32 && one.signature.length === 64;
}

function agreementKeyPair(random: Random): AgreementKeyPair {
  const privateKey = privateKeyObject("x25519", random.bytes(32));
  return {
    publicKey: rawPublicKey(privateKey),
    agree(remotePublicKey) {
      const publicKey = publicKeyObject("x25519", remotePublicKey);
      let shared: Uint8Array<ArrayBuffer>;
      try {
        shared = new Uint8Array(diffieHellman({ privateKey, publicKey }));
      } catch (cause) {
        throw new RangeError("Cannot agree on a key: the other public key has low order", {
          cause,
        });
      }
      if (shared.every((byte) => byte === 0)) {
        throw new RangeError("Cannot agree on a key: the other public key has low order");
      }
      return shared;
    },
  };
}

function permuteBlocks(key: Uint8Array, data: Uint8Array): Uint8Array<ArrayBuffer> {
  if (data.length % 16 !== 0) {
    throw new RangeError(
      `Cannot permute blocks: data has ${data.length} bytes, expected a multiple of 16`,
    );
  }
  const cipher = createCipheriv("aes-128-ecb", key, null);
  cipher.setAutoPadding(false);
  const permuted = new Uint8Array(cipher.update(data));
  // Whole blocks leave nothing to be said; but the runtime keeps the state of a cipher that is not ended.
  cipher.final();
  return permuted;
}

function seal(
  options: { key: Uint8Array; nonce: Uint8Array; plaintext: Uint8Array; associated: Uint8Array },
): Uint8Array<ArrayBuffer> {
  const { key, nonce, plaintext, associated } = options;
  const cipher = createCipheriv("chacha20-poly1305", key, nonce, { authTagLength: TAG_BYTES });
  cipher.setAAD(associated, { plaintextLength: plaintext.length });
  const sealed = new Uint8Array(plaintext.length + TAG_BYTES);
  sealed.set(cipher.update(plaintext));
  cipher.final();
  sealed.set(cipher.getAuthTag(), plaintext.length);
  return sealed;
}

function open(
  options: { key: Uint8Array; nonce: Uint8Array; ciphertext: Uint8Array; associated: Uint8Array },
): Uint8Array<ArrayBuffer> | undefined {
  const { key, nonce, ciphertext, associated } = options;
  const length = ciphertext.length - TAG_BYTES;
  if (length < 0) return undefined;
  const decipher = createDecipheriv("chacha20-poly1305", key, nonce, { authTagLength: TAG_BYTES });
  decipher.setAAD(associated, { plaintextLength: length });
  decipher.setAuthTag(ciphertext.subarray(length));
  const plaintext = new Uint8Array(decipher.update(ciphertext.subarray(0, length)));
  try {
    decipher.final();
  } catch {
    return undefined;
  }
  return plaintext;
}
