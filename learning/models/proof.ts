/**
 * Aggregation proofs: what a coordinator publishes with each new version so that nobody has to believe it. What clients sign is defined here too,
 * because proof and round must mean the same bytes. `verify_model.ts` checks.
 */
import { encodeCanonical } from "../../protocols/codec.ts";
import { domainSeparated } from "../../protocols/domains.ts";
import type { DeviceId } from "../../protocols/ids.ts";
import type { ParametersHash } from "./version.ts";

/** Most submissions one proof lists. */
export const PROOF_SUBMISSIONS_MAX = 20_000;
/** Largest weight of one submission: examples a device trained on. */
export const WEIGHT_MAX = 2 ** 31 - 1;

/** One attempt at one round from one model: what every signature in a proof is about. */
export interface ProofSubject {
  /** 64 hex digits. */
  readonly run: string;
  readonly round: number;
  readonly attempt: number;
  /** Hash of the parameters that clients trained from. All of them signed for the same. */
  readonly parent: ParametersHash;
}

/** One device's part. */
export interface ProofSubmission {
  readonly device: DeviceId;
  /** SHA-256 of the submission as it was sent: in the clear the encoded update, with secure sums the masked input. 64 hex digits. */
  readonly commitment: string;
  /** Examples it stands for, as the device signed; with secure sums 1, because true weights are inside the masked input. */
  readonly weight: number;
  /** Ed25519 of the device over `submissionStatement`. */
  readonly signature: Uint8Array<ArrayBuffer>;
}

interface ProofBase {
  readonly subject: ProofSubject;
  /** Hash of the parameters that come out. */
  readonly result: ParametersHash;
  /** By device id, ascending; none twice. */
  readonly submissions: readonly ProofSubmission[];
}

/** Updates in the clear: whoever holds the submissions applies the plan's rule to them and must get the result. */
export interface ClearProof extends ProofBase {
  readonly mode: "clear";
}

/** A secure sum: single updates are nowhere, so the proof is what the survivors signed and the sum that was unmasked. */
export interface SecureProof extends ProofBase {
  readonly mode: "secure";
  /** Each device that answered the unmasking signed for this very set of submissions. By device id, ascending; none twice. */
  readonly survivors: readonly {
    readonly device: DeviceId;
    /** Ed25519 of the device over `survivorStatement`. */
    readonly signature: Uint8Array<ArrayBuffer>;
  }[];
  /** SHA-256 of the unmasked sum's bytes, which travel beside the proof. 64 hex digits. */
  readonly sum: string;
}

export type AggregationProof = ClearProof | SecureProof;

/** What a device signs with its submission. */
export function submissionStatement(
  subject: ProofSubject,
  submission: Pick<ProofSubmission, "commitment" | "weight">,
): Uint8Array<ArrayBuffer> {
  const { run, round, attempt, parent } = subject;
  const { commitment, weight } = submission;
  return domainSeparated(
    "modelSubmission",
    encodeCanonical([run, round, attempt, parent, commitment, weight]),
  );
}

/**
 * What a device signs before it helps to unmask: the exact set whose sum will be known (the consistency check of Bonawitz et al. 2017, figure 4, round 3).
 * `submissions` are ascending by device.
 */
export function survivorStatement(
  subject: ProofSubject,
  submissions: readonly Pick<ProofSubmission, "device" | "commitment" | "weight">[],
): Uint8Array<ArrayBuffer> {
  const { run, round, attempt, parent } = subject;
  const set = submissions.map(({ device, commitment, weight }) => [device, commitment, weight]);
  return domainSeparated("modelSurvivors", encodeCanonical([run, round, attempt, parent, set]));
}
