/**
 * Signs batches on another core. The worker starts with the first use and ends when it was idle for a while, so that a quiet
 * node pays nothing and the key is not kept twice. When the worker cannot start or dies, the lane says so and the caller
 * signs by itself.
 */
import { OrderedWorker } from "./ordered_worker.ts";
import {
  packMessages,
  SIGNATURE_BYTES,
  type SignKey,
  type SignReply,
  type SignRequest,
  unpackSignatures,
} from "./sign_batch.ts";

export interface SignLaneOptions {
  /** The key as PKCS #8, in bytes of its own: they are handed over and gone afterwards. */
  readonly exportKey: () => Uint8Array<ArrayBuffer>;
  /** The worker ends after this long without work. */
  readonly idleMs: number;
  /** Starts the worker; replaced in tests. Default: `sign_worker.ts`. */
  readonly startWorker?: () => Worker;
}

/** One worker, which answers in the order in which it was asked. */
export class SignLane {
  readonly #worker: OrderedWorker<SignRequest, SignReply>;

  constructor({ exportKey, idleMs, startWorker = startSignWorker }: SignLaneOptions) {
    this.#worker = new OrderedWorker({
      startWorker: () => {
        const worker = startWorker();
        const key: SignKey = { key: exportKey().buffer };
        worker.postMessage(key, [key.key]);
        return worker;
      },
      idleMs,
    });
  }

  /** False once the worker turned out not to work here. */
  get usable(): boolean {
    return this.#worker.usable;
  }

  /** True when a worker runs or is about to. */
  get started(): boolean {
    return this.#worker.started;
  }

  /** Starts the worker unless one runs. */
  start(): void {
    this.#worker.start();
  }

  /** Signatures in order of the messages; undefined when the worker failed and the caller must sign. */
  async sign(messages: readonly Uint8Array[]): Promise<Uint8Array<ArrayBuffer>[] | undefined> {
    this.start();
    if (!this.started) return undefined;
    const packed = packMessages(messages);
    const reply = await this.#worker.ask({ packed }, [packed]);
    if (reply === null) return undefined;
    if (reply.signatures.byteLength === messages.length * SIGNATURE_BYTES) {
      return unpackSignatures(reply.signatures);
    }
    this.#worker.fail();
    return undefined;
  }

  /** Ends the worker. Batches that are under way are answered with "do it yourself". */
  close(): void {
    void this.#worker.close();
  }
}

function startSignWorker(): Worker {
  return new Worker(new URL("./sign_worker.ts", import.meta.url), { type: "module" });
}
