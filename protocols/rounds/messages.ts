/**
 * What members say to each other about rounds of federated learning. One coordinator per term calls a round; participants answer it and
 * nobody else. Large vectors are never pushed: they are announced by hash and length, and whoever needs them asks for parts.
 *
 * Every message of a coordinated round names run, round, term and attempt; a message for another one is stale and dropped, never a strike.
 */
import type { BlockId, ContentHash, DeviceId } from "../ids.ts";

/** Bytes of one part of a vector, at most; the last may be shorter. */
export const PART_BYTES = 128 * 1024;
/** Parts in one request, at most. */
export const PARTS_AT_ONCE_MAX = 16;
/** Longest vector that travels, bytes: 16 Mi numbers of four bytes. */
export const VECTOR_BYTES_MAX = 64 * 1024 * 1024;
/** Devices in one round, at most. */
export const PARTICIPANTS_MAX = 1_024;
/** Bytes of one phase message of secure aggregation, at most. */
export const PHASE_BYTES_MAX = 448 * 1024;
/** Axes of a grid, at most. */
export const GRID_AXES_MAX = 4;
/** Places along one axis of a grid, at most. */
export const GRID_SIDE_MAX = 16;
/** Longest reason, bytes. */
export const REASON_BYTES_MAX = 200;

/** Which try at which round of which run. */
export interface Attempt {
  readonly run: BlockId;
  /** 1 and up; the version it makes has this number. */
  readonly round: number;
  /** Which coordinator: 0 and up, one more each time one is replaced. */
  readonly term: number;
  /** 0 and up within a round, over all terms. */
  readonly attempt: number;
}

/** A vector somebody holds: who needs it asks for its parts. */
export interface VectorOffer {
  readonly hash: ContentHash;
  readonly bytes: number;
}

/** The coordinator calls a device to a round. The device answers `peerReady` or `decline`. */
export interface RoundStart extends Attempt {
  readonly type: "roundStart";
  /** The model everybody trains on: hash of the parameters, and the version block (null for the initial model). */
  readonly model: VectorOffer;
  readonly version: BlockId | null;
  /** Everybody who was called, ascending: the public randomness of groups and graphs is over this list. */
  readonly called: readonly DeviceId[];
  /** Answers after this many ms are too late. */
  readonly withinMs: number;
  /** Of runs whose sums need one beside the coordinator: the second party of this attempt. */
  readonly second?: DeviceId;
}

/**
 * "I take part." With secure sums its keys are signed over the attempt and the model's hash, so that a coordinator that shows different models to
 * different devices gets no sum.
 */
export interface PeerReady extends Attempt {
  readonly type: "peerReady";
  readonly modelHash: ContentHash;
  /** The device's first message of secure aggregation (its keys); empty when updates go in the clear. */
  readonly keys: Uint8Array;
}

/** "Not me": for the numbers, and so that nobody waits. */
export interface Decline extends Attempt {
  readonly type: "decline";
  readonly why: "optedOut" | "noData" | "budget" | "busy" | "staleModel" | "cannot";
  /** For people. */
  readonly reason: string;
}

/**
 * One message of a phase of secure aggregation, either way; `phase` says which, the body is `learning/secure`'s. `forgedShares` proves
 * to those who signed why their sum cannot be opened. `opened` names the hash of what is to be published, `confirmed` says the device's part in it (empty: it cannot). From `key` on: sums with a second
 * party, which gets its parts from the devices and is asked by the coordinator alone.
 */
export interface SecurePhase extends Attempt {
  readonly type: "securePhase";
  readonly phase:
    | "roster"
    | "shares"
    | "inbox"
    | "survivors"
    | "consistency"
    | "unmaskRequest"
    | "unmask"
    | "forgedShares"
    | "opened"
    | "confirmed"
    | "key"
    | "part"
    | "present"
    | "presentBoth"
    | "open"
    | "total";
  readonly body: Uint8Array;
}

/** "Train now": to everybody who is in, in the clear mode; with secure sums the phase `inbox` says so. */
export interface TrainNow extends Attempt {
  readonly type: "trainNow";
}

/** A device has trained: its update (masked, or in the clear) waits to be fetched. Signed, with proof of work. */
export interface GradientSubmission extends Attempt {
  readonly type: "gradientSubmission";
  readonly update: VectorOffer;
  readonly modelHash: ContentHash;
  /** Weight of the update in the clear mode, ≥ 1; 1 with secure sums, where it is inside. */
  readonly weight: number;
  /** Makes SHA-256 of the submission begin with the plan's number of zero bits. */
  readonly proofOfWork: number;
  /** Ed25519 over `submissionStatement` of `learning/models/proof.ts`: it becomes part of the version's proof. */
  readonly signature: Uint8Array;
}

/** The coordinator's answer to a submission that it will not use, so that the device need not wait. */
export interface SubmissionRefused extends Attempt {
  readonly type: "submissionRefused";
  readonly reason: string;
}

/**
 * A round has its result: a version block exists. Receivers fetch the aggregate, make the new parameters themselves, and find out thereby whether
 * the version follows from it.
 */
