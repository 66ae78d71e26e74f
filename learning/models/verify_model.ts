/** `verify_model`: does the new version follow from what the devices signed? Pure: hashing, signature checks and the plan's arithmetic are handed in. */
import type { Crypto, SignedMessage } from "../../platform/ports.ts";
import { type DeviceId, publicKeyOf } from "../../protocols/ids.ts";
import { isFinite, type Parameters } from "../parameters.ts";
import {
  type AggregationProof,
  type ClearProof,
  PROOF_SUBMISSIONS_MAX,
  type ProofSubject,
  type ProofSubmission,
  type SecureProof,
  submissionStatement,
  survivorStatement,
  WEIGHT_MAX,
} from "./proof.ts";
import { type ParametersHash, parametersHash } from "./version.ts";

/** What the verifier knows by itself: the plan, who may take part, and what it sent. */
export interface VerificationContext {
  /** What the version is said to be of; the attempt is the coordinator's to choose. */
  readonly expected: Omit<ProofSubject, "attempt">;
  /** Fewest submissions the plan allows. */
  readonly submissionsMin: number;
  /** Secure sums: fewest devices that must have signed for the set (t of the plan's t-of-n). */
  readonly survivorsMin: number;
  /** True for devices that may take part in this run. */
  readonly isParticipant: (device: DeviceId) => boolean;
  /** The verifier's own submission when it took part: it must be in, unchanged. Null when it did not, or was told that it was too late. */
  readonly own: { readonly device: DeviceId; readonly commitment: string } | null;
  readonly crypto: Pick<Crypto, "sha256Hex" | "verifyMany">;
}

/** One submission as the plan's rule wants it. */
export interface VerifiedSubmission {
  readonly device: DeviceId;
  readonly payload: Uint8Array;
  readonly weight: number;
}

/** In the clear: the submissions, and the plan's rule from them to the new parameters. */
export interface ClearMaterial {
  readonly mode: "clear";
  /** What this device sent, if the verifier holds it. */
  readonly payloadOf: (device: DeviceId) => Uint8Array | undefined;
  /** Applies the plan's rule; throws on a payload that cannot be decoded. Same submissions, same bits. */
  readonly next: (submissions: readonly VerifiedSubmission[]) => Parameters;
}

/** Secure sums: the sum's bytes, and the plan's way from them to the new parameters. */
export interface SecureMaterial {
  readonly mode: "secure";
  readonly sum: Uint8Array;
  /** Follows the plan from the sum of `submissions` inputs; throws on a sum that cannot be decoded. Same sum, same bits. */
  readonly next: (sum: Uint8Array, submissions: number) => Parameters;
}

export type RefusalReason =
  | "wrongMode"
  | "wrongSubject"
  | "malformed"
  | "tooFew"
  | "notParticipant"
  | "badSignature"
  | "ownMissing"
  | "ownChanged"
  | "payloadMissing"
  | "payloadChanged"
  | "undecodable"
  | "notFinite"
  | "otherResult";

export type Verification =
  /** `parameters` are the new version's, recomputed. */
  | { readonly ok: true; readonly parameters: Parameters; readonly participants: number }
  /** `device` is whose part is at fault, where one is; `payloadMissing` is no fault, only not yet verifiable. */
  | {
    readonly ok: false;
    readonly reason: RefusalReason;
    readonly detail: string;
    readonly device: DeviceId | null;
  };

/**
 * Checks a proof. Takes well under a second for 1.66 million parameters and ten submissions (bench/micro/models_bench.ts): signatures first, because
 * they are cheap, then hashes, then the arithmetic.
 */
export async function verifyModel(
  proof: AggregationProof,
  material: ClearMaterial | SecureMaterial,
  context: VerificationContext,
): Promise<Verification> {
  const refusal = problemOfForm(proof, context) ?? await problemOfSignatures(proof, context);
  if (refusal !== undefined) return refusal;
  if (proof.mode === "clear" && material.mode === "clear") {
    return verifyClear(proof, material, context);
  }
  if (proof.mode === "secure" && material.mode === "secure") {
    return verifySecure(proof, material, context);
  }
  return refuse("wrongMode", `the proof is "${proof.mode}", the plan says "${material.mode}"`);
}

function verifyClear(
  proof: ClearProof,
  material: ClearMaterial,
  context: VerificationContext,
): Verification {
  const submissions: VerifiedSubmission[] = [];
  for (const { device, commitment, weight } of proof.submissions) {
    const payload = material.payloadOf(device);
    if (payload === undefined) {
      return refuse("payloadMissing", `the submission of ${device} is not here`, device);
    }
    if (context.crypto.sha256Hex(payload) !== commitment) {
      return refuse("payloadChanged", `what is held of ${device} is not what it signed`, device);
    }
    submissions.push({ device, payload, weight });
  }
  return verifyResult(proof, context, () => material.next(submissions));
}

function verifySecure(
  proof: SecureProof,
  material: SecureMaterial,
  context: VerificationContext,
): Verification {
  if (context.crypto.sha256Hex(material.sum) !== proof.sum) {
    return refuse("payloadChanged", "the sum's bytes are not those that the proof names");
  }
  return verifyResult(
    proof,
    context,
    () => material.next(material.sum, proof.submissions.length),
  );
}

