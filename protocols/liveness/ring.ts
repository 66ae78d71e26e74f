/**
 * The ring of all ids, as one device sees it: who is probed and who is told first. Neighbours on the ring have most of their sessions in
 * common, so that one can ask another about a third; that is what an indirect probe needs.
 */
import type { DeviceId } from "../ids.ts";

/** Probed on each side of the ring where not everybody has a session with everybody. */
export const WATCHED_EACH_SIDE = 4;

export interface RingView {
  /** The next and the one before; one or none in a mesh of two or one. */
  readonly neighbours: readonly DeviceId[];
  /** All other peers, in the order of the ring. */
  readonly others: readonly DeviceId[];
  /** The nearest `WATCHED_EACH_SIDE` on each side. */
  readonly watched: ReadonlySet<DeviceId>;
}

/** How the ring looks from `self`, with `peers` on it; `self` is none of them. */
export function ringView(self: DeviceId, peers: Iterable<DeviceId>): RingView {
  const sorted = [...peers].sort();
  const place = sorted.findIndex((id) => id > self);
  // Behind the largest id the ring goes on with the smallest.
  const ring = place < 0 ? sorted : [...sorted.slice(place), ...sorted.slice(0, place)];
  const neighbours = ring.length < 2 ? ring : [ring[0]!, ring.at(-1)!];
  return {
    neighbours,
    others: ring.slice(1, -1),
    watched: new Set([...ring.slice(0, WATCHED_EACH_SIDE), ...ring.slice(-WATCHED_EACH_SIDE)]),
  };
}
