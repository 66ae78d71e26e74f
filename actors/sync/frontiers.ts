/**
 * Telling peers how far our logs go: everything when a session begins, what they told of and we lacked when it has come, and
 * otherwise to one peer at a time what it may not know. New blocks are announced by gossip; this finds what gossip missed.
 */
import { choose } from "../../protocols/gossip/plumtree.ts";
import type { Frontier } from "../../protocols/blocks/block.ts";
import type { DeviceId } from "../../protocols/ids.ts";
import type { Context } from "../kernel/actor.ts";
import type { SyncCommand } from "./commands.ts";
import { wantedUpTo } from "./plan.ts";
import { tell } from "./requests.ts";
import { type PeerSync, SYNC_BOUNDS, type SyncDependencies, type SyncState } from "./state.ts";

/** A peer told of these: it will want to know when we have what we lack of them. */
export function awaitHeads(
  state: SyncState,
  peer: PeerSync,
  heads: readonly Frontier[],
): void {
  for (const { author, sequence } of heads) {
    if (sequence <= (state.frontiers.get(author)?.sequence ?? 0)) continue;
    if (peer.awaited.size < SYNC_BOUNDS.heads) peer.awaited.set(author, sequence);
  }
}

/** These authors' logs have grown. Whoever waits for it is told soon, and of the others some, one after another. */
export function spread(
  context: Context<SyncCommand>,
  state: SyncState,
  authors: readonly DeviceId[],
): void {
  if ([...state.peers.values()].some(({ awaited }) => awaited.size > 0)) {
    context.startTimer("frontiers", SYNC_BOUNDS.frontiersDelayMs, { type: "frontiersDue" });
  }
  if (state.spreading.size === 0) startSpreadTimer(context);
  const sinceMs = context.monotonicMs();
  for (const author of authors) {
    state.spreading.set(author, { left: SYNC_BOUNDS.spreadTimes, sinceMs });
  }
}

/** Tells those who wait how far we have come. */
export function tellAwaited(
  context: Context<SyncCommand>,
  state: SyncState,
  deps: SyncDependencies,
): void {
  for (const peer of state.peers.values()) {
    if (peer.awaited.size === 0) continue;
    for (const [author, sequence] of peer.awaited) {
      const wanted = Math.min(sequence, wantedUpTo(state, peer, author));
      if (wanted <= (state.frontiers.get(author)?.sequence ?? 0)) peer.awaited.delete(author);
    }
    tellFrontiersTo(context, state, deps, peer, { complete: false });
  }
}

/** Tells one peer what is new and it may not know; goes on until enough were told, or nobody is left. */
export function onSpreadDue(
  context: Context<SyncCommand>,
  state: SyncState,
  deps: SyncDependencies,
): void {
  const untilMs = context.monotonicMs() - SYNC_BOUNDS.spreadAfterMs;
  const authors = [...state.spreading].filter(([, { sinceMs }]) => sinceMs <= untilMs)
    .map(([author]) => author);
  const waiting = [...state.peers.values()]
    .map((peer) => ({ peer, untold: untoldOf(state, peer, authors) }))
    .filter(({ untold }) => untold.length > 0);
  const [chosen] = choose(waiting, 1, context.random);
  if (chosen === undefined) { for (const author of authors) state.spreading.delete(author); }
  else {
    const entries = choose(chosen.untold, SYNC_BOUNDS.spreadHeads, context.random);
    sendFrontiers(context, state, deps, chosen.peer, { entries });
    for (const { author } of entries) {
      const spreading = state.spreading.get(author)!;
      spreading.left--;
      if (spreading.left === 0) state.spreading.delete(author);
    }
  }
  if (state.spreading.size > 0) startSpreadTimer(context);
}

/** Heads of these authors that the peer was not told in frontiers and has not shown to have. */
function untoldOf(
  state: SyncState,
  peer: PeerSync,
  authors: readonly DeviceId[],
): readonly Frontier[] {
  const untold: Frontier[] = [];
  for (const author of authors) {
    const frontier = state.frontiers.get(author);
    if (frontier === undefined || peer.told.get(author) === frontier.sequence) continue;
    if ((peer.heads.get(author)?.sequence ?? 0) >= frontier.sequence) continue;
    untold.push(frontier);
  }
  return untold;
}

/** Tells a peer what it has not been told yet; nothing when that is nothing. */
export function tellFrontiersTo(
  context: Context<SyncCommand>,
  state: SyncState,
  deps: SyncDependencies,
  peer: PeerSync,
  options: { readonly complete: boolean; readonly ask?: boolean },
): void {
  const { complete, ask = false } = options;
  const entries: Frontier[] = [];
  for (const frontier of state.frontiers.values()) {
    if (!complete && peer.told.get(frontier.author) === frontier.sequence) continue;
    if (entries.length === SYNC_BOUNDS.heads) break;
    entries.push(frontier);
  }
  if (entries.length === 0 && !complete && peer.toldInterest) return;
  sendFrontiers(context, state, deps, peer, { entries, complete, ask });
}

function sendFrontiers(
  context: Context<SyncCommand>,
  state: SyncState,
  deps: SyncDependencies,
  peer: PeerSync,
  message: {
    readonly entries: readonly Frontier[];
    readonly complete?: boolean;
    readonly ask?: boolean;
  },
): void {
  const { entries, complete = false, ask = false } = message;
  for (const { author, sequence } of entries) peer.told.set(author, sequence);
  peer.toldInterest = true;
  tell(context, deps, peer.id, {
    type: "frontiers",
    entries: entries.toSorted((a, b) => a.author < b.author ? -1 : 1),
    interest: state.interest,
    complete,
    ask,
  });
}

function startSpreadTimer(context: Context<SyncCommand>): void {
  const delayMs = SYNC_BOUNDS.spreadEveryMs * (1 + context.random.float() / 2);
  context.startTimer("spread", delayMs, { type: "spreadDue" });
}
