/** The port for large vectors of learning (parameters, sums, checkpoints), kept by hash beside the store. They can be made again or fetched. */
import type { Scratch } from "../platform/ports.ts";
import type { ContentHash } from "../protocols/ids.ts";

export interface VectorStore {
  /** Durable when it resolves; the same again is harmless. The name must be the bytes' SHA-256. */
  put(hash: ContentHash, bytes: Uint8Array): Promise<void>;
  /** Undefined when it is not here or the disk has damaged it. */
  get(hash: ContentHash): Promise<Uint8Array<ArrayBuffer> | undefined>;
  has(hash: ContentHash): Promise<boolean>;
  /** Harmless when it is not here. */
  remove(hash: ContentHash): Promise<void>;
  /** Room beside the vectors for the work on a round. */
  scratch(): Promise<Scratch>;
  list(): Promise<readonly { readonly hash: ContentHash; readonly bytes: number }[]>;
}
