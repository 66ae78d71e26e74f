/** Commands of the rounds actor: runs of federated learning on this device, with one child for each that it has joined. */
import type { ModelState } from "../../learning/runs/model_state.ts";
import type { LocalUpdate } from "../../learning/runs/update.ts";
import type { PaillierPrimes } from "../../learning/secure/paillier.ts";
import type { ConfirmingState, OpenedSum } from "../../learning/secure/sum_check.ts";
import type { KeptState } from "../../learning/secure/kept_state.ts";
import type { RoundFault } from "../../learning/screening/reputation_effects.ts";
import type { RunId, RunPlan } from "../../learning/runs/plan.ts";
import type { RoundResult } from "../../learning/runs/result.ts";
import type { TaskExamples } from "../../learning/task.ts";
import type { Evaluation } from "../../learning/trainer.ts";
import type { Block } from "../../protocols/blocks/block.ts";
import type { BlockId, ContentHash, DeviceId } from "../../protocols/ids.ts";
import type {
  Attempt,
  GradientSubmission,
  RoundPhase,
  RoundsMessage,
  VectorOffer,
} from "../../protocols/rounds/messages.ts";
import type { Outcome } from "../handle.ts";
import type { Ref, TaskOutcome } from "../kernel/actor.ts";
import type { RoundMetrics, RunState } from "../learning_handle.ts";
import type { Registry } from "../../protocols/registry/registry.ts";
import type { MembershipChanged } from "../members/commands.ts";
import type { FetchVector } from "./fetching.ts";
import type { OwnTraining } from "./local_training.ts";
import type { Restored } from "./restored.ts";
import type { CommittedResult } from "./results_in_mind.ts";
import type { PeerMessage, PeerSessionEvent } from "../sessions/commands.ts";
import type { BlocksCommitted } from "../storage/commands.ts";

export type RoundsCommand =
  /** Publishes a plan and joins the run; answers with its id when both are durable. */
  | {
    readonly type: "startRun";
    readonly plan: RunPlan;
    readonly idempotencyKey: string | null;
    /** Asked for before under this key: what it costs was weighed then. */
    readonly retry?: true;
    readonly replyTo: Ref<Outcome<RunId>>;
  }
  | { readonly type: "joinRun"; readonly run: RunId; readonly replyTo: Ref<Outcome<RunId>> }
  | { readonly type: "leaveRun"; readonly run: RunId; readonly replyTo: Ref<Outcome<RunId>> }
  /** Ends it for everybody: a tombstone on the plan. */
  | { readonly type: "stopRun"; readonly run: RunId; readonly replyTo: Ref<Outcome<RunId>> }
  | { readonly type: "listRuns"; readonly replyTo: Ref<readonly RunSummary[]> }
  | { readonly type: "getBudget"; readonly replyTo: Ref<BudgetSummary> }
  | {
    readonly type: "setBudget";
    readonly epsilonMax: number;
    readonly replyTo: Ref<Outcome<BudgetSummary>>;
  }
  | FetchVector
  | PeerMessage<RoundsMessage>
  | RoundsPrivateCommand;

