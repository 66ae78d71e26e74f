/**
 * Where masks get their keys and are put on and taken off. It is the one part of a secure sum whose cost grows with the model times the neighbours, so it is
 * a port: other cores do it on a device, the caller itself in the simulator. The numbers are the same either way.
 */
import type { MaskStream } from "../../platform/ports.ts";
import { type MaskKeyCrypto, maskKeys, type MaskOrder } from "./mask_keys.ts";

/** One mask to put on or take off: apply the stream under `key` with `sign`. */
export interface MaskJob {
  readonly key: Uint8Array;
  readonly sign: 1 | -1;
}

/** The port. Bounded by its caller: one vector and some hundreds of masks at a time. */
export interface MaskWork {
  /** Makes the keys of masks; result i belongs to order i. Rejects when it is closed, and for a mask key of low order. */
  keys(orders: readonly MaskOrder[]): Promise<readonly MaskJob[]>;
  /** Applies all jobs to `target`, in place, modulo 2^32. Nobody may touch `target` until it resolves. Rejects only when it is closed. */
  apply(target: Uint32Array<ArrayBuffer>, jobs: readonly MaskJob[]): Promise<void>;
  /** Gives everything else in this process a turn. */
  pause(): Promise<void>;
  /** Ends what it started; what is under way rejects. */
  close(): void;
}

/** Applies masks to a vector, or to a part of one whose first number is number 16 · `counter` of the whole. */
export function applyMasks(
  target: Uint32Array,
  jobs: readonly MaskJob[],
  masks: MaskStream,
  counter = 0,
): void {
  masks.applyAll({ streams: jobs, target, counter });
}

/** The port without other cores: the caller's own thread does it at once. */
export function inlineMaskWork(
  { crypto, masks }: { readonly crypto: MaskKeyCrypto; readonly masks: MaskStream },
): MaskWork {
  return {
    keys: (orders) => Promise.resolve(maskKeys(crypto, orders)),
    apply(target, jobs) {
      applyMasks(target, jobs, masks);
      return Promise.resolve();
    },
    pause: () => Promise.resolve(),
    close() {},
  };
}
