/** Federated learning as the node's views see it. Part of `NodeHandle`; field names are the same here, in JSON, in the CLI and in the docs. */
import type { Measured } from "../learning/metrics.ts";
import type { NewRun } from "../learning/runs/new_run.ts";
import type { RunPlan } from "../learning/runs/plan.ts";
import type { BlockId, ContentHash, DeviceId } from "../protocols/ids.ts";
import type { RoundPhase } from "../protocols/rounds/messages.ts";
import type { Outcome } from "./handle.ts";

export type { NewRun };

/** A task this device can learn. */
export interface TaskView {
  readonly task: string;
  readonly title: { readonly en: string; readonly de: string };
  readonly description: { readonly en: string; readonly de: string };
  /** Numbers its model has with default options. */
  readonly parameters: number;
  /** Whether this device has examples for it, and why not. */
  readonly available: boolean;
  readonly reason: string | null;
  readonly trainingExamples: number;
  readonly testExamples: number;
}

/** How a run stands, as this device knows it. */
export type RunState =
  /** Known, and not joined here. */
  | "open"
  /** Joined; rounds go on, or wait for devices (`waitingFor`). */
  | "running"
  | "finished"
  /** Ended before its last round, by a person. */
  | "stopped";

export interface RunView {
  readonly run: BlockId;
  readonly title: string;
  readonly task: string;
  readonly startedBy: DeviceId;
  readonly startedAtMs: number;
  readonly state: RunState;
  readonly joined: boolean;
  /** Rounds done, and planned. */
  readonly round: number;
  readonly rounds: number;
  readonly phase: RoundPhase;
  readonly coordinator: DeviceId | null;
  readonly term: number;
  /** Devices that joined and are heard of. */
  readonly devices: number;
  /** Why nothing goes on; null while it does. */
  readonly waitingFor: string | null;
  readonly plan: RunPlan;
  /** Newest version whose parameters are here. */
  readonly version: ContentHash | null;
  readonly metrics: RoundMetrics | null;
  /** Of this device in this run; null when the plan asks for no privacy. */
  readonly epsilonSpent: number | null;
  /** Of all rounds that were measured here, errors by their mean; absent before the first, and where the plan compresses nothing. */
  readonly compression?: CompressionCost;
  /** Absent where this device has opened no sum as a second party. */
  readonly opened?: OpenedTotal;
}

/**
 * What a coordinator signed when it last asked this device, as the second party, for a total. Whoever has what devices handed in to that attempt sees by it whether the
 * coordinator had another set opened than it said: `docs/protocols/secure-aggregation.md`, "With a second party". Bytes as hex digits.
 */
export interface OpenedTotal {
  readonly round: number;
  readonly attempt: number;
  readonly coordinator: DeviceId;
  /** Hash of the roster. */
  readonly roster: string;
  /** Bitmap over the roster. */
  readonly survivors: string;
  readonly inputsRoot: string;
  /** SHA-256 of the product of the ciphertexts; of nothing with two servers. */
  readonly product: string;
  /** Ed25519, by the coordinator, over all of this but round and attempt, which the roster's hash contains. */
  readonly signature: string;
}

/** Numbers of one round, kept for good. */
export interface RoundMetrics {
  readonly round: number;
  readonly atMs: number;
  readonly durationMs: number;
  readonly coordinator: DeviceId;
  /** Called, ready, and counted in the result. */
  readonly called: number;
  readonly ready: number;
  readonly counted: number;
  readonly dropped: number;
  readonly refused: number;
  /** Measured on this device's held-out examples; null without any, or for tasks without classes. */
  readonly accuracy: number | null;
  readonly loss: number | null;
  /** The task's own metrics by name, like `top3Accuracy`, measured there, too; absent where it names none, or nothing was measured. */
  readonly measured?: Measured;
  /** Mean training loss of this device in the round; null when it did not take part. */
  readonly trainingLoss: number | null;
  /** Bytes of one update on the wire, and of the parameters. */
  readonly updateBytes: number;
  readonly parameterBytes: number;
  /** Absent where the plan compresses nothing. */
  readonly compression?: CompressionCost;
  readonly epsilon: number | null;
}

/** What compressing brings and costs. */
export interface CompressionCost {
  /** Bytes of the parameters over those of an update on the wire. */
  readonly ratio: number;
  /**
   * Squared error of this device's own update over its square; null where it has sent none. Where what is left out is sent later, the share of the square that is. No other
   * device is told.
   */
  readonly error: number | null;
}

