/** Why something cannot be done with a version of a model. */
import type { ContentHash } from "../protocols/ids.ts";
import type { Refusal } from "./handle.ts";
import { refused } from "./outcomes.ts";

/** Its parameters are gone, or never came. */
export function notHere(version: ContentHash): Refusal {
  return refused(
    "unavailable",
    `Version ${version} is known, but its parameters are not on this device: it keeps the newest ones, and those that somebody went back to`,
  );
}
