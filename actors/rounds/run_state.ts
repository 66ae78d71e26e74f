/** What the actor of one run knows. Shared by its files; nobody else needs it. */
import type { OpenedPlan } from "../../learning/runs/opened_plan.ts";
import type { RunId } from "../../learning/runs/plan.ts";
import type { LocalUpdate } from "../../learning/runs/update.ts";
import type { Parameters } from "../../learning/parameters.ts";
import type { RoundFault } from "../../learning/screening/reputation_effects.ts";
import type { ConfirmingState } from "../../learning/secure/sum_check.ts";
import type { ClientState } from "../../learning/secure/client_state.ts";
import type { ReceivedShares } from "../../learning/secure/contract.ts";
import type { KeptState } from "../../learning/secure/kept_state.ts";
import type { MaskWork } from "../../learning/secure/mask_work.ts";
import type { PaillierWork } from "../../learning/secure/paillier_work.ts";
import type { ServerState } from "../../learning/secure/server_state.ts";
import type { TaskExamples } from "../../learning/task.ts";
import type { Crypto, MaskStream, Signer } from "../../platform/ports.ts";
import type { Trainer } from "../../learning/trainer.ts";
import type { SourceBudget } from "../../protocols/discovery/source_budget.ts";
import type { BlockId, ContentHash, DeviceId } from "../../protocols/ids.ts";
import type {
  Attempt,
  GradientSubmission,
  PeerReady,
  RoundPhase,
  RoundStart,
  VectorOffer,
} from "../../protocols/rounds/messages.ts";
import type { IncomingVector } from "../../protocols/rounds/transfer.ts";
import type { Registry } from "../../protocols/registry/registry.ts";
import type { Store } from "../../store/store.ts";
import type { VectorStore } from "../../store/vectors.ts";
import type { Context, Ref } from "../kernel/actor.ts";
import type { Confirming } from "./confirming.ts";
import type { BufferedState } from "./buffered_state.ts";
import type { Restored } from "./restored.ts";
import type { OwnTraining } from "./local_training.ts";
import type { SpilledUpdates } from "./spilled_updates.ts";
import type { Telling } from "./telling.ts";
import type { AttemptsAhead } from "./terms.ts";
import type { SecondParty, SmallLead, SmallPart } from "./small_state.ts";
import type { SessionsCommand } from "../sessions/commands.ts";
import type {
  CommittedResult,
  KeptCheckpoint,
  KeptPart,
  RoundsCommand,
  RunCommand,
  RunHead,
  RunPeer,
  SignedWord,
} from "./commands.ts";

/** What the actor of a run is given. */
export interface RunDependencies {
  readonly self: DeviceId;
  readonly opened: OpenedPlan;
  readonly run: RunId;
  readonly startedBy: DeviceId;
  /** Results that were committed before it started, oldest first. */
  readonly results: readonly CommittedResult[];
  /** What was known of the members when the run was opened. */
  readonly registry: Registry | null;
  /** True for the run that this device has just started itself: it need not listen for others first. */
  readonly fresh: boolean;
  readonly rounds: Ref<RoundsCommand>;
  readonly sessions: Ref<SessionsCommand>;
  readonly crypto: Crypto;
  readonly signer: Signer;
  readonly masks: MaskStream;
  /** Puts masks on and takes them off, on other cores where there are some. */
  readonly maskWork: MaskWork;
  /** Keys, ciphertexts and sums of Paillier's encryption, on other cores where there are some. */
  readonly paillier: PaillierWork;
  readonly trainer: Trainer;
  readonly vectors: VectorStore;
  /** Updates in the clear that a coordinator holds in memory, bytes; default `GATHERED_BYTES_MAX`. */
  readonly gatheredBytesMax?: number;
  readonly store: Pick<Store, "settings">;
  /** This device's examples for the plan. */
  readonly examples: () => Promise<TaskExamples | { readonly unavailable: string }>;
}

export type RunContext = Context<RunCommand>;
export type Of<Type extends RunCommand["type"]> = Extract<RunCommand, { type: Type }>;

