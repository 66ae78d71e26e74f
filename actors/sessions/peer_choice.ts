/** Whom a device keeps a session with when its mesh is too large to know everybody: pure, and the same for the same peers. */
import type { DeviceId } from "../../protocols/ids.ts";
import { WATCHED_EACH_SIDE } from "../../protocols/liveness/ring.ts";

/** Up to this many peers a device keeps a session with each of them. */
export const EVERYBODY_MAX = 16;
/** Neighbours on each side of the ring of all ids: those who watch each other, so that they share sessions. */
const RING_NEIGHBOURS = WATCHED_EACH_SIDE;
/** Peers besides the neighbours: they make ways short and losses harmless. */
const SHORTCUTS = 6;
/** Sessions with peers we chose. */
export const CHOSEN_MAX = 2 * RING_NEIGHBOURS + SHORTCUTS;
/** Sessions at once, with those whom we chose and those who chose us. */
export const SESSIONS_MAX = 32;
/** Sessions besides, with those who learn together with us, at most: a round may have so many participants. */
export const KEPT_MAX = 1_024;

/**
 * Everybody, or else our neighbours in the ring of all ids and the peers of the lowest pair rank. When all devices see the
 * same peers, the chosen sessions connect them all, because the ring does; neighbours choose each other, and a low pair rank
 * is low for both ends, so that few sessions are wanted by one end only.
 *
 * @param candidates without `self`, without duplicates
 */
export function choosePeers(
  self: DeviceId,
  candidates: readonly DeviceId[],
  rank: (peer: DeviceId) => number = (peer) => pairRank(self, peer),
): ReadonlySet<DeviceId> {
  if (candidates.length <= EVERYBODY_MAX) return new Set(candidates);
  const chosen = new Set<DeviceId>();
  const after = (peer: DeviceId): boolean => peer > self;
  const before = (peer: DeviceId): boolean => peer < self;
  // Behind the largest id the ring goes on with the smallest.
  const nextIds = [...least(candidates, after, RING_NEIGHBOURS, ascending)];
  nextIds.push(...least(candidates, before, RING_NEIGHBOURS - nextIds.length, ascending));
  const earlierIds = [...least(candidates, before, RING_NEIGHBOURS, descending)];
  earlierIds.push(...least(candidates, after, RING_NEIGHBOURS - earlierIds.length, descending));
  for (const peer of [...nextIds, ...earlierIds]) chosen.add(peer);
  const others = (peer: DeviceId): boolean => !chosen.has(peer);
  const shortcuts = least(
    candidates,
    others,
    SHORTCUTS,
    (a, b) => rank(a) - rank(b) || ascending(a, b),
  );
  for (const peer of shortcuts) chosen.add(peer);
  return chosen;
}

/**
 * How little two devices have to do with each other, 0 to 2^32 − 1, the same from both ends. Nothing secret and nothing to gain:
 * members are admitted by hand, so a plain mix (FNV-1a, then the finalizer of MurmurHash3) is enough.
 */
export function pairRank(a: DeviceId, b: DeviceId): number {
  const [first, second] = a < b ? [a, b] : [b, a];
  let hash = 0x811c9dc5;
  for (const id of [first, second]) {
    for (let i = 0; i < id.length; i++) hash = Math.imul(hash ^ id.charCodeAt(i), 0x01000193);
  }
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

function ascending(a: DeviceId, b: DeviceId): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function descending(a: DeviceId, b: DeviceId): number {
  return ascending(b, a);
}

/** The first `count` of those that `pick` lets through, in order. One pass: a mesh of thousands is looked at often. */
function least(
  candidates: readonly DeviceId[],
  pick: (peer: DeviceId) => boolean,
  count: number,
  compare: (a: DeviceId, b: DeviceId) => number,
): readonly DeviceId[] {
  const found: DeviceId[] = [];
  for (const candidate of count > 0 ? candidates : []) {
    if (!pick(candidate)) continue;
    if (found.length === count && compare(candidate, found[count - 1]!) >= 0) continue;
    let place = found.length;
    while (place > 0 && compare(candidate, found[place - 1]!) < 0) place--;
    found.splice(place, 0, candidate);
    if (found.length > count) found.pop();
  }
  return found;
}
