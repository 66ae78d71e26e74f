/** What the actor of a run without a coordinator says to itself, and what it keeps. */
import type { MemberModel } from "../../../learning/gossip_averaging/group_model.ts";
import type { TaskExamples } from "../../../learning/task.ts";
import type { Evaluation } from "../../../learning/trainer.ts";
import type { ContentHash } from "../../../protocols/ids.ts";
import type { TaskOutcome } from "../../kernel/actor.ts";
import type { RoundMetrics } from "../../learning_handle.ts";
import type { AnyRunCommand } from "../commands.ts";
import type { Of } from "../run_state.ts";

/** The commands of one run on a grid. `move` says what this device was doing when a task began: what comes back later is dropped. */
export type GridCommand =
  | AnyRunCommand
  | Of<"vectorRead">
  | { readonly type: "opened"; readonly outcome: TaskOutcome<OpenedGrid> }
  | { readonly type: "openDue" }
  | { readonly type: "examplesRead"; readonly outcome: TaskOutcome<OpenedGrid["examples"]> }
  /** Once a second: transfers that stand still, places said again. */
  | { readonly type: "tick" }
  /** Those who are waited for have had their time. */
  | { readonly type: "windowOver"; readonly move: number }
  | { readonly type: "trainingStep"; readonly done: number; readonly total: number }
  | {
    readonly type: "trained";
    readonly move: number;
    readonly outcome: TaskOutcome<{ readonly model: GridModel; readonly loss: number }>;
  }
  | {
    readonly type: "averaged";
    readonly move: number;
    readonly outcome: TaskOutcome<GridModel>;
  }
  | { readonly type: "kept"; readonly move: number; readonly outcome: TaskOutcome<GridHead> }
  | {
    readonly type: "evaluated";
    readonly metrics: RoundMetrics;
    readonly outcome: TaskOutcome<Evaluation | null>;
  };

export type OfGrid<Type extends GridCommand["type"]> = Extract<GridCommand, { type: Type }>;

/** Parameters and their name. */
export interface GridModel extends MemberModel {
  readonly hash: ContentHash;
}

/** What a run begins with on this device. */
export interface OpenedGrid {
  readonly head: GridHead;
  readonly examples: TaskExamples | { readonly unavailable: string };
}

/** This device's own version: what it had when it had done a round. Nobody else need have the same. */
export interface GridHead {
  /** Rounds done. */
  readonly round: number;
  readonly hash: ContentHash;
  /** The version of this device before it. */
  readonly parent: ContentHash;
  /** Where it stands on the grid; null before its first averaging. */
  readonly places: readonly number[] | null;
  /** Null when the parameters are not on this device. */
  readonly model: GridModel | null;
}
