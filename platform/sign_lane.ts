/**
 * Signs batches on another core. The worker starts with the first use and ends when it was idle for a while, so that a quiet
 * node pays nothing and the key is not kept twice. When the worker cannot start or dies, the lane says so and the caller
 * signs by itself.
 */
import {
  packMessages,
  SIGNATURE_BYTES,
  type SignKey,
  type SignReply,
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

interface Batch {
  readonly count: number;
  readonly done: (signatures: Uint8Array<ArrayBuffer>[] | undefined) => void;
}

/** One worker, which answers in the order in which it was asked. */
export class SignLane {
  readonly #options: SignLaneOptions;
  #worker: Worker | undefined;
  readonly #open: Batch[] = [];
  #idleTimer: ReturnType<typeof setTimeout> | undefined;
  #broken = false;

  constructor(options: SignLaneOptions) {
    this.#options = options;
  }

  /** False once the worker turned out not to work here. */
  get usable(): boolean {
    return !this.#broken;
  }

  /** True when a worker runs or is about to. */
  get started(): boolean {
    return this.#worker !== undefined;
  }

  /** Starts the worker unless one runs. */
  start(): void {
    if (this.#broken || this.#worker !== undefined) return;
    try {
      this.#worker = this.#startWorker();
    } catch {
      this.#fail();
      return;
    }
    this.#restAfterWork();
  }

  /** Signatures in order of the messages; undefined when the worker failed and the caller must sign. */
  sign(messages: readonly Uint8Array[]): Promise<Uint8Array<ArrayBuffer>[] | undefined> {
    this.start();
    const worker = this.#worker;
    if (worker === undefined) return Promise.resolve(undefined);
    return new Promise((done) => {
      clearTimeout(this.#idleTimer);
      this.#open.push({ count: messages.length, done });
      const packed = packMessages(messages);
      worker.postMessage({ packed }, [packed]);
    });
  }

  /** Ends the worker. Batches that are under way are answered with "do it yourself". */
  close(): void {
    clearTimeout(this.#idleTimer);
    this.#worker?.terminate();
    this.#worker = undefined;
    for (const batch of this.#open.splice(0)) batch.done(undefined);
  }

  #startWorker(): Worker {
    const worker = this.#options.startWorker?.() ??
      new Worker(new URL("./sign_worker.ts", import.meta.url), { type: "module" });
    worker.onmessage = ({ data }: MessageEvent<SignReply>) => this.#onReply(data);
    worker.onerror = (event) => {
      event.preventDefault();
      this.#fail();
    };
    const key: SignKey = { key: this.#options.exportKey().buffer };
    worker.postMessage(key, [key.key]);
    return worker;
  }

  #onReply({ signatures }: SignReply): void {
    const batch = this.#open[0];
    if (batch === undefined || signatures.byteLength !== batch.count * SIGNATURE_BYTES) {
      return this.#fail();
    }
    this.#open.shift();
    batch.done(unpackSignatures(signatures));
    this.#restAfterWork();
  }

  #restAfterWork(): void {
    clearTimeout(this.#idleTimer);
    if (this.#open.length > 0) return;
    this.#idleTimer = setTimeout(() => this.close(), this.#options.idleMs);
  }

  #fail(): void {
    this.#broken = true;
    this.close();
  }
}
