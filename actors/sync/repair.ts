/** What this store should hold and does not: rows set aside as damaged, payloads, chunks. Found by reading the store, asked for by id. */
import { isWanted } from "../../protocols/sync/interest.ts";
import type { Frontier } from "../../protocols/blocks/block.ts";
import type { BlockId } from "../../protocols/ids.ts";
import type { Interest } from "../handle.ts";
import type { Context } from "../kernel/actor.ts";
import type { BlocksCommitted } from "../storage/commands.ts";
import { findMissingChunks, requestChunks, wantChunks } from "./chunks.ts";
import type { Missing, SyncCommand } from "./commands.ts";
import { requestMore } from "./requests.ts";
import { SYNC_BOUNDS, type SyncDependencies, type SyncState } from "./state.ts";

/** Reads what is missing, outside the actor. */
export function listMissing(
  context: Context<SyncCommand>,
  state: SyncState,
  deps: SyncDependencies,
): void {
  const { interest } = state;
  const hadHoles = state.holes.size > 0;
  context.perform(
    () => findMissing(deps, interest, hadHoles),
    (outcome) => ({ type: "missingListed", outcome }),
  );
}

/** As a task: everything that peers may be asked for by id. */
export async function findMissing(
  deps: SyncDependencies,
  interest: Interest | null,
  hadHoles = false,
): Promise<Missing> {
  const blocks: BlockId[] = (await deps.store.blocks.missing()).map(({ id }) => id);
  const without = await deps.store.blocks.withoutPayload(SYNC_BOUNDS.payloadWantsMax);
  const payloads = without.filter((block) => isWanted(interest, block.header)).map((block) =>
    block.id
  );
  const large = await deps.store.blocks.largeBodies();
  const chunks = await findMissingChunks(
    deps.store,
    large.map((block) => ({ block, receivedFrom: null })),
  );
  // Behind a hole that was filled there may be more of the log, stored long ago: only the store knows how far it goes.
  const frontiers = hadHoles || blocks.length > 0 ? await deps.store.blocks.frontiers() : [];
  return { blocks, payloads, chunks, frontiers };
}

/** Asks every peer for it; whoever has it answers, and a block that comes twice is dropped. */
export function onMissingListed(
  context: Context<SyncCommand>,
  state: SyncState,
  deps: SyncDependencies,
  missing: Missing,
): void {
  state.holes = new Set(missing.blocks);
  if (takeStoredFrontiers(state, missing.frontiers)) {
    context.startTimer("frontiers", SYNC_BOUNDS.frontiersDelayMs, { type: "frontiersDue" });
  }
  for (const peer of state.peers.values()) {
    for (const id of missing.blocks) peer.wantedIds.add(id);
    for (const id of missing.payloads) peer.wantedPayloads.add(id);
  }
  wantChunks(state, missing.chunks);
  requestMore(context, state, deps);
  requestChunks(context, state, deps);
}

/** What the store holds may go further than what we saw being committed. True when it does. */
export function takeStoredFrontiers(state: SyncState, frontiers: readonly Frontier[]): boolean {
  let further = false;
  for (const frontier of frontiers) {
    // Commits that were announced while the store was read are newer than what was read.
    if ((state.frontiers.get(frontier.author)?.sequence ?? 0) >= frontier.sequence) continue;
    further = true;
    state.frontiers.set(frontier.author, frontier);
    if ((state.accepted.get(frontier.author) ?? 0) < frontier.sequence) {
      state.accepted.set(frontier.author, frontier.sequence);
    }
  }
  return further;
}

/** True when one of these was a hole in a log: what follows it has to be looked up. */
export function fillsHole(state: SyncState, { blocks }: BlocksCommitted): boolean {
  return blocks.some(({ block }) => state.holes.has(block.id));
}
