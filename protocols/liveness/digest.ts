/**
 * All beliefs in 64 bits: two devices compare these before they send each other everything they believe. Suspicions count as "alive",
 * because they pass. A plain mix is enough: who compares is a member, and beliefs that happen to look equal are told as rumours anyway.
 */
import type { DeviceId } from "../ids.ts";
import type { Rumour } from "./messages.ts";

export interface BeliefDigest {
  readonly count: number;
  readonly sum: number;
}

const hashes = new Map<DeviceId, number>();
const HASHES_MAX = 65_536;

/** The same for the same beliefs, in any order. */
export function digestOf(rumours: Iterable<Rumour>): BeliefDigest {
  let count = 0;
  let sum = 0;
  for (const { subject, state, incarnation } of rumours) {
    const gone = state === "dead" ? 1 : state === "left" ? 2 : 0;
    count += 1;
    sum = (sum + mix(mix(hashOf(subject) ^ incarnation) + gone)) >>> 0;
  }
  return { count, sum };
}

/** FNV-1a. */
function hashOf(id: DeviceId): number {
  const known = hashes.get(id);
  if (known !== undefined) return known;
  let hash = 0x811c9dc5;
  for (let i = 0; i < id.length; i++) hash = Math.imul(hash ^ id.charCodeAt(i), 0x01000193);
  if (hashes.size >= HASHES_MAX) hashes.clear();
  hashes.set(id, hash);
  return hash;
}

/** The finalizer of MurmurHash3 (Appleby, public domain). */
function mix(word: number): number {
  let x = Math.imul(word ^ (word >>> 16), 0x85ebca6b);
  x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35);
  return (x ^ (x >>> 16)) >>> 0;
}
