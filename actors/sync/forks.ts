/**
 * Branches of one author's log. The first block that came to a place counts there; the others are kept as proof, and everybody is to end
 * with the same ones. Heads show a fork only when both branches are equally long, so it is followed where it is met.
 */
import type { BlockId, DeviceId } from "../../protocols/ids.ts";
import { lastValidSequence } from "../../protocols/registry/registry.ts";
import { SYNC_LIMITS } from "../../protocols/sync/messages.ts";
import type { Context } from "../kernel/actor.ts";
import type { SyncCommand } from "./commands.ts";
import { note, startReconcile } from "./reconciliation.ts";
import { requestFrom, tell } from "./requests.ts";
import type { Arrival, SyncDependencies, SyncState } from "./state.ts";

/**
 * A block builds on another block than the one we hold in front of it: its branch is fetched from whoever sent it, and the whole sets
 * are compared, because that one may lack our branch.
 */
export function followFork(
  context: Context<SyncCommand>,
  state: SyncState,
  deps: SyncDependencies,
  arrival: Arrival,
  missing: readonly BlockId[],
): void {
  const { author, sequence, previous } = arrival.block.header;
  const peer = state.peers.get(arrival.from);
  if (peer === undefined || previous === null || !missing.includes(previous)) return;
  if ((state.frontiers.get(author)?.sequence ?? 0) < sequence - 1) return;
  // What comes after a revocation is refused, and whatever builds on it waits in vain.
  if (state.registry === null || sequence > lastValidSequence(state.registry, author)) return;
  note(peer.wantedIds, [previous]);
  startReconcile(context, deps, peer);
  requestFrom(context, state, deps, peer);
}

/** Blocks that are proof of a fork move no head, so peers are told of them by id. */
export function tellOfTwins(
  context: Context<SyncCommand>,
  state: SyncState,
  deps: SyncDependencies,
  ids: readonly BlockId[],
  from: DeviceId | null,
): void {
  for (const peer of state.peers.values()) {
    if (peer.id === from) continue;
    for (let i = 0; i < ids.length; i += SYNC_LIMITS.ids) {
      tell(context, deps, peer.id, {
        type: "haveBlocks",
        ids: ids.slice(i, i + SYNC_LIMITS.ids),
      });
    }
  }
}
