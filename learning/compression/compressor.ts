/** What every compression is: an update in, bytes out, and back with an error whose size is known. Pure; chance is handed in. */
import type { Random } from "../../platform/ports.ts";
import type { Parameters } from "../parameters.ts";
import type { FrameRefusal } from "./frame.ts";

/** What came of reading. */
export type Decoded =
  | { readonly ok: true; readonly values: Parameters }
  | { readonly ok: false; readonly reason: FrameRefusal };

export interface Compressor {
  /** As in the plan: "eden". */
  readonly name: string;
  /** Whether the device keeps what was not sent and adds it to its next update: see `error_feedback.ts`. */
  readonly feedback: boolean;
  /** Most bytes of a compressed update of `count` numbers: whoever receives refuses more before reading. */
  bytesMax(count: number): number;
  /**
   * Changes none of its arguments. `seed` is 32 bytes, `random` this device's own chance. Throws a `RangeError` when a number is not
   * finite or above 1e30, which no update of a sane training is.
   */
  encode(update: Parameters, context: {
    readonly seed: Uint8Array;
    readonly random: Random;
  }): Uint8Array<ArrayBuffer>;
  /** Strict and bounded: exactly what an encoder with this seed writes for an update of `count` numbers, or a reason. */
  decode(
    bytes: Uint8Array,
    context: { readonly seed: Uint8Array; readonly count: number },
  ): Decoded;
}

/** Largest number a compressor takes: sums of squares and transforms stay finite. */
export const VALUE_MAX = 1e30;

/** Throws unless all numbers are finite and at most `VALUE_MAX`. */
export function requireModerate(update: Parameters, name: string): void {
  for (let i = 0; i < update.length; i++) {
    if (Math.abs(update[i]!) <= VALUE_MAX) continue;
    throw new RangeError(
      `Cannot compress an update by ${name}: number ${i} is ${update[i]}, expected at most 1e30`,
    );
  }
}
