/** Telling peers how far our logs go: everything when a session begins, then only what has changed. */
import type { Frontier } from "../../protocols/blocks/block.ts";
import type { Context } from "../kernel/actor.ts";
import type { SyncCommand } from "./commands.ts";
import { tell } from "./requests.ts";
import { type PeerSync, SYNC_BOUNDS, type SyncDependencies, type SyncState } from "./state.ts";

/** Tells every peer what it has not been told yet. */
export function tellFrontiers(
  context: Context<SyncCommand>,
  state: SyncState,
  deps: SyncDependencies,
): void {
  for (const peer of state.peers.values()) {
    tellFrontiersTo(context, state, deps, peer, { complete: false });
  }
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
    peer.told.set(frontier.author, frontier.sequence);
  }
  if (entries.length === 0 && !complete && peer.toldInterest) return;
  entries.sort((a, b) => a.author < b.author ? -1 : 1);
  peer.toldInterest = true;
  tell(context, deps, peer.id, {
    type: "frontiers",
    entries,
    interest: state.interest,
    complete,
    ask,
  });
}
