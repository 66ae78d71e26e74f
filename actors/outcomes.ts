/** How handles answer: done, or refused in words. */
import type { Outcome, Refusal } from "./handle.ts";

/** A refusal in words. */
export function refused(reason: Refusal["reason"], message: string): Refusal {
  return { type: "refused", reason, message };
}

/** A success. */
export function done<T>(value: T): Outcome<T> {
  return { type: "done", value };
}
