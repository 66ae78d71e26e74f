/** What this device keeps: chosen by a person, told to peers, applied to what was left out before. */
import type { Interest } from "../handle.ts";
import type { Context } from "../kernel/actor.ts";
import type { SyncCommand } from "./commands.ts";
import { tellFrontiersTo } from "./frontiers.ts";
import { listMissing } from "./repair.ts";
import { type SyncDependencies, type SyncState } from "./state.ts";

/** The settings key that holds this device's interest. */
export const INTEREST_KEY = "interest";

/** Stores what a person chose; it counts once it is durable. */
export function storeInterest(
  context: Context<SyncCommand>,
  deps: SyncDependencies,
  interest: Interest | null,
  replyTo: Extract<SyncCommand, { type: "setInterest" }>["replyTo"],
): void {
  context.perform(
    () => deps.store.settings.set({ [INTEREST_KEY]: interest ?? undefined }),
    (outcome) => ({ type: "interestStored", interest, replyTo, outcome }),
  );
}

/** The choice is durable: peers are told, and payloads that were left out before are fetched. */
export function onInterestStored(
  context: Context<SyncCommand>,
  state: SyncState,
  deps: SyncDependencies,
  command: Extract<SyncCommand, { type: "interestStored" }>,
): void {
  if (!command.outcome.ok) throw command.outcome.error;
  state.interest = command.interest;
  context.send(command.replyTo, command.interest);
  for (const peer of state.peers.values()) {
    peer.toldInterest = false;
    tellFrontiersTo(context, state, deps, peer, { complete: false });
  }
  listMissing(context, state, deps);
}
