/** What becomes of vectors that a run has fetched or read. */
import type { DeviceId } from "../../protocols/ids.ts";
import { adopt, onObtained } from "./adopting.ts";
import { onCheckpointFetched, resume } from "./checkpoints.ts";
import { call, enter } from "./lead.ts";
import { onUpdateFetched, onUpdateLost, onUpdateWrong } from "./lead_updates.ts";
import { returnTo } from "./other_version.ts";
import type { Incoming, Of, RunActorState, RunContext, RunDependencies } from "./run_state.ts";
import { onVectorRead, type TransferEnds } from "./transfers.ts";
import { onUnavailable } from "./unavailable.ts";

/** What becomes of fetched vectors. */
export function transferEnds(
  context: RunContext,
  state: RunActorState,
  deps: RunDependencies,
): TransferEnds {
  return {
    whole(incoming: Incoming) {
      const { purpose } = incoming;
      const { bytes } = incoming.vector;
      if (purpose.type === "submission") {
        return onUpdateFetched(context, state, deps, incoming, purpose.device);
      }
      if (purpose.type !== "checkpoint") return adopt(context, state, deps, purpose, bytes);
      if (state.lead?.phase !== "recovering") {
        return onCheckpointFetched(context, deps, incoming, purpose.attempt);
      }
      goOn(context, state, deps, bytes, incoming.from);
    },
    failed(incoming: Incoming, reason: string, isWrong: boolean) {
      const { purpose } = incoming;
      if (purpose.type === "submission") {
        const { device } = purpose;
        return isWrong
          ? onUpdateWrong(context, state, deps, device, reason)
          : onUpdateLost(context, state, deps, device, reason);
      }
      if (purpose.type === "checkpoint") {
        if (state.lead?.phase === "recovering") begin(context, state, deps);
        return;
      }
      // It is looked for again later, among those who are there then.
      onUnavailable(context, state, purpose);
    },
  };
}

/** A checkpoint is in hand: its attempt goes on, now or on the version that it was signed on; or a new one begins. */
function goOn(
  context: RunContext,
  state: RunActorState,
  deps: RunDependencies,
  bytes: Uint8Array,
  holder: DeviceId | null,
): void {
  if (resume(context, state, deps, bytes)) return;
  if (returnTo(context, state, deps, bytes, holder)) {
    return enter(context, state, deps, "waiting", null);
  }
  begin(context, state, deps);
}

function begin(context: RunContext, state: RunActorState, deps: RunDependencies): void {
  enter(context, state, deps, "waiting", null);
  call(context, state, deps);
}

/** A vector was looked for on the disk. */
export function onRead(
  context: RunContext,
  state: RunActorState,
  deps: RunDependencies,
  read: Of<"vectorRead">,
): void {
  const bytes = read.outcome.ok ? read.outcome.value : undefined;
  const { hash } = read;
  const isObtained = onObtained(context, state, deps, { hash, bytes });
  if (state.lead?.phase === "recovering" && hash === state.checkpoint?.offer.hash) {
    if (bytes === undefined) begin(context, state, deps);
    else goOn(context, state, deps, bytes, null);
  }
  if (!isObtained || state.reading.has(hash)) onVectorRead(context, state, deps, read);
}
