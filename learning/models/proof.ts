/** What a device signs with its submission to a round: it becomes part of the next version's aggregation proof, which `verify_model.ts` checks. */
import { encodeCanonical } from "../../protocols/codec.ts";
import { domainSeparated } from "../../protocols/domains.ts";
import type { ContentHash } from "../../protocols/ids.ts";

/** Largest weight of one submission: examples a device trained on. */
export const WEIGHT_MAX = 2 ** 31 - 1;

/** One attempt at one round from one model: what every signature in a proof is about. */
export interface ProofSubject {
  /** 64 hex digits. */
  readonly run: string;
  readonly round: number;
  readonly attempt: number;
  /** Hash of the parameters that clients trained from. All of them signed for the same. */
  readonly parent: ContentHash;
}

/** One device's part. */
export interface ProofSubmission {
  /** SHA-256 of the submission as it was sent: in the clear the encoded update, with secure sums the masked one. 64 hex digits. */
  readonly commitment: string;
  /** Examples it stands for in the clear; 1 where the true weight is inside what is masked. */
  readonly weight: number;
}

/** The bytes that a device signs. */
export function submissionStatement(
  subject: ProofSubject,
  submission: ProofSubmission,
): Uint8Array<ArrayBuffer> {
  const { run, round, attempt, parent } = subject;
  const { commitment, weight } = submission;
  return domainSeparated(
    "modelSubmission",
    encodeCanonical([run, round, attempt, parent, commitment, weight]),
  );
}