/** What the rounds actor says to itself, and what its children say to it. */
export type RoundsPrivateCommand =
  | { readonly type: "loaded"; readonly outcome: TaskOutcome<LoadedRuns> }
  | { readonly type: "loadDue" }
  | { readonly type: "fetchEnded"; readonly fetch: number }
  /** More devices are known to have joined a run than were said. */
  | { readonly type: "companyDue"; readonly run: RunId }
  /** Some with a seat had no session with this device; they have had time to come. */
  | { readonly type: "seatsDue" }
  /** A result that is larger than a block; null while parts of it are elsewhere. */
  | {
    readonly type: "bodyRead";
    readonly block: Block;
    readonly outcome: TaskOutcome<Uint8Array | null>;
  }
  | { readonly type: "partsDue" }
  | { readonly type: "membershipChanged"; readonly event: MembershipChanged }
  | { readonly type: "blocksCommitted"; readonly event: BlocksCommitted }
  | { readonly type: "sessionChanged"; readonly event: PeerSessionEvent }
  | {
    readonly type: "published";
    readonly request: number;
    readonly outcome: Outcome<readonly Block[]>;
  }
  | { readonly type: "saved"; readonly request: number; readonly outcome: TaskOutcome<void> }
  /** A child's run stands like this now. */
  | { readonly type: "runReport"; readonly report: RunReport }
  /** A child is about to train for a round: the ledger is charged, durably, before anything may leave. */
  | { readonly type: "charge"; readonly charge: ChargeRequest }
  /** A child has a result to publish. */
  | { readonly type: "publishResult"; readonly run: RunId; readonly body: Uint8Array }
  /** A child has made this round's version its own: others may fetch it here. */
  | { readonly type: "runAdvanced"; readonly run: RunId; readonly round: number }
  /** A child has found that a result does not hold. */
  | { readonly type: "resultInvalid"; readonly run: RunId; readonly block: BlockId }
  /** A child that coordinates found devices to be at fault. */
  | {
    readonly type: "roundFaults";
    readonly run: RunId;
    readonly round: number;
    readonly faults: readonly { readonly device: DeviceId; readonly fault: RoundFault }[];
  }
  /** A child has measured a version. */
  | { readonly type: "roundMeasured"; readonly run: RunId; readonly metrics: RoundMetrics };

export interface ChargeRequest {
  readonly run: RunId;
  readonly round: number;
  /** Devices in the secure sum: each adds its share of the noise. */
  readonly devices: number;
  /** Numbers in a vector. */
  readonly dimension: number;
  /** 0; one more each time a sum of this round may have become known without a version: another release, which costs again. */
  readonly release: number;
}

/** The ledger's answer to a child. */
export interface ChargeAnswer {
  readonly type: "charged";
  readonly round: number;
  readonly release: number;
  /** The secret from which the round's noise and rounding follow, 32 bytes, the same for every attempt; or why not. */
  readonly answer:
    | { readonly ok: true; readonly secret: Uint8Array<ArrayBuffer> }
    | { readonly ok: false; readonly reason: string };
}

/** What the store holds of learning when a node starts. */
export interface LoadedRuns {
  /** `model` blocks and tombstones of them, oldest first. */
  readonly blocks: readonly Block[];
  readonly joined: ReadonlySet<RunId>;
  /** As `ledgerBytes` wrote it; undefined for a device that never spent anything. */
  readonly ledger: unknown;
  /** Secrets of rounds that were charged and have no result yet, by "run/round", base64. */
  readonly secrets: ReadonlyMap<string, string>;
  /** Points lost by devices that were proved to be at fault. */
  readonly reputation: ReadonlyMap<string, number>;
}

/** How a joined run stands, told by its child on every change. */
export interface RunReport {
  readonly run: RunId;
  readonly round: number;
  readonly parameters: ContentHash | null;
  readonly phase: RoundPhase;
  readonly coordinator: DeviceId | null;
  readonly term: number;
  readonly devices: number;
  readonly waitingFor: string | null;
}

/** One run as the actor knows it. */
export interface RunSummary {
  readonly run: RunId;
  readonly plan: RunPlan;
  readonly startedBy: DeviceId;
  readonly startedAtMs: number;
  readonly joined: boolean;
  readonly state: RunState;
  /** Null until this device has joined it. */
  readonly report: RunReport | null;
  /** Devices that have joined and have a session with this one, itself included. */
  readonly devices: number;
  /** Why this device cannot take part; null when it can. */
  readonly problem: string | null;
  /** Known results, oldest round first. */
  readonly results: readonly CommittedResult[];
}

export type { CommittedResult };

export interface BudgetSummary {
  readonly epsilonMax: number;
  readonly delta: number;
  readonly epsilonSpent: number;
  readonly runs: readonly {
    readonly run: RunId;
    readonly rounds: number;
    readonly epsilon: number;
  }[];
}

