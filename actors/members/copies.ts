/** Keeps the copies of registry blocks beside the store as `load.ts` wants them: one change at a time, tried again when the disk refuses. */
import type { Context, TaskOutcome } from "../kernel/actor.ts";
import type { MembersCommand } from "./commands.ts";
import { changeCopies, type CopyChanges, planCopies, type RegistryOnDisk } from "./load.ts";
import type { MembersState } from "./state.ts";

/** After a failure they are tried again this much later, ms. */
const AGAIN_MS = 60_000;

/** Makes and drops copies unless that is under way. */
export function tendCopies(
  context: Context<MembersCommand>,
  state: MembersState,
  disk: RegistryOnDisk,
): void {
  if (state.changingCopies || state.fold === null) return;
  const changes = planCopies(state.fold, state.copies, state.onlyCopies);
  if (changes === null) return;
  state.changingCopies = true;
  context.perform(
    () => changeCopies(disk, changes),
    (outcome) => ({ type: "copiesChanged", changes, outcome }),
  );
}

/** Copies were made and dropped, or the disk refused. */
export function onCopiesChanged(
  context: Context<MembersCommand>,
  state: MembersState,
  disk: RegistryOnDisk,
  changes: CopyChanges,
  outcome: TaskOutcome<void>,
): void {
  state.changingCopies = false;
  if (!outcome.ok) {
    context.log.write("warning", "Cannot keep copies of registry blocks", {
      error: String(outcome.error),
    });
    context.startTimer("copies", AGAIN_MS, { type: "copiesDue" });
    return;
  }
  for (const { id } of changes.add) state.copies.add(id);
  for (const id of changes.drop) state.copies.delete(id);
  // Blocks may have come meanwhile.
  tendCopies(context, state, disk);
}
