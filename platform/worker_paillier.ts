/**
 * The PaillierWork port on other cores: a worker for each piece of work, which ends with it, so that no prime outlives its use in a worker's memory.
 * Pieces take from tenths of a second to minutes; starting a worker is nothing beside that.
 */
import type { PaillierWork } from "../learning/secure/paillier_work.ts";
import type { PaillierReply, PaillierRequest } from "./paillier_messages.ts";

type Reply<Type extends PaillierReply["type"]> = Extract<PaillierReply, { readonly type: Type }>;

/** Vectors encrypted at once. Whoever coordinates can call for one attempt after another: the newest count, what the oldest was for is over. */
const ENCRYPTING_MAX = 4;

/** The adapter for devices. */
export class WorkerPaillierWork implements PaillierWork {
  readonly #running = new Map<Worker, (error: Error) => void>();
  /** Those that encrypt, the oldest first. */
  readonly #encrypting = new Set<Worker>();
  #closed = false;

  async draw(keyBits: Parameters<PaillierWork["draw"]>[0]) {
    return (await this.#ask<"draw">({ type: "draw", keyBits })).value;
  }

  async encrypt(...[sum, values]: Parameters<PaillierWork["encrypt"]>) {
    return (await this.#ask<"encrypt">({ type: "encrypt", sum, values })).value;
  }

  async open(...[sum, total]: Parameters<PaillierWork["open"]>) {
    return (await this.#ask<"open">({ type: "open", sum, total })).value;
  }

  close(): void {
    this.#closed = true;
    for (const worker of [...this.#running.keys()]) this.#end(worker, closed());
  }

  #end(worker: Worker, error: Error): void {
    worker.terminate();
    this.#running.get(worker)?.(error);
    this.#running.delete(worker);
    this.#encrypting.delete(worker);
  }

  /** Rejects when the worker fails or dies: the attempt it was for comes to nothing. */
  #ask<Type extends PaillierRequest["type"]>(
    request: Extract<PaillierRequest, { readonly type: Type }>,
  ): Promise<Reply<Type>> {
    if (this.#closed) return Promise.reject(closed());
    const worker = new Worker(new URL("./paillier_worker.ts", import.meta.url), { type: "module" });
    const { promise, resolve, reject } = Promise.withResolvers<Reply<Type>>();
    this.#running.set(worker, reject);
    if (request.type === "encrypt") {
      const [oldest] = this.#encrypting;
      if (oldest !== undefined && this.#encrypting.size >= ENCRYPTING_MAX) {
        this.#end(oldest, new Error("Cannot encrypt: newer vectors are to be encrypted"));
      }
      this.#encrypting.add(worker);
    }
    worker.onmessage = ({ data }: MessageEvent<PaillierReply>) => {
      if (data.type === "failed") reject(new Error(data.reason));
      else resolve(data as Reply<Type>);
    };
    worker.onerror = (event) => {
      event.preventDefault();
      reject(new Error(`Cannot ${request.type} with Paillier's encryption: ${event.message}`));
    };
    worker.postMessage(request);
    return promise.finally(() => {
      this.#running.delete(worker);
      this.#encrypting.delete(worker);
      worker.terminate();
    });
  }
}

function closed(): Error {
  return new Error("Cannot work with Paillier's encryption: the work is closed");
}
