/** What the mask work and its workers say to each other. Numbers are handed over, there and back. */
import type { MaskOrder } from "../learning/secure/mask_keys.ts";
import type { MaskJob } from "../learning/secure/mask_work.ts";

/** To a worker; answered in the order in which they come. */
export type MaskRequest = ApplyRequest | KeysRequest;

/** Apply the jobs to this part of a vector. */
export interface ApplyRequest {
  readonly type: "apply";
  readonly part: number;
  readonly words: Uint32Array<ArrayBuffer>;
  readonly jobs: readonly MaskJob[];
  /** The part's first number is number 16 · `counter` of the vector. */
  readonly counter: number;
}

/** Make the keys of these masks. */
export interface KeysRequest {
  readonly type: "keys";
  readonly part: number;
  readonly orders: readonly MaskOrder[];
}

/** From a worker: it is done. */
export type MaskReply =
  | Pick<ApplyRequest, "type" | "part" | "words">
  | Pick<KeysRequest, "type" | "part"> & { readonly jobs: readonly MaskJob[] };
