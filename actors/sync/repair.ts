/** What this store should hold and does not: rows set aside as damaged, payloads, chunks. Found by reading the store, asked for by id. */
import { isWanted } from "../../protocols/sync/interest.ts";
import type { Frontier } from "../../protocols/blocks/block.ts";
import type { BlockId } from "../../protocols/ids.ts";
import type { Interest } from "../handle.ts";
import type { Context } from "../kernel/actor.ts";
import type { BlocksCommitted } from "../storage/commands.ts";
import { findMissingChunks, requestChunks, wantChunks } from "./chunks.ts";
import type { Missing, SyncCommand } from "./commands.ts";
import { spread } from "./frontiers.ts";
import { note } from "./reconciliation.ts";
import { requestMore } from "./requests.ts";
import { SYNC_BOUNDS, type SyncDependencies, type SyncState } from "./state.ts";

/** As `listMissing`, when it is time again: soon while things are coming, rarely while nobody has them or nothing is missing. */
export function listMissingIfDue(
  context: Context<SyncCommand>,
  state: SyncState,
  deps: SyncDependencies,
): void {
  const { underWay, nextAtMs } = state.looking;
  if (!underWay && context.monotonicMs() >= nextAtMs) listMissing(context, state, deps);
}

/** As `listMissing`, for a peer that has just come: it may have what nobody had. */
export function listMissingForNewcomer(
  context: Context<SyncCommand>,
  state: SyncState,
  deps: SyncDependencies,
): void {
  if (state.looking.found > 0) listMissing(context, state, deps);
}

/** Blocks have come without the payload that we want, from a peer that lacks it: the next look is due. */
export function lookForPayloads(
  context: Context<SyncCommand>,
  state: SyncState,
  { blocks }: BlocksCommitted,
): void {
  const lacking = blocks.some(({ block }) =>
    block.payload === null && isWanted(state.interest, block.header)
  );
  if (!lacking) return;
  const { looking } = state;
  if (looking.underWay) looking.again = true;
  else looking.nextAtMs = context.monotonicMs();
}

/** A reading has ended: when is the next? Whether one was asked for meanwhile is answered by starting it. */
export function onLookEnded(
  context: Context<SyncCommand>,
  state: SyncState,
  deps: SyncDependencies,
  found: number,
): void {
  const { looking } = state;
  const { lookEveryMs, lookEveryMsMax } = SYNC_BOUNDS;
  const same = found === looking.found;
  looking.waitMs = found === 0
    ? lookEveryMsMax
    : same
    ? Math.min(lookEveryMsMax, looking.waitMs * 2)
    : lookEveryMs;
  looking.found = found;
  looking.nextAtMs = context.monotonicMs() + looking.waitMs;
  looking.underWay = false;
  if (!looking.again) return;
  looking.again = false;
  listMissing(context, state, deps);
}

/** Reads what is missing, outside the actor; one reading at a time. */
export function listMissing(
  context: Context<SyncCommand>,
  state: SyncState,
  deps: SyncDependencies,
): void {
  const { interest, looking } = state;
  if (looking.underWay) {
    looking.again = true;
    return;
  }
  looking.underWay = true;
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
    spread(context, state, missing.frontiers.map(({ author }) => author));
  }
  for (const peer of state.peers.values()) {
    note(peer.wantedIds, missing.blocks);
    note(peer.wantedPayloads, missing.payloads);
  }
  wantChunks(state, missing.chunks);
  onLookEnded(
    context,
    state,
    deps,
    missing.blocks.length + missing.payloads.length + missing.chunks.length,
  );
  requestMore(context, state, deps);
  requestChunks(context, state, deps);
}

/** The disk did not answer: a store that fails to be read now may be read later. */
export function onLookFailed(
  context: Context<SyncCommand>,
  state: SyncState,
  deps: SyncDependencies,
  error: unknown,
): void {
  context.log.write("warning", "Cannot look up what is missing", { error: String(error) });
  // Something is missing until the opposite is known.
  onLookEnded(context, state, deps, Math.max(1, state.looking.found));
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
