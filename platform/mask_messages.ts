/** What the mask work and its workers say to each other. Numbers are handed over, there and back. */
import type { MaskJob } from "../learning/secure/mask_work.ts";

/** To a worker: apply the jobs to this part of a vector. */
export interface MaskRequest {
  readonly part: number;
  readonly words: Uint32Array<ArrayBuffer>;
  readonly jobs: readonly MaskJob[];
  /** The part's first number is number 16 · `counter` of the vector. */
  readonly counter: number;
}

/** From a worker: it is done. */
export type MaskReply = Pick<MaskRequest, "part" | "words">;
