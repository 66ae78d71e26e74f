/** Blocks that wait: for their turn to be checked, for a predecessor, for what they build on. Counted against the peer they came from. */
import type { Block } from "../../protocols/blocks/block.ts";
import type { BlockId, DeviceId } from "../../protocols/ids.ts";
import { type Arrival, SYNC_BOUNDS, type SyncState } from "./state.ts";

/** Keeps a block that came before its predecessor. */
export function keepEarly(state: SyncState, arrival: Arrival): void {
  const { author, sequence } = arrival.block.header;
  let waiting = state.early.get(author);
  if (waiting === undefined) state.early.set(author, waiting = new Map());
  dropEarly(state, waiting, sequence);
  hold(state, arrival);
  state.earlyCount++;
  waiting.set(sequence, arrival);
}

/** Lets go of an early block, if there is one. */
export function dropEarly(state: SyncState, waiting: Map<number, Arrival>, sequence: number): void {
  const arrival = waiting.get(sequence);
  if (arrival === undefined) return;
  waiting.delete(sequence);
  state.earlyCount--;
  letGo(state, arrival);
}

/** Counts a block that waits here against the peer it came from. */
export function hold(state: SyncState, { block, from }: Arrival): void {
  const bytes = bytesOf(block);
  const held = state.held.get(from) ?? { count: 0, bytes: 0 };
  state.held.set(from, held);
  held.count++;
  held.bytes += bytes;
  state.heldBytes += bytes;
}

/** The opposite of `hold`. */
export function letGo(state: SyncState, { block, from }: Arrival): void {
  const bytes = bytesOf(block);
  state.heldBytes -= bytes;
  const held = state.held.get(from);
  if (held === undefined) return;
  held.count--;
  held.bytes -= bytes;
  if (held.count === 0) state.held.delete(from);
}

function bytesOf(block: Block): number {
  return block.headerBytes.length + (block.payload?.length ?? 0);
}

/** Moves blocks whose predecessor is on its way now, unless something else they need is still missing. */
export function releaseEarly(state: SyncState, author: DeviceId): void {
  const waiting = state.early.get(author);
  if (waiting === undefined) return;
  for (;;) {
    const next = (state.accepted.get(author) ?? 0) + 1;
    const arrival = waiting.get(next);
    if (arrival === undefined || arrival.blockedOn.size > 0) break;
    waiting.delete(next);
    state.earlyCount--;
    state.accepted.set(author, next);
    state.arrivals.push(arrival);
  }
  if (waiting.size === 0) state.early.delete(author);
}

/** Tries again whatever waits for something, and forgets what has come another way. */
export function retryEarly(state: SyncState): void {
  for (const [author, waiting] of state.early) {
    const accepted = state.accepted.get(author) ?? 0;
    for (const [sequence, arrival] of waiting) {
      arrival.blockedOn.clear();
      if (sequence <= accepted) dropEarly(state, waiting, sequence);
    }
    releaseEarly(state, author);
  }
}

/** These are stored now: what waited for nothing else goes on. */
export function unblock(state: SyncState, stored: ReadonlySet<BlockId>): void {
  if (state.earlyCount === 0) return;
  for (const [author, waiting] of state.early) {
    for (const [sequence, arrival] of waiting) {
      for (const id of stored) arrival.blockedOn.delete(id);
      if (sequence <= (state.accepted.get(author) ?? 0)) dropEarly(state, waiting, sequence);
    }
    releaseEarly(state, author);
  }
}

/** Lets go of what has waited too long: whoever still has it is asked again. */
export function dropStale(state: SyncState, nowMs: number): void {
  for (const [author, waiting] of state.early) {
    for (const [sequence, arrival] of waiting) {
      if (nowMs - arrival.sinceMs >= SYNC_BOUNDS.heldMs) dropEarly(state, waiting, sequence);
    }
    if (waiting.size === 0) state.early.delete(author);
  }
}
