/** What the actor of a run knows beside everything else when updates gather in a buffer, on the side of the devices. */
import type { VersionPlace } from "../../learning/runs/buffered.ts";
import type { RoundResult } from "../../learning/runs/result.ts";
import type { Attempt } from "../../protocols/rounds/messages.ts";
import type { Part, RunActorState } from "./run_state.ts";

export interface BufferedState {
  /** The buffer that the coordinator has open, as it last said; null while it has none. */
  open: Attempt | null;
  /** An update that may have been handed in and is in no version yet. One more may be in the making: `RunActorState.part`. */
  handed: Part | null;
  /** The buffer to which it was handed in, by whom, as text; null when to none. */
  told: string | null;
  /** Number of the version whose buffer refused it; null when none has. */
  refusedFor: number | null;
  /** The buffer that was told that there is nothing to train on, as text. */
  declined: string | null;
  /** The version that was trained from last, as text. */
  trainedFrom: string | null;
  /** The results that led to our version, newest first: as far back as an update may be stale. */
  lineage: readonly RoundResult[];
}

/** The state of a device that has done nothing yet. */
export function noBuffer(): BufferedState {
  return {
    open: null,
    handed: null,
    told: null,
    refusedFor: null,
    declined: null,
    trainedFrom: null,
    lineage: [],
  };
}

/** The version this device has. */
export function headPlace({ head }: RunActorState): VersionPlace {
  return { round: head!.round, parameters: head!.parameters };
}

/** The buffer into which updates may be handed now: our own, or that of the coordinator we follow. */
export function openBuffer({ lead, buffered, term }: RunActorState): Attempt | null {
  if (lead !== null) return lead.phase === "training" ? lead.key : null;
  return buffered.open?.term === term ? buffered.open : null;
}
