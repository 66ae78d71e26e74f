/**
 * The plan of a run: everything that fixes what it computes. The starter signs it as the body of a `model` block; the block's id is the
 * run's id. Whoever joins has read it; nobody can change it.
 */
import type { Aggregation } from "./aggregation_choice.ts";
import type { AdaptiveClipping } from "../privacy/adaptive_clipping.ts";
import type { TaskOptions } from "../task.ts";
import type { BlockId, ContentHash, DeviceId } from "../../protocols/ids.ts";

/** A run is named by the block that holds its plan. */
export type RunId = BlockId;

/** A rule chosen by name, with its numbers; what each name means is in `learning/strategies`, `aggregation` and `compression`. */
export interface Choice {
  /** 1–32 of a–z, A–Z, 0–9. */
  readonly name: string;
  readonly numbers: Readonly<Record<string, number>>;
}

/** How a device trains in one round. */
export interface LocalTraining {
  readonly epochs: number;
  readonly batchSize: number;
  readonly learningRate: number;
  readonly momentum: number | null;
  /** μ of FedProx. */
  readonly proximal: number | null;
}

/** Whom a round needs. */
export interface Participation {
  /** Fewer ready devices: the round waits. At least 2 with secure sums, so that no sum is one device's. */
  readonly least: number;
  /** Most devices in one round, 1–1,024. */
  readonly most: number;
  /**
   * Share of the joined devices asked in a round, in (0, 1]; C of the FedAvg paper. Drawn from the round's public seed; privacy is
   * never counted as amplified by it unless `privacy.sampled` says so.
   */
  readonly fraction: number;
  /** Asked beyond that, as a share of it (0.3: thirty more for a hundred), because some will not answer. */
  readonly overSelection: number;
}

/** Differential privacy of a run, at the level of devices. */
export interface RunPrivacy {
  /** Largest L2 norm of one device's update. */
  readonly clip: number;
  /** Standard deviation of the noise in the sum, as a multiple of `clip`. */
  readonly noiseMultiplier: number;
  /** `distributed`: every device adds its part before the secure sum. `central`: the coordinator adds it and is trusted with that. */
  readonly noise: "distributed" | "central";
  /** Failure probability, e.g. 1e-5. */
  readonly delta: number;
  /** Share of devices that may drop out after their part of the noise was reckoned; distributed parts are larger for it. */
  readonly dropout: number;
  /** The whole run spends at most this. */
  readonly epsilonMax: number;
  /**
   * Lets the clipping length follow a quantile of the updates' lengths, from `clip` on. The count it follows takes its part of the noise, so that the whole costs
   * what `noiseMultiplier` says. Absent for a length that stays.
   */
  readonly adaptive?: AdaptiveClipping;
}

/** How long the phases of a round may last, ms. */
export interface RoundDeadlines {
  /** From the call to the answers: who is ready. */
  readonly readyMs: number;
  /** Fetching the model, training, and announcing the update. */
  readonly trainMs: number;
  /** Each exchange of keys, shares, signatures, and the fetching of updates without progress. */
  readonly phaseMs: number;
}

/** A common data set divided for an experiment; device i of the list takes share i. Real data is not shared out. */
export interface PlanShare {
  readonly kind: "iid" | "shards" | "dirichlet";
  /** Of the Dirichlet distribution; null for the other kinds. */
  readonly alpha: number | null;
  readonly devices: readonly DeviceId[];
}

export interface RunPlan {
  readonly version: 1;
  /** For people; 1–64 characters. */
  readonly title: string;
  /** `LearningTask.name`. */
  readonly task: string;
  readonly options: TaskOptions;
  /** SHA-256 of the network's canonical form: devices whose task makes another network of these options stay out. */
  readonly networkHash: ContentHash;
  /** Of the initial parameters, the selection of devices and the shares of data; 32 bytes. */
  readonly seed: Uint8Array;
  /** Continues this version of a model instead of initial parameters; null for a new one. */
  readonly startFrom: ContentHash | null;
  readonly rounds: number;
  readonly participation: Participation;
  readonly local: LocalTraining;
  /** The server's optimiser: FedAvg, FedAdam, …. */
  readonly strategy: Choice;
  readonly aggregation: Aggregation;
  readonly compression: Choice | null;
  readonly privacy: RunPrivacy | null;
  readonly deadlines: RoundDeadlines;
  /** Leading zero bits of the proof of work on each submission, 0–24. */
  readonly proofOfWorkBits: number;
  readonly share: PlanShare | null;
}
