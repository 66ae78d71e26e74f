/** What compression saved and cost: per update, and summed up over a run. */
import type { Parameters } from "../parameters.ts";

/** Sizes of compressed updates beside 32-bit floats. */
export interface CompressionReport {
  readonly updates: number;
  /** As they went over the wire, headers and all. */
  readonly bytes: number;
  /** As 32-bit floats. */
  readonly plainBytes: number;
  /** plainBytes / bytes; 1 before the first update. */
  readonly ratio: number;
  readonly bitsPerNumber: number;
}

/** Before the first update. */
export const NOTHING_SENT: CompressionReport = {
  updates: 0,
  bytes: 0,
  plainBytes: 0,
  ratio: 1,
  bitsPerNumber: 0,
};

/** The report with one more update of `count` numbers that took `bytes`. */
export function withUpdate(
  report: CompressionReport,
  update: { readonly count: number; readonly bytes: number },
): CompressionReport {
  const bytes = report.bytes + update.bytes;
  const plainBytes = report.plainBytes + 4 * update.count;
  return {
    updates: report.updates + 1,
    bytes,
    plainBytes,
    ratio: bytes === 0 ? 1 : plainBytes / bytes,
    bitsPerNumber: plainBytes === 0 ? 0 : 32 * bytes / plainBytes,
  };
}

/** ‖decoded − exact‖² / ‖exact‖²: the accuracy cost of one update. 0 when both are zero, infinite when only `exact` is. */
export function normalisedError(exact: Parameters, decoded: Parameters): number {
  let [error, square] = [0, 0];
  for (let i = 0; i < exact.length; i++) {
    const difference = decoded[i]! - exact[i]!;
    error += difference * difference;
    square += exact[i]! * exact[i]!;
  }
  return error === 0 ? 0 : error / square;
}
