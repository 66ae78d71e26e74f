/**
 * `verify_model`: does the new version of a model follow from what the devices signed? Whoever has the result's block, the version before and what was released
 * answers it alone; whoever also holds the submissions (in the clear) checks that these were combined by the plan's rule.
 */
import type { Crypto } from "../../platform/ports.ts";
import type { DeviceId } from "../../protocols/ids.ts";
import { equalBytes } from "../../protocols/codec.ts";
import { SEED_BYTES, seededStream } from "../data/seeded_stream.ts";
import { parameterBytes } from "../parameters.ts";
import type { ModelState } from "../runs/model_state.ts";
import { problemOfLineage, stalenessIn } from "../runs/buffered.ts";
import type { OpenedPlan } from "../runs/opened_plan.ts";
import { atRound } from "../runs/round_form.ts";
import { combineClear } from "../runs/combine_clear.ts";
import { nextModel } from "../runs/release.ts";
import { ReleaseError } from "../runs/release_error.ts";
import type { RoundResult } from "../runs/result.ts";
import { type ResultCheckDependencies, resultProblem } from "../runs/result_check.ts";
import { confirmationsProblem } from "../runs/sum_confirmation.ts";
import { OptimiserError } from "../strategies/server_optimiser.ts";

/** What is checked with. */
export interface VerificationMaterial {
  /** The version before, and what the server's optimiser remembered. */
  readonly parent: ModelState;
  /** What was released: the combined update, or the secure sums. */
  readonly aggregate: Uint8Array;
  /** In the clear: what a device submitted, where the verifier holds it. */
  readonly submissionOf: (device: DeviceId) => Uint8Array | undefined;
}

/** What the verifier knows by itself. */
export interface VerificationContext {
  readonly opened: OpenedPlan;
  /** Which run and round the version is expected to be. */
  readonly expected: Pick<RoundResult, "run" | "round">;
  /** Other results of the run, as far as they are known: where updates gather in a buffer, none may count twice. */
  readonly known?: Iterable<RoundResult>;
  /** True for devices that may take part in this run. */
  readonly isParticipant: (device: DeviceId) => boolean;
  /** The verifier's own submission, when the coordinator has confirmed it: it must be in, unchanged. Null otherwise. */
  readonly own: { readonly device: DeviceId; readonly commitment: string } | null;
  readonly deps: ResultCheckDependencies & { readonly crypto: Pick<Crypto, "sha256Hex"> };
}

export type RefusalReason =
  | "wrongSubject"
  | "notParticipant"
  | "ownMissing"
  | "ownChanged"
  | "badSignatures"
  | "wrongBase"
  | "aggregateChanged"
  | "wrongCount"
  | "otherSum"
  | "submissionChanged"
  | "otherAggregate"
  | "noModel"
  | "otherResult";

export type Verification =
  | {
    readonly ok: true;
    /** The new version, made again. */
    readonly model: ModelState;
    readonly participants: number;
    /** True when the aggregate was made again from all submissions; false where nobody can (secure sums, noise of the coordinator) or one is not here. */
    readonly recombined: boolean;
    /** True when all devices whose vectors are in its secure sums have confirmed these (`secure/sum_check.ts`). */
    readonly confirmed: boolean;
  }
  | {
    readonly ok: false;
    readonly reason: RefusalReason;
    /** For people: what was found and what was expected. */
    readonly detail: string;
    /** Whose part is at fault, where it is one device's. */
    readonly device: DeviceId | null;
  };

/**
 * Checks a result. Under a second for 1.66 million parameters and ten submissions (bench/micro/models_bench.ts): signatures first, because they are cheap, then
 * hashes, then the arithmetic.
 */
export async function verifyModel(
  result: RoundResult,
  material: VerificationMaterial,
  given: VerificationContext,
): Promise<Verification> {
  const { deps, expected } = given;
  const tuning = material.parent.tuning ?? null;
  const opened = atRound(given.opened, { ...expected, tuning }, deps.crypto);
  const context = { ...given, opened };
  const refusal = problemOfSubject(result, material, context) ??
    problemOfUsedTuning(result, material) ??
    problemOfDevices(result, context) ?? problemOfOwn(result, context);
  if (refusal !== undefined) return refusal;
  const signatures = await resultProblem(result, opened, deps);
  if (signatures !== undefined) return refuse("badSignatures", signatures);
  const { buffer } = opened.strategy;
  const lineage = buffer && problemOfLineage(result, context.known ?? [], buffer);
  if (lineage != null) return refuse("wrongBase", `an update does not fit: ${lineage}`);
  const released = problemOfAggregate(result, material, context);
  if (released !== undefined) return released;
  const recombined = recombine(result, material, context);
  if (typeof recombined === "object") return recombined;
  let model: ModelState;
  try {
    const contradiction = await confirmationsProblem(material.aggregate, { result, opened, deps });
    if (contradiction !== undefined) return refuse("otherSum", contradiction);
    model = nextModel(opened, material.parent, material.aggregate, result.counts.called);
  } catch (error) {
    if (error instanceof ReleaseError || error instanceof OptimiserError) {
      return refuse("noModel", error.message);
    }
    throw error;
  }
  const hash = deps.crypto.sha256Hex(parameterBytes(model.parameters));
  if (hash !== result.result) {
    return refuse(
      "otherResult",
      `what follows has the hash ${hash}, the result names ${result.result}`,
    );
  }
  if (model.tuning !== result.tuning?.next) {
    return refuse(
      "otherResult",
      `the next round is tuned to ${model.tuning}, the result names ${result.tuning?.next}`,
    );
  }
  const { submissions, sums } = result;
  const confirmed = sums.length > 0 &&
    sums.every(({ confirmations }) => confirmations !== undefined);
  return { ok: true, model, participants: submissions.length, recombined, confirmed };
}

