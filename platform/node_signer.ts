/** The BatchSigner port on `node:crypto`: one signature on this thread, many on another core. */
import { type KeyObject, sign } from "node:crypto";
import { privateKeyObject, rawPublicKey } from "./crypto_keys.ts";
import type { BatchSigner } from "./ports.ts";
import { SignLane } from "./sign_lane.ts";
import { othersTurn } from "./turns.ts";

export interface NodeSignerOptions {
  /** Whether `signMany` may use a worker thread. It then holds the key, too. Default: where there is more than one core. */
  readonly worker?: boolean;
  /** Sets at least this large go to the worker. Default 64: about a millisecond of work. */
  readonly workerFrom?: number;
  /** The worker ends after this long without work. Default 10,000 ms. */
  readonly workerIdleMs?: number;
  /** Starts the worker; for tests of what happens when it cannot start. */
  readonly startWorker?: () => Worker;
}

/** The port, and a way to end its worker before its idle time is over. */
export interface NodeSigner extends BatchSigner {
  close(): void;
}

// About a millisecond of work: what others wait at most while a set is signed on this thread.
const SIGNATURES_PER_TURN = 64;

/** A Signer for a key object of type Ed25519. Starts nothing until a large `signMany`. */
export function keySigner(key: KeyObject, options: NodeSignerOptions = {}): NodeSigner {
  const signOne = (message: Uint8Array) => new Uint8Array(sign(null, message, key));
  const workerFrom = options.workerFrom ?? 64;
  const lane = (options.worker ?? navigator.hardwareConcurrency > 1)
    ? new SignLane({
      exportKey: () => exportedKey(key),
      idleMs: options.workerIdleMs ?? 10_000,
      ...(options.startWorker === undefined ? {} : { startWorker: options.startWorker }),
    })
    : undefined;
  return {
    publicKey: rawPublicKey(key),
    sign: signOne,
    async signMany(messages) {
      if (lane?.usable && messages.length >= workerFrom) {
        // Whoever comes first does not wait for the start; those who come meanwhile find a worker.
        if (lane.started) {
          const signatures = await lane.sign(messages);
          if (signatures !== undefined) return signatures;
        } else lane.start();
      }
      return await signInTurns(messages, signOne);
    },
    close: () => lane?.close(),
  };
}

/** As `keySigner` for a 32-byte Ed25519 seed (RFC 8032), on this thread unless asked otherwise. */
export function nodeSigner(seed: Uint8Array, options: NodeSignerOptions = {}): NodeSigner {
  return keySigner(privateKeyObject("ed25519", seed), { worker: false, ...options });
}

async function signInTurns(
  messages: readonly Uint8Array[],
  signOne: (message: Uint8Array) => Uint8Array<ArrayBuffer>,
): Promise<Uint8Array<ArrayBuffer>[]> {
  const signatures: Uint8Array<ArrayBuffer>[] = [];
  for (const message of messages) {
    if (signatures.length > 0 && signatures.length % SIGNATURES_PER_TURN === 0) {
      await othersTurn();
    }
    signatures.push(signOne(message));
  }
  return signatures;
}

/** The key in a buffer that can be handed over whole; what was made on the way is wiped. */
function exportedKey(key: KeyObject): Uint8Array<ArrayBuffer> {
  const der = key.export({ format: "der", type: "pkcs8" });
  const copy = new Uint8Array(der);
  der.fill(0);
  return copy;
}