function verifyResult(
  proof: AggregationProof,
  context: VerificationContext,
  next: () => Parameters,
): Verification {
  let parameters: Parameters;
  try {
    parameters = next();
  } catch (error) {
    const cause = error instanceof Error ? error.message : String(error);
    return refuse("undecodable", `the plan's rule cannot be applied: ${cause}`);
  }
  if (!isFinite(parameters)) return refuse("notFinite", "the new parameters are not all finite");
  const hash: ParametersHash = parametersHash(parameters, context.crypto);
  if (hash !== proof.result) {
    return refuse(
      "otherResult",
      `what follows has the hash ${hash}, the proof says ${proof.result}`,
    );
  }
  return { ok: true, parameters, participants: proof.submissions.length };
}

function problemOfForm(
  proof: AggregationProof,
  context: VerificationContext,
): Verification | undefined {
  const { subject, submissions } = proof;
  const { expected } = context;
  for (const field of ["run", "round", "parent"] as const) {
    if (subject[field] !== expected[field]) {
      return refuse("wrongSubject", `${field} is ${subject[field]}, expected ${expected[field]}`);
    }
  }
  const { attempt } = subject;
  if (!Number.isSafeInteger(attempt) || attempt < 0) {
    return refuse("malformed", `attempt is ${attempt}, expected an integer >= 0`);
  }
  if (submissions.length > PROOF_SUBMISSIONS_MAX) {
    return refuse("malformed", `more than ${PROOF_SUBMISSIONS_MAX} submissions`);
  }
  if (submissions.length < context.submissionsMin) {
    return refuse(
      "tooFew",
      `${submissions.length} submissions, at least ${context.submissionsMin}`,
    );
  }
  const problem = problemOfDevices(submissions, context) ?? problemOfSubmissions(submissions);
  if (problem !== undefined) return problem;
  if (proof.mode === "secure") {
    const { survivors } = proof;
    if (survivors.length < context.survivorsMin) {
      return refuse(
        "tooFew",
        `${survivors.length} devices signed for the set, at least ${context.survivorsMin}`,
      );
    }
    const stranger = problemOfDevices(survivors, context);
    if (stranger !== undefined) return stranger;
    const inSet = new Set(submissions.map(({ device }) => device));
    const outside = survivors.find(({ device }) => !inSet.has(device));
    if (outside !== undefined) {
      return refuse("malformed", `${outside.device} signed for a set it is not in`, outside.device);
    }
  }
  return problemOfOwn(submissions, context);
}

/** Members only, ascending: so that none comes twice and equal sets are equal bytes. */
function problemOfDevices(
  list: readonly { readonly device: DeviceId }[],
  context: VerificationContext,
): Verification | undefined {
  let last = "";
  for (const { device } of list) {
    if (device <= last) return refuse("malformed", `${device} comes twice or out of order`, device);
    last = device;
    if (!context.isParticipant(device)) {
      return refuse("notParticipant", `${device} may not take part`, device);
    }
  }
  return undefined;
}

function problemOfSubmissions(submissions: readonly ProofSubmission[]): Verification | undefined {
  for (const { device, commitment, weight } of submissions) {
    if (!/^[0-9a-f]{64}$/.test(commitment)) {
      return refuse("malformed", `the commitment of ${device} is no SHA-256`, device);
    }
    if (!Number.isInteger(weight) || weight < 1 || weight > WEIGHT_MAX) {
      return refuse("malformed", `${device} weighs ${weight}, expected 1 to ${WEIGHT_MAX}`, device);
    }
  }
  return undefined;
}

function problemOfOwn(
  submissions: readonly ProofSubmission[],
  { own }: VerificationContext,
): Verification | undefined {
  if (own === null) return undefined;
  const found = submissions.find(({ device }) => device === own.device);
  if (found === undefined) {
    return refuse("ownMissing", "the verifier's own submission was left out", own.device);
  }
  if (found.commitment === own.commitment) return undefined;
  return refuse("ownChanged", "the verifier's own submission was exchanged", own.device);
}

async function problemOfSignatures(
  proof: AggregationProof,
  context: VerificationContext,
): Promise<Verification | undefined> {
  const { subject, submissions } = proof;
  const signed: (SignedMessage & { readonly device: DeviceId })[] = submissions.map((
    submission,
  ) => ({
    device: submission.device,
    publicKey: publicKeyOf(submission.device),
    message: submissionStatement(subject, submission),
    signature: submission.signature,
  }));
  if (proof.mode === "secure") {
    const message = survivorStatement(subject, submissions);
    for (const { device, signature } of proof.survivors) {
      signed.push({ device, publicKey: publicKeyOf(device), message, signature });
    }
  }
  const valid = await context.crypto.verifyMany(signed);
  const forged = signed.find((_, i) => valid[i] !== true);
  if (forged === undefined) return undefined;
  return refuse("badSignature", `the signature of ${forged.device} does not hold`, forged.device);
}

function refuse(
  reason: RefusalReason,
  detail: string,
  device: DeviceId | null = null,
): Extract<Verification, { readonly ok: false }> {
  return { ok: false, reason, detail: `Cannot verify the model: ${detail}`, device };
}