/** The round was tuned to what the version before says. */
function problemOfUsedTuning(
  { tuning }: RoundResult,
  { parent }: VerificationMaterial,
): Verification | undefined {
  const [used, expected] = [tuning?.used ?? null, parent.tuning ?? null];
  if (used === expected) return undefined;
  return refuse("wrongSubject", `it is tuned to ${used}, the version before to ${expected}`);
}

function problemOfSubject(
  result: RoundResult,
  { parent }: VerificationMaterial,
  { expected, deps }: VerificationContext,
): Verification | undefined {
  for (const field of ["run", "round"] as const) {
    if (result[field] === expected[field]) continue;
    return refuse("wrongSubject", `${field} is ${result[field]}, expected ${expected[field]}`);
  }
  const hash = deps.crypto.sha256Hex(parameterBytes(parent.parameters));
  return hash === result.parent
    ? undefined
    : refuse("wrongSubject", `it follows ${result.parent}, the version before is ${hash}`);
}

function problemOfDevices(
  { submissions }: RoundResult,
  { isParticipant }: VerificationContext,
): Verification | undefined {
  const stranger = submissions.find(({ device }) => !isParticipant(device))?.device;
  if (stranger === undefined) return undefined;
  return refuse("notParticipant", `${stranger} may not take part`, stranger);
}

function problemOfOwn(
  { submissions }: RoundResult,
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

/** The released bytes are those that the result names, and stand for as many devices as signed. */
function problemOfAggregate(
  { aggregate: named, sums }: RoundResult,
  { aggregate }: VerificationMaterial,
  { deps }: VerificationContext,
): Verification | undefined {
  const hash = deps.crypto.sha256Hex(aggregate);
  if (hash !== named.hash) {
    return refuse("aggregateChanged", `what was released has the hash ${hash}, not ${named.hash}`);
  }
  // Each sum has its number of devices in front. A smaller one would make the update larger than anybody signed for.
  const view = new DataView(aggregate.buffer, aggregate.byteOffset, aggregate.length);
  const size = aggregate.length / sums.length;
  for (const [i, { inputs }] of sums.entries()) {
    const counted = Number.isInteger(size) && size >= 4 ? view.getUint32(i * size) : NaN;
    if (counted === inputs.length) continue;
    return refuse(
      "wrongCount",
      `sum ${i + 1} is said to be of ${counted} devices, ${inputs.length} signed`,
    );
  }
  return undefined;
}

/** Combines the submissions again where that can be done; whether it was, or what is wrong. */
function recombine(
  result: RoundResult,
  material: VerificationMaterial,
  { opened, deps }: VerificationContext,
): boolean | Verification {
  const { aggregation, privacy } = opened.plan;
  // A coordinator's noise is its own chance; nobody can draw it again.
  if (aggregation.type !== "clear" || privacy !== null) return false;
  const updates = [];
  for (const submission of result.submissions) {
    const { device, commitment, weight } = submission;
    const staleness = stalenessIn(result, submission);
    const bytes = material.submissionOf(device);
    if (bytes === undefined) return false;
    if (deps.crypto.sha256Hex(bytes) !== commitment) {
      return refuse("submissionChanged", `what is held of ${device} is not what it signed`, device);
    }
    updates.push({ device, bytes, weight, ...(staleness !== undefined && { staleness }) });
  }
  const { run, round } = result;
  // Without privacy nothing is drawn.
  const unused = seededStream(new Uint8Array(SEED_BYTES));
  const combined = combineClear(opened, updates, {
    run,
    round,
    crypto: deps.crypto,
    random: unused,
    screening: null,
  });
  if (equalBytes(combined.aggregate, material.aggregate)) return true;
  return refuse(
    "otherAggregate",
    "the submissions, combined by the plan's rule, are not what was released",
  );
}

function refuse(
  reason: RefusalReason,
  detail: string,
  device: DeviceId | null = null,
): Extract<Verification, { readonly ok: false }> {
  return { ok: false, reason, detail: `Cannot verify the model: ${detail}`, device };
}
