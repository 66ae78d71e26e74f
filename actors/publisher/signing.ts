/**
 * Signatures of blocks that have their place in the log: a few at once, many beside everything else this device does. Whatever
 * order they come in, blocks go to storage in the order of the log.
 */
import { errorText } from "../../platform/error_text.ts";
import {
  messagesToSign,
  type UnsignedBlock,
  withSignature,
} from "../../protocols/blocks/encode.ts";
import type { Block } from "../../protocols/blocks/block.ts";
import type { Outcome, Refusal } from "../handle.ts";
import type { TaskOutcome } from "../kernel/actor.ts";
import { reload } from "./log_end.ts";
import type { Job, PublisherContext, PublisherDependencies, PublisherState } from "./state.ts";

/** Requests with fewer blocks are signed at once, which takes about a millisecond at most. */
export const SIGN_LATER_FROM = 64;
/** Blocks that have their place and are not with storage yet, at most, unless one request has more. */
export const UNSTORED_MAX = 4_000;

/** True when `count` more blocks may get their place now. */
export function mayRunAhead(state: PublisherState, count: number): boolean {
  let ahead = 0;
  for (const { phase, unsigned } of state.jobs) {
    if (phase === "signing" || phase === "signed") ahead += unsigned.length;
  }
  return ahead === 0 || ahead + count <= UNSTORED_MAX;
}

/** The blocks of a job have their place: gets their signatures. */
export function startSigning(
  context: PublisherContext,
  deps: PublisherDependencies,
  job: Job,
  unsigned: readonly UnsignedBlock[],
): void {
  job.unsigned = unsigned;
  const messages = messagesToSign(unsigned);
  if (messages.length < SIGN_LATER_FROM) {
    return takeSignatures(job, messages.map((message) => deps.signer.sign(message)));
  }
  job.phase = "signing";
  context.perform(
    () => deps.signer.signMany(messages),
    (outcome) => ({ type: "signed", jobId: job.id, outcome }),
  );
}

/** Signatures have come, or cannot come: then nothing that is not with storage yet can be stored. */
export function onSigned(
  context: PublisherContext,
  state: PublisherState,
  deps: PublisherDependencies,
  jobId: number,
  outcome: TaskOutcome<readonly Uint8Array[]>,
): void {
  const job = state.jobs.find(({ id, phase }) => id === jobId && phase === "signing");
  if (job === undefined) return;
  if (!outcome.ok) {
    failJobs(context, state, ["signing", "signed"], cannot("sign", outcome.error));
    state.head = null;
    return reload(context, state, deps);
  }
  takeSignatures(job, outcome.value);
  storeSigned(context, state, deps);
}

function takeSignatures(job: Job, signatures: readonly Uint8Array[]): void {
  job.blocks = job.unsigned.map((block, i) => withSignature(block, signatures[i]!));
  job.phase = "signed";
}

/** Hands storage every signed job before which nothing waits for a signature. */
export function storeSigned(
  context: PublisherContext,
  state: PublisherState,
  deps: PublisherDependencies,
): void {
  for (const job of state.jobs) {
    if (job.phase === "storing") continue;
    if (job.phase !== "signed") return;
    job.phase = "storing";
    context.send(deps.storage, {
      type: "storeBlocks",
      blocks: job.blocks,
      receivedFrom: null,
      replyTo: context.self,
      token: job.id,
    });
  }
}

/** Answers every job in one of these phases with a refusal. */
export function failJobs(
  context: PublisherContext,
  state: PublisherState,
  phases: readonly Job["phase"][],
  refusal: Refusal,
): void {
  for (const job of state.jobs.filter(({ phase }) => phases.includes(phase))) {
    finish(context, state, job, refusal);
  }
}

/** Answers everyone who waits for a job, and forgets it. */
export function finish(
  context: PublisherContext,
  state: PublisherState,
  job: Job,
  outcome: Outcome<readonly Block[]>,
): void {
  state.jobs = state.jobs.filter((candidate) => candidate !== job);
  for (const replyTo of job.replies) context.send(replyTo, outcome);
}

/** What is told to those who asked when the disk or the key failed. */
export function cannot(action: "sign" | "store", error: unknown): Refusal {
  const cause = errorText(error);
  return {
    type: "refused",
    reason: "unavailable",
    message: `Cannot ${action} the blocks: ${cause}`,
  };
}
