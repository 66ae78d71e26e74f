/** What this store should hold and does not: rows set aside as damaged, payloads, chunks. Found by reading the store, asked for by id. */
import { isWanted } from "../../protocols/sync/interest.ts";
import type { BlockId } from "../../protocols/ids.ts";
import type { Interest } from "../handle.ts";
import type { Context } from "../kernel/actor.ts";
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
  context.perform(
    () => findMissing(deps, interest),
    (outcome) => ({ type: "missingListed", outcome }),
  );
}

/** As a task: everything that peers may be asked for by id. */
export async function findMissing(
  deps: SyncDependencies,
  interest: Interest | null,
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
  return { blocks, payloads, chunks };
}

/** Asks every peer for it; whoever has it answers, and a block that comes twice is dropped. */
export function onMissingListed(
  context: Context<SyncCommand>,
  state: SyncState,
  deps: SyncDependencies,
  missing: Missing,
): void {
  for (const peer of state.peers.values()) {
    for (const id of missing.blocks) peer.wantedIds.add(id);
    for (const id of missing.payloads) peer.wantedPayloads.add(id);
  }
  wantChunks(state, missing.chunks);
  requestMore(context, state, deps);
  requestChunks(context, state, deps);
}
