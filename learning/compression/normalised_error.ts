/** What compression costs, as the papers state it. */
import type { Parameters } from "../parameters.ts";

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
