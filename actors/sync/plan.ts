/** Which blocks to ask which peer for: pure functions of the state. Every author's log is fetched from one peer at a time. */
import { type LogRange, SYNC_LIMITS } from "../../protocols/sync/messages.ts";
import type { DeviceId } from "../../protocols/ids.ts";
import { lastValidSequence } from "../../protocols/registry/registry.ts";
import type { PeerSync, SyncState } from "./state.ts";
import { SYNC_BOUNDS } from "./state.ts";

/** The last sequence of this author's log that the peer has and we may want; 0 when none. */
export function wantedUpTo(state: SyncState, peer: PeerSync, author: DeviceId): number {
  const head = peer.heads.get(author);
  const member = state.registry?.members.get(author);
  if (head === undefined || member === undefined || peer.refused.has(author)) return 0;
  return Math.min(head.sequence, member.validUpToSequence ?? head.sequence);
}

/**
 * Ranges for one more request to this peer, and marks them as asked for. Empty when there is nothing to ask, or when
 * others are already asked for it.
 */
export function takeRanges(state: SyncState, peer: PeerSync): readonly LogRange[] {
  const ranges: LogRange[] = [];
  let sequences = 0;
  for (const author of peer.heads.keys()) {
    if (ranges.length === SYNC_LIMITS.ranges || sequences >= peer.segment) break;
    const upTo = wantedUpTo(state, peer, author);
    const accepted = state.accepted.get(author) ?? 0;
    if (upTo <= accepted) continue;
    const fetch = state.fetches.get(author);
    if (fetch !== undefined && fetch.peer !== peer.id) continue;
    const fromSequence = Math.max(heldUpTo(state, author, accepted), fetch?.requestedUpTo ?? 0) + 1;
    if (fromSequence > upTo) continue;
    const toSequence = Math.min(upTo, fromSequence + peer.segment - sequences - 1);
    ranges.push({ author, fromSequence, toSequence });
    sequences += toSequence - fromSequence + 1;
    if (fetch === undefined) {
      state.fetches.set(author, { peer: peer.id, requestedUpTo: toSequence, openRequests: 1 });
    } else {
      fetch.requestedUpTo = toSequence;
      fetch.openRequests++;
    }
  }
  return ranges;
}

/** The end of the run that is accepted or waits here for something else: no need to ask for it again. */
function heldUpTo(state: SyncState, author: DeviceId, accepted: number): number {
  const waiting = state.early.get(author);
  let upTo = accepted;
  while (waiting?.has(upTo + 1)) upTo++;
  return upTo;
}

/** Ends one request's claim on these authors; the last one frees the log for any peer. */
export function releaseRanges(state: SyncState, ranges: readonly LogRange[]): void {
  for (const { author } of ranges) {
    const fetch = state.fetches.get(author);
    if (fetch === undefined) continue;
    fetch.openRequests--;
    if (fetch.openRequests <= 0) state.fetches.delete(author);
  }
}

/** What is left of the ranges after an answer that was cut short. `last` is the highest sequence received per author. */
export function remainder(
  ranges: readonly LogRange[],
  last: ReadonlyMap<DeviceId, number>,
): readonly LogRange[] {
  const rest: LogRange[] = [];
  for (const range of ranges) {
    const received = last.get(range.author) ?? range.fromSequence - 1;
    if (received < range.toSequence) rest.push({ ...range, fromSequence: received + 1 });
  }
  return rest;
}

/** The next segment length: longer while answers come whole, what fitted when one was cut. */
export function nextSegment(
  current: number,
  asked: number,
  received: number,
  complete: boolean,
): number {
  if (!complete) return Math.max(1, received);
  if (asked < current) return current;
  return Math.min(SYNC_BOUNDS.segmentMax, current * 2);
}

/** How our heads compare with a peer's. */
export interface Comparison {
  /** We lack no block of its logs as far as its heads tell and, until that was true once, it none of those we told it of. */
  readonly equal: boolean;
  /** "author:ours:theirs" for each author with two different blocks at the same sequence. */
  readonly forks: readonly string[];
}

/** Compares heads; authors whose blocks we refuse do not count. */
export function compareHeads(state: SyncState, peer: PeerSync): Comparison {
  const forks: string[] = [];
  let equal = peer.known;
  for (const [author, theirs] of peer.heads) {
    const ours = state.frontiers.get(author);
    const wanted = wantedUpTo(state, peer, author);
    if (wanted > (ours?.sequence ?? 0)) equal = false;
    else if (ours !== undefined && ours.sequence === theirs.sequence && ours.head !== theirs.head) {
      forks.push(`${author}:${ours.head}:${theirs.head}`);
    }
  }
  // Later a peer need not say that it has what is new: whoever lacks something asks.
  for (const [author, told] of peer.met ? [] : peer.told) {
    // Blocks behind a revocation that came too late for us are wanted by nobody.
    const last = state.registry === null ? 0 : lastValidSequence(state.registry, author);
    if (Math.min(told, last) > (peer.heads.get(author)?.sequence ?? 0)) equal = false;
  }
  return { equal, forks };
}