/** What the actor of any run is told. */
export type AnyRunCommand =
  | PeerMessage<RoundsMessage>
  /** Who else has joined, and who of them has a session with us now. */
  | {
    readonly type: "peersChanged";
    readonly peers: readonly RunPeer[];
    /** In a large company only these coordinate, because only they have sessions with everybody; absent when all do who may. */
    readonly seats?: ReadonlySet<DeviceId>;
    /** Null until it is known: then nobody's results count yet. */
    readonly registry: Registry | null;
  }
  | { readonly type: "resultCommitted"; readonly committed: CommittedResult }
  | ChargeAnswer;

/** Commands of the actor of a run that is coordinated. */
export type RunCommand = AnyRunCommand | RunPrivateCommand;

/** Another device that has joined the run. */
export interface RunPeer {
  readonly deviceId: DeviceId;
  readonly up: boolean;
  /** It may coordinate. */
  readonly coordinates: boolean;
  /** Rounds it has done, as it said. */
  readonly round: number;
  /** False for a device that was proved to have cheated too often. */
  readonly trusted: boolean;
}

/** What a run's actor says to itself. */
export type RunPrivateCommand =
  | { readonly type: "opened"; readonly outcome: TaskOutcome<OpenedRun> }
  | { readonly type: "openDue" }
  /** Once a second: beats, transfers that stand still. */
  | { readonly type: "tick" }
  /** The coordinator may have been silent for too long. */
  | { readonly type: "silenceDue" }
  /** A phase of our own attempt has lasted long enough. */
  | ({ readonly type: "phaseDue"; readonly phase: string } & Try)
  | { readonly type: "callDue" }
  /** More devices are to be told what a phase has for them. */
  | { readonly type: "tellDue" }
  | { readonly type: "trainingStep"; readonly done: number; readonly total: number }
  | {
    readonly type: "trained";
    readonly round: number;
    readonly release: number;
    readonly outcome: TaskOutcome<TrainedUpdate>;
  }
  /** The update is masked, signed, and has its proof of work. */
  | ({
    readonly type: "prepared";
    readonly outcome: TaskOutcome<PreparedSubmission>;
  } & Try)
  /** Our part is durable: the update may leave. */
  | ({ readonly type: "partKept"; readonly outcome: TaskOutcome<void> } & Try)
  /** This device's word about the survivors is durable. */
  | ({
    readonly type: "signedKept";
    readonly body: Uint8Array;
    readonly outcome: TaskOutcome<void>;
  } & Try)
  /** The same for a sum with a second party. */
  | ({
    readonly type: "wordKept";
    readonly word: SignedWord;
    readonly outcome: TaskOutcome<void>;
  } & Try)
  /** As a second party: our key for the attempt under way. */
  | { readonly type: "primesDrawn"; readonly outcome: TaskOutcome<PaillierPrimes> }
  /** As its second party: what the coordinator signed for is durable, and here is our total. */
  | ({ readonly type: "totalMade"; readonly outcome: TaskOutcome<Uint8Array> } & Try)
  | {
    readonly type: "vectorRead";
    readonly hash: ContentHash;
    readonly outcome: TaskOutcome<Uint8Array<ArrayBuffer> | undefined>;
  }
  | ({
    readonly type: "checkpointKept";
    readonly outcome: TaskOutcome<VectorOffer>;
  } & Try)
  /** An update in the clear is on the disk. */
  | ({
    readonly type: "updateStored";
    readonly device: DeviceId;
    readonly submission: GradientSubmission;
    readonly outcome: TaskOutcome<void>;
  } & Try)
  /** What a restored device waits for is on the disk; without that it listens again after the next start. */
  | { readonly type: "restoreNoted"; readonly outcome: TaskOutcome<void> }
  /** Updates that were on the disk are gone; nothing follows from it. */
  | { readonly type: "roomGivenBack" }
  | ({
    readonly type: "combined";
    readonly outcome: TaskOutcome<CombinedRound>;
  } & Try)
  /** This device's word about an opened sum; empty when it has none. */
  | {
    readonly type: "confirmationMade";
    readonly to: DeviceId;
    readonly key: Attempt;
    readonly outcome: TaskOutcome<Uint8Array>;
  }
  | {
    readonly type: "adopted";
    readonly committed: CommittedResult;
    readonly outcome: TaskOutcome<Adoption>;
  }
  | {
    readonly type: "evaluated";
    readonly committed: CommittedResult;
    readonly outcome: TaskOutcome<Evaluation | null>;
  }
  | { readonly type: "examplesRead"; readonly outcome: TaskOutcome<OpenedRun["examples"]> };