export interface RunActorState {
  /** Undefined until what the disk has was read. */
  head: RunHead | undefined;
  examples: TaskExamples | { readonly unavailable: string } | undefined;
  /** True while they are looked for again: somebody may have brought some. */
  looking: boolean;
  peers: ReadonlyMap<DeviceId, RunPeer>;
  /** Null until it is known. */
  registry: Registry | null;
  /** True while this device may coordinate. */
  coordinates: boolean;
  /** In a large company those who take turns at coordinating; null when all do who may. */
  seats: ReadonlySet<DeviceId> | null;
  term: number;
  coordinator: DeviceId | null;
  /** When the coordinator was last heard, ms of the monotonic clock. */
  heardAtMs: number;
  /** What the coordinator says it is doing. */
  phase: RoundPhase;
  /** Highest attempt seen for the round under way. */
  attempt: number;
  /** How far others may still move it. */
  readonly attemptsAhead: AttemptsAhead;
  /** Committed and not adopted, by block. */
  readonly waiting: Map<string, CommittedResult>;
  /** What is being made the head. */
  adopting: CommittedResult | null;
  /** The vector of a result that is looked for on the disk. */
  wanted: {
    readonly offer: VectorOffer;
    readonly sources: readonly DeviceId[];
    readonly purpose: Incoming["purpose"];
  } | null;
  /** Parameters that wait for the optimiser's state. */
  fetchedParameters: Uint8Array<ArrayBuffer> | null;
  /** Blocks of results whose vectors nobody had when we asked, and until when others are tried before, ms of the monotonic clock. */
  readonly unavailable: Map<string, number>;
  /** The version of the head's round that is kept, whichever else there is: an attempt that goes on from it was signed, and this device leads it. */
  preferred: BlockId | null;
  /** How often this device goes back to another version for what one holds. */
  readonly returns: SourceBudget;
  /** The attempt at the round under way whose sum cannot be opened, as this device has proved to those who signed; null for none. */
  spoiled: number | null;
  /** Blocks of results that do not hold. */
  readonly invalid: Set<string>;
  part: Part | null;
  /** Attempts of the round under way that this device can still sign for or reveal in, `part` among them; the newest last. */
  kept: readonly KeptPart[];
  /** A call to a round for which this device lacks the model yet. */
  held: { readonly from: DeviceId; readonly call: RoundStart; readonly untilMs: number } | null;
  signed: SignedWord | null;
  /** When, ms of the monotonic clock; long ago for a word from before a restart. */
  signedAtMs: number | null;
  checkpoint: KeptCheckpoint | null;
  /** The attempt whose second party this device is. */
  second: SecondParty | null;
  /** Second parties that have kept our attempts from their end, how often in a row, and until when they rest, ms of the monotonic clock. */
  readonly secondFailures: Map<DeviceId, { readonly failures: number; readonly untilMs: number }>;
  /** True while a key is drawn for it. */
  drawing: boolean;
  /** Null for a device that has nothing to wait for. */
  restored: Restored | null;
  lead: Lead | null;
  /** Vectors on their way to us. */
  readonly incoming: Map<ContentHash, Incoming>;
  /** How often the last source of a version was too slow, by vector; until the next version. */
  readonly tooSlow: Map<ContentHash, number>;
  /** Vectors others may fetch, newest last. */
  readonly serving: Map<ContentHash, Uint8Array<ArrayBuffer>>;
  /** Vectors being read from the disk for others. */
  readonly reading: Map<ContentHash, DeviceId[]>;
  waitingFor: string | null;
  /** What compression left out of the last update that was counted. */
  residual: Parameters | null;
  /** For runs whose updates gather in a buffer. */
  readonly buffered: BufferedState;
  /** Of our training by the round it was for, until that is measured. */
  readonly trainings: Map<number, OwnTraining>;
}

/** A vector on its way, and what it is for. */
export interface Incoming {
  readonly vector: IncomingVector;
  from: DeviceId;
  /** Others who may have it. */
  readonly sources: DeviceId[];
  readonly startedAtMs: number;
  movedAtMs: number;
  /** When the last part came. */
  progressAtMs: number;
  readonly purpose:
    | { readonly type: "submission"; readonly device: DeviceId }
    /** Where the run begins. */
    | { readonly type: "start" }
    | { readonly type: "aggregate"; readonly committed: CommittedResult }
    | { readonly type: "parameters"; readonly committed: CommittedResult }
    | { readonly type: "state"; readonly committed: CommittedResult }
    | { readonly type: "checkpoint"; readonly attempt: Attempt }
    /** What a version is verified with, for a person who asks for it. */
    | { readonly type: "verification" }
    /** Parameters of devices that are met on a grid. */
    | { readonly type: "member" };
}