/** One version of a model. */
export interface ModelView {
  /** SHA-256 of its parameters. */
  readonly version: ContentHash;
  /** The block that says so; null for initial parameters. */
  readonly block: BlockId | null;
  readonly parent: ContentHash | null;
  readonly run: BlockId;
  readonly task: string;
  readonly round: number;
  readonly createdAtMs: number;
  readonly coordinator: DeviceId;
  readonly participants: number;
  readonly bytes: number;
  /** Whether the parameters are on this device. */
  readonly here: boolean;
  /** Chosen as the one to use: the newest, unless a person has rolled back. */
  readonly current: boolean;
  readonly verified: "valid" | "invalid" | "unchecked";
  /** As its round was measured on this device. */
  readonly metrics: Pick<RoundMetrics, "accuracy" | "loss" | "measured">;
}

export interface ModelComparison {
  readonly a: ContentHash;
  readonly b: ContentHash;
  readonly l2: number;
  readonly cosine: number;
  readonly layers: readonly {
    readonly name: string;
    readonly l2: number;
    readonly relative: number;
  }[];
  readonly metrics: { readonly a: ModelView["metrics"]; readonly b: ModelView["metrics"] };
}

export interface BudgetView {
  readonly epsilonLifetimeMax: number;
  readonly delta: number;
  readonly epsilonSpent: number;
  readonly runs: readonly {
    readonly run: BlockId;
    readonly title: string;
    readonly rounds: number;
    readonly epsilon: number;
    readonly epsilonMax: number;
  }[];
}

export interface Verification {
  readonly version: ContentHash;
  readonly valid: boolean;
  /** What was checked, and the first thing that did not hold. */
  readonly checks: readonly {
    readonly check: string;
    readonly ok: boolean;
    readonly detail: string;
  }[];
  readonly durationMs: number;
}

export interface LearningHandle {
  tasks(): Promise<readonly TaskView[]>;
  /** Publishes the plan and joins; refuses what is impossible and says what would be possible. */
  start(run: NewRun): Promise<Outcome<RunView>>;
  /** `run` may be shortened to a unique beginning of at least 6 digits, here and below. */
  join(run: string): Promise<Outcome<RunView>>;
  leave(run: string): Promise<Outcome<RunView>>;
  /** Ends a run for everybody; only who started it or an owner. */
  stop(run: string): Promise<Outcome<RunView>>;
  runs(): Promise<readonly RunView[]>;
  run(run: string): Promise<Outcome<RunView>>;
  rounds(run: string): Promise<Outcome<readonly RoundMetrics[]>>;
  /** Newest first; of one run, or of all. At most 1,000 of a run. */
  models(run?: string): Promise<Outcome<readonly ModelView[]>>;
  /** `version` may be shortened to a unique beginning of at least 6 digits, here and below. */
  model(version: string): Promise<Outcome<ModelView>>;
  compare(a: string, b: string): Promise<Outcome<ModelComparison>>;
  /** Makes an older version the current one; the newest one makes later ones current again as they come. */
  rollBack(version: string): Promise<Outcome<ModelView>>;
  verify(version: string): Promise<Outcome<Verification>>;
  /** The file's bytes. */
  export(
    version: string,
    format: "safetensors" | "onnx",
  ): Promise<Outcome<Uint8Array<ArrayBuffer>>>;
  budget(): Promise<BudgetView>;
  /** Sets this device's lifetime limit; never below what is spent. */
  setBudget(epsilonLifetimeMax: number): Promise<Outcome<BudgetView>>;
}

/** What the outside may watch; part of `NodeEvent`. */
export type LearningEvent =
  /** A run was started or stopped, this device joined or left it, or it waits for something else than before. */
  | { readonly type: "runChanged"; readonly run: BlockId; readonly state: RunState }
  /** What its coordinator says of a round under way, about once a second. */
  | {
    readonly type: "roundProgress";
    readonly run: BlockId;
    readonly round: number;
    readonly phase: RoundPhase;
    readonly ready: number;
    readonly submitted: number;
    readonly fetched: number;
  }
  /** How far this device is with its own training, in steps. */
  | {
    readonly type: "trainingProgress";
    readonly run: BlockId;
    readonly round: number;
    readonly done: number;
    readonly total: number;
  }
  /** A round has its result, and it was measured here. */
  | { readonly type: "roundFinished"; readonly run: BlockId; readonly metrics: RoundMetrics };