/** What a run begins with on this device. */
export interface OpenedRun {
  readonly head: RunHead;
  readonly examples: TaskExamples | { readonly unavailable: string };
  /** The attempt whose survivors this device has signed for, from before a restart. */
  readonly signed: SignedWord | null;
  /** Attempts of the round under way that it can go on with. */
  readonly kept: readonly KeptPart[];
  /** Put into this device's care by a coordinator, from before a restart. */
  readonly checkpoint: KeptCheckpoint | null;
  /** Absent or null for a device that need not wait for a version. */
  readonly restored?: Restored | null;
}

/** The newest version this device has made or fetched. */
export interface RunHead {
  readonly round: number;
  /** Null for the initial parameters. */
  readonly block: BlockId | null;
  readonly parameters: ContentHash;
  /** Null when the vectors are not on this device (any more). */
  readonly model: ModelState | null;
}

/** Which try at which round: what comes back from a disk or a worker may be about one that is over. */
export interface Try {
  readonly round: number;
  readonly attempt: number;
}

/** "I have signed for the survivors of this attempt", or "I have handed in to it", kept across restarts. */
export interface SignedWord extends Try {
  /** Number of the release that it was about. */
  readonly release: number;
  /** Of a single sum: the devices of the set, ascending. Within the release our update is in sums over this set only. */
  readonly set?: readonly DeviceId[];
  /** SHA-256 of our update in that sum: a sum over the same set with another one in its place would tell how they differ. Null when it is not known. */
  readonly vector?: string | null;
  /** Who may be left out of it under another coordinator, for having been the only one who could know its sum; null: nobody. */
  readonly coordinator?: DeviceId | null;
  /** Present in the word about handing in, which is given where the coordinator adds the noise: to whom; null for an attempt that was given up after others. */
  readonly handedTo?: { readonly coordinator: DeviceId; readonly term: number } | null;
}

/** Our part in an attempt from the masked vector on, kept across restarts. */
export interface KeptPart extends Try {
  readonly coordinator: DeviceId;
  readonly release: number;
  /** SHA-256 of the update under its masks. */
  readonly vector: string | null;
  readonly sum: KeptState;
}

export interface KeptCheckpoint {
  readonly round: number;
  readonly attempt: number;
  readonly offer: VectorOffer;
}

/** An update that may leave: fixed for the round. */
export interface TrainedUpdate extends OwnTraining {
  readonly examples: number;
  readonly update: LocalUpdate;
}

/** A round's result, ready to be published, and who was at fault. */
export interface CombinedRound {
  readonly result: RoundResult;
  /** What its secure sums have to be confirmed with, in the order of the result's; none in the clear and with a second party. */
  readonly opened: readonly OpenedGroup[];
  readonly faults: readonly { readonly device: DeviceId; readonly fault: RoundFault }[];
}

/** A secure sum that is opened, and what all parts in it must add up to. */
export interface OpenedGroup {
  readonly sum: OpenedSum;
  readonly bits: number;
  readonly totals: Uint32Array;
}

/** What a device hands to the coordinator. */
export interface PreparedSubmission {
  /** What is kept of the secure sum after masking; null in the clear. */
  readonly kept: KeptState | null;
  /** The state after masking, for the memory only; null in the clear. */
  readonly masked: ConfirmingState | null;
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** SHA-256 of the update before it was hidden in a sum; null in the clear. */
  readonly vector: string | null;
  /** What goes to the second party; null where there is none. */
  readonly second: Uint8Array | null;
  readonly submission: GradientSubmission;
}

/** What came of a committed result. */
export type Adoption =
  | { readonly type: "adopted"; readonly head: RunHead }
  /** It does not follow from what it says it follows from. */
  | { readonly type: "invalid"; readonly reason: string };