export interface ModelUpdate extends Attempt {
  readonly type: "modelUpdate";
  readonly version: BlockId;
  readonly aggregate: VectorOffer;
}

/** The round did not come to a result; a new attempt follows, or the run stops. */
export interface RoundAbandoned extends Attempt {
  readonly type: "roundAbandoned";
  readonly reason: string;
}

/** The coordinator's beat, once a second: where the run stands. Silence of three seconds begins the next term. */
export interface CoordinatorBeat extends Attempt {
  readonly type: "coordinatorBeat";
  readonly phase: RoundPhase;
  /** Devices ready, submitted, and fetched so far: for progress at everybody's. */
  readonly ready: number;
  readonly submitted: number;
  readonly fetched: number;
}
export type RoundPhase =
  | "waiting"
  | "calling"
  | "training"
  | "collecting"
  | "unmasking"
  | "publishing"
  | "finished";

/** A new coordinator asks where everybody is before it does anything. */
export interface WhereAreYou extends Attempt {
  readonly type: "whereAreYou";
}

/**
 * The answer: the latest attempt this device took part in for that round, and how far it went; of the receiver's own asking when it took part
 * in none. After `unmasked` the sum of that attempt may be known: only the attempt itself can be finished, by who holds its checkpoint.
 */
export interface HereIAm extends Attempt {
  readonly type: "hereIAm";
  readonly phase: "idle" | "ready" | "submitted" | "unmasked";
  /** What a coordinator had put into its care before it let unmasking begin: enough to finish that attempt. */
  readonly checkpoint: VectorOffer | null;
  /** Of sums with a second party: the devices of the set that it has signed for at this round. It joins no call of others. */
  readonly bound?: readonly DeviceId[];
}

/**
 * Before it lets unmasking begin, the coordinator puts the masked sum and the keys around it into the care of the device that would follow it;
 * that one fetches it and answers `checkpointKept`. Nothing in it tells more than the coordinator knows.
 */
export interface KeepCheckpoint extends Attempt {
  readonly type: "keepCheckpoint";
  readonly checkpoint: VectorOffer;
}

/** "I have it on disk." */
export interface CheckpointKept extends Attempt {
  readonly type: "checkpointKept";
  readonly hash: ContentHash;
}

/** "I join this run", "I leave it": signed statements are not needed, the session knows who speaks; repeated to each coordinator. */
export interface RunMembership {
  readonly type: "runMembership";
  readonly run: BlockId;
  readonly joined: boolean;
  /** The newest version whose parameters are here: rounds done. */
  readonly round: number;
  /** How many others it knows to have joined. Who knows of more says them (`runCompany`). */
  readonly company: number;
}

/**
 * "These have joined the run, too": to somebody who knows of fewer. In a mesh too large for sessions of everybody with everybody those who learn together
 * find each other by it; the receiver keeps sessions with them, and believes each only what it says itself.
 */
export interface RunCompany {
  readonly type: "runCompany";
  readonly run: BlockId;
  /** Ascending. */
  readonly devices: readonly DeviceId[];
}

/** Parts of an offered vector, from number `first`, as many as `count` (1–16). */
export interface RequestParts {
  readonly type: "requestParts";
  /** The run it belongs to: a device may take part in several. */
  readonly run: BlockId;
  readonly hash: ContentHash;
  readonly first: number;
  readonly count: number;
}

/** One part. */
export interface VectorPart {
  readonly type: "vectorPart";
  readonly run: BlockId;
  readonly hash: ContentHash;
  readonly index: number;
  readonly bytes: Uint8Array;
}

/** "I do not have that vector (any more)." */
export interface VectorMissing {
  readonly type: "vectorMissing";
  readonly run: BlockId;
  readonly hash: ContentHash;
}

/**
 * "I have come to this place of the grid": in runs without a coordinator each device says it to all others whenever it has moved, and again now and
 * then. The newest counts; nobody repeats another's words, so the session's proof of who speaks is enough.
 */
export interface GridPlace {
  readonly type: "gridPlace";
  readonly run: BlockId;
  /** Under way on that device; one more than the plan has when it has done all. */
  readonly round: number;
  /** 0 while it trains or waits; k while it waits to average for the k-th time in this round. */
  readonly step: number;
  /** Places it got in its latest averagings, oldest first: who has the same meets. One less than the grid has axes. */
  readonly places: readonly number[];
  /** Its parameters as they are at this place, for whoever meets it or has been away; null while it has none. */
  readonly model: VectorOffer | null;
  /** False for a device without examples: it takes the average and adds nothing to it. */
  readonly gives: boolean;
}

export type RoundsMessage =
  | RoundStart
  | PeerReady
  | Decline
  | SecurePhase
  | TrainNow
  | GradientSubmission
  | SubmissionRefused
  | ModelUpdate
  | RoundAbandoned
  | CoordinatorBeat
  | WhereAreYou
  | HereIAm
  | KeepCheckpoint
  | CheckpointKept
  | RunMembership
  | RunCompany
  | RequestParts
  | VectorPart
  | VectorMissing
  | GridPlace;
