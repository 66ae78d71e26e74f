/** What the actor of a run without a coordinator knows. Shared by its files; nobody else needs it. */
import type { GridChoice } from "../../../learning/runs/grid_plan.ts";
import type { TaskExamples } from "../../../learning/task.ts";
import type { ContentHash, DeviceId } from "../../../protocols/ids.ts";
import type { GridPlace } from "../../../protocols/rounds/messages.ts";
import type { Context } from "../../kernel/actor.ts";
import type { RunPeer } from "../commands.ts";
import type { RunDependencies } from "../run_state.ts";
import type { TransferState } from "../transfers.ts";
import type { GridCommand, GridHead, GridModel } from "./grid_commands.ts";

export type GridContext = Context<GridCommand>;

/** What the actor of a run on a grid is given. */
export interface GridDependencies extends
  Pick<
    RunDependencies,
    | "self"
    | "opened"
    | "run"
    | "results"
    | "rounds"
    | "sessions"
    | "crypto"
    | "signer"
    | "trainer"
    | "vectors"
    | "store"
    | "examples"
  > {
  readonly grid: GridChoice;
}

export interface GridState extends TransferState {
  peers: ReadonlyMap<DeviceId, RunPeer>;
  /** Undefined until what the disk has was read. */
  head: GridHead | undefined;
  examples: TaskExamples | { readonly unavailable: string } | undefined;
  /** `gathering`: says where it is and hears who else is there. `fetching`: takes their parameters. */
  phase: "opening" | "resting" | "training" | "gathering" | "fetching" | "averaging" | "keeping";
  /** One more with each change of what this device does. */
  move: number;
  /** Where it is, as it said last; null until opened. */
  place: GridPlace | null;
  /** Its parameters at that place. */
  model: GridModel | null;
  readonly others: Map<DeviceId, OtherPlace>;
  /** Waited for in vain, until they are somewhere else. */
  readonly tardy: Set<DeviceId>;
  meeting: Meeting | null;
  /** Offered lately, newest last: whoever is a little behind still fetches them. */
  readonly offered: Map<ContentHash, Uint8Array<ArrayBuffer>>;
  /** Numbers of the round under way. */
  tally: Tally;
  /** Nothing begins before, ms of the monotonic clock: others are heard first, and failures do not spin. */
  restUntilMs: number;
  waitingFor: string | null;
  ticks: number;
  /** True while examples are looked for again: somebody may have brought some. */
  looking: boolean;
  /** When this device's result was last handed to the publisher, ms of the monotonic clock. */
  publishedAtMs: number | null;
  isPublished: boolean;
  readonly part: null;
}

/** What is known of another device's way. */
export interface OtherPlace {
  latest: GridPlace;
  /** Its latest places, by `placeKey`: whoever is a little behind still meets it there. Bounded. */
  readonly recent: Map<string, GridPlace>;
  /** The newest parameters it gave to an averaging, and in which round. */
  given: { readonly round: number; readonly hash: ContentHash } | null;
}

/** Parameters being fetched: of a group, or to catch up with others. */
export interface Meeting {
  readonly purpose: "average" | "catchUp";
  readonly round: number;
  /** Of the group, this device among them; or who is asked. In the order of their places. */
  readonly devices: readonly DeviceId[];
  /** Who has offered which parameters, of those not here yet. */
  readonly missing: Map<ContentHash, readonly DeviceId[]>;
  /** What is here; this device's own when it takes part. */
  readonly models: GridModel[];
}

export interface Tally {
  readonly beganMs: number;
  /** Devices that were at the same place in time. */
  ready: number;
  /** Devices whose parameters went into this one's. */
  readonly counted: Set<DeviceId>;
  dropped: number;
  refused: number;
  trainingLoss: number | null;
}

export function newTally(beganMs: number): Tally {
  return { beganMs, ready: 0, counted: new Set(), dropped: 0, refused: 0, trainingLoss: null };
}

/** Names a place in time. */
export function placeKey({ round, step }: Pick<GridPlace, "round" | "step">): string {
  return `${round}/${step}`;
}