/** Our part in an attempt that somebody (perhaps we) coordinates. */
export interface Part {
  readonly key: Attempt;
  coordinator: DeviceId;
  /** Who was called with us. */
  readonly called: readonly DeviceId[];
  /** Number of the release: one for all attempts, unless a sum of the round may be known without a version. */
  readonly release: number;
  phase: "ready" | "training" | "preparing" | "submitted" | "signed" | "revealed";
  /** The set that we have signed for in an earlier attempt: nobody else may be in the sum, and everybody must. Not null only while that word binds. */
  readonly only: readonly DeviceId[] | null;
  /** Until the update is masked; null in the clear. */
  sum: ClientState | null;
  /** From then on, in memory only: what this device confirms the opened sum with. */
  masked: ConfirmingState | null;
  /** From then on: what also the disk has. */
  kept: KeptState | null;
  received: ReceivedShares | null;
  /** In sums with a second party; null elsewhere. */
  readonly small: SmallPart | null;
  /** Fixed for the round; kept for further attempts. */
  update: LocalUpdate | null;
  /** SHA-256 of it, of sums once it was hidden in one. */
  vector: string | null;
  submission: GradientSubmission | null;
  /** What was submitted, while the attempt lasts. */
  bytes: Uint8Array<ArrayBuffer> | null;
  /** The version it is trained from, where later ones may come meanwhile; elsewhere that is the round's. */
  readonly base?: ContentHash;
}

/** A part in an attempt: nothing of it is done but what is given. */
export function newPart(
  begun: Pick<Part, "key" | "coordinator" | "called" | "release"> & Partial<Part>,
): Part {
  return {
    phase: "ready",
    only: null,
    sum: null,
    masked: null,
    kept: null,
    received: null,
    small: null,
    update: null,
    vector: null,
    submission: null,
    bytes: null,
    ...begun,
  };
}

/** An attempt that we coordinate. */
export interface Lead {
  /** Null between attempts. */
  key: Attempt | null;
  phase:
    | RoundPhase
    | "recovering"
    | "sharing"
    | "checkpoint"
    | "matching"
    | "signing"
    | "confirming";
  startedAtMs: number;
  called: readonly DeviceId[];
  readonly ready: Map<DeviceId, PeerReady>;
  readonly declined: Set<DeviceId>;
  /** Whose update was offered and could not be had. */
  readonly lost: Set<DeviceId>;
  /** What the last one said that does not take part. */
  declineReason: string | null;
  /** Who is in. */
  participants: readonly DeviceId[];
  /** One secure sum in all, or one for each group; none in the clear. */
  groups: SumGroup[];
  /** A sum with a second party; null elsewhere. */
  readonly small: SmallLead | null;
  readonly submissions: Map<DeviceId, GradientSubmission>;
  /** Announced and not asked for yet. */
  queue: DeviceId[];
  readonly fetched: Map<DeviceId, FetchedSubmission>;
  /** Whose updates are on their way to the disk. */
  readonly storing: Set<DeviceId>;
  /** Updates in the clear that are not held in memory; null while there are none. */
  spilled: SpilledUpdates | null;
  refused: number;
  /** What each device of a secure sum is being told; null before the first such phase. */
  telling: Telling | null;
  /** Into whose care the checkpoint goes. */
  deputy: DeviceId | null;
  /** Devices that were ready, when another coordinator counted them. */
  readyBefore: number;
  /** What devices did wrong in this attempt. */
  readonly faults: { readonly device: DeviceId; readonly fault: RoundFault }[];
  /** Answers of those whom a new coordinator asked where they are. */
  readonly heard: Map<
    DeviceId,
    {
      readonly attempt: number;
      readonly phase: string;
      readonly checkpoint: VectorOffer | null;
      /** The set that it has given its word for, in sums with a second party. */
      readonly bound: readonly DeviceId[] | undefined;
    }
  >;
  /** Tries in a row that came to nothing: the next waits longer. */
  failures: number;
  /** A result that its devices are asked about; null before and after. */
  confirming: Confirming | null;
  /** True once its result was handed to be published: it may come to be known, whatever we hear of it. */
  isReleased: boolean;
}

export interface SumGroup {
  readonly members: readonly DeviceId[];
  server: ServerState;
  /** True when it cannot come to a sum any more. */
  failed: boolean;
}

export interface FetchedSubmission {
  readonly submission: GradientSubmission;
  /** In the clear only, and null there when it is on the disk. */
  readonly bytes: Uint8Array<ArrayBuffer> | null;
}
