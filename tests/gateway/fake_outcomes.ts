/** The answers of nodes in memory. */
import type { Outcome, Refusal } from "../../actors/handle.ts";

/** It was done. */
export function done<T>(value: T): Promise<Outcome<T>> {
  return Promise.resolve({ type: "done", value });
}

/** It was refused. */
export function refused<T>(reason: Refusal["reason"], message: string): Promise<Outcome<T>> {
  return Promise.resolve({ type: "refused", reason, message });
}
