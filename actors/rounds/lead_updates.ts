/**
 * Gathering updates. Whatever is late or wrong is left out, with a reason to whoever sent it, and the round goes on.
 *
 * Invariants:
 * - Nothing is believed: lengths, work, signatures and hashes are checked before an update counts.
 * - Memory is bounded: vectors are pulled, a few at a time; with secure sums only their sum is kept, in the clear 64 MiB, and the rest on the disk.
 * - A device costs a coordinator at most two checked signatures in an attempt.
 */
import { countedLeast } from "../../learning/runs/order.ts";
import { expectedUpdateBytes } from "../../learning/runs/update.ts";
import type { OpenedPlan } from "../../learning/runs/opened_plan.ts";
import { submissionStatement } from "../../learning/models/proof.ts";
import { provesWork } from "../../learning/screening/proof_of_work.ts";
import { type DeviceId, publicKeyOf } from "../../protocols/ids.ts";
import type { GradientSubmission } from "../../protocols/rounds/messages.ts";
import { combine } from "./combining.ts";
import { noteFault } from "./faults.ts";
import { abandon, whyTooFew } from "./lead.ts";
import { closeBufferWhenFull, onBufferedSubmission, unreadable } from "./lead_buffered.ts";
import { matchParts, takeSmallPart } from "./lead_small_sums.ts";
import { closeMasking, takeInput } from "./lead_sums.ts";
import { roundPlan } from "./round_plan.ts";
import type {
  Incoming,
  Lead,
  Of,
  RunActorState,
  RunContext,
  RunDependencies,
} from "./run_state.ts";
import { GATHERED_BYTES_MAX, SpilledUpdates } from "./spilled_updates.ts";
import { isReachable, sameAttempt, shortReason, tell } from "./talking.ts";
import { beat } from "./terms.ts";
import { dropSubmissions, fetchVector, isSlow } from "./transfers.ts";

/** Updates being fetched at once: enough to keep the network busy, few enough to bound memory. */
const FETCHES_MAX = 4;
/** How often everybody hears, beside the beat of each second, how many updates are here: else messages would grow as the square of the devices. */
const NEWS_OF_UPDATES = 16;

/** A device has trained: its update is fetched when there is room. */
export function onSubmission(
  context: RunContext,
  state: RunActorState,
  deps: RunDependencies,
  from: DeviceId,
  submission: GradientSubmission,
): void {
  const { lead } = state;
  if (deps.opened.strategy.buffer !== null) {
    return onBufferedSubmission(context, state, deps, from, submission);
  }
  if (lead?.key == null || !sameAttempt(lead.key, submission)) return;
  // Whoever was refused once is not read again: a flood costs a look into a set.
  if (lead.declined.has(from)) return;
  const known = lead.submissions.get(from);
  if (known !== undefined) {
    if (known.update.hash !== submission.update.hash) {
      if (problemOfSubmission(state, deps, from, submission) === undefined) {
        noteFault(lead, from, "twoSubmissions");
      }
      refuseSubmission(context, state, deps, from, "another update came before");
    }
    return;
  }
  if (lead.phase !== "training") {
    return refuseSubmission(context, state, deps, from, "it came too late");
  }
  const problem = problemOfSubmission(state, deps, from, submission);
  takeOffer(context, state, deps, { from, submission, problem });
}

/** What was offered is fetched when there is room; or its sender is told what is wrong with it. */
export function takeOffer(
  context: RunContext,
  state: RunActorState,
  deps: RunDependencies,
  { from, submission, problem }: {
    readonly from: DeviceId;
    readonly submission: GradientSubmission;
    readonly problem: string | undefined;
  },
): void {
  if (problem !== undefined) return refuseSubmission(context, state, deps, from, problem);
  const lead = state.lead!;
  lead.submissions.set(from, submission);
  lead.queue.push(from);
  fetchNext(context, state, deps);
}

function problemOfSubmission(
  state: RunActorState,
  deps: RunDependencies,
  from: DeviceId,
  submission: GradientSubmission,
): string | undefined {
  const lead = state.lead!;
  if (!lead.participants.includes(from)) return "it was not called";
  const sized = { opened: roundPlan(state, deps), devices: lead.called.length };
  const problem = problemOfProof(deps, from, submission, sized);
  if (problem !== undefined) return problem;
  if (submission.modelHash !== state.head!.parameters) {
    noteFault(lead, from, "wrongModel");
    return "it is for another model";
  }
  return undefined;
}

/** Why a submission is nothing that its device has signed and worked for; undefined when it is. */
export function problemOfProof(
  deps: RunDependencies,
  from: DeviceId,
  submission: GradientSubmission,
  { opened, devices }: { readonly opened: OpenedPlan; readonly devices: number },
): string | undefined {
  const { crypto } = deps;
  const { least, most } = expectedUpdateBytes(opened, devices);
  const { bytes } = submission.update;
  if (bytes < least || bytes > most) {
    return `it has ${bytes} bytes, expected ${least === most ? least : `${least} to ${most}`}`;
  }
  if (opened.plan.aggregation.type !== "clear" && submission.weight !== 1) {
    return `it weighs ${submission.weight}, expected 1`;
  }
  const statement = submissionStatement(
    {
      run: deps.run,
      round: submission.round,
      attempt: submission.attempt,
      parent: submission.modelHash,
    },
    { commitment: submission.update.hash, weight: submission.weight },
  );
  const { proofOfWork, signature, update, round } = submission;
  const publicKey = publicKeyOf(from);
  const work = {
    run: Uint8Array.fromHex(deps.run),
    round,
    device: publicKey,
    submission: Uint8Array.fromHex(update.hash),
  };
  const bits = opened.plan.proofOfWorkBits;
  if (!provesWork(crypto, work, { nonce: proofOfWork, bits })) {
    return `its proof of work lacks ${bits} zero bits`;
  }
  if (!crypto.verify({ publicKey, message: statement, signature })) {
    return "its signature does not hold";
  }
  return undefined;
}

/** It is not used, and its sender is told why. */
export function refuseSubmission(
  context: RunContext,
  state: RunActorState,
  deps: RunDependencies,
  from: DeviceId,
  reason: string,
): void {
  const lead = state.lead!;
  lead.refused++;
  lead.declined.add(from);
  context.log.write("warning", "an update was refused", { from, reason });
  tell(context, deps, from, {
    type: "submissionRefused",
    ...lead.key!,
    reason: shortReason(reason),
  });
  if (lead.phase === "training") closeTrainingWhenAll(context, state, deps);
}

/** Fetches updates that were announced, as many at once as there is room for. */
export function fetchNext(context: RunContext, state: RunActorState, deps: RunDependencies): void {
  const lead = state.lead!;
  const underWay = [...state.incoming.values()].filter(({ purpose }) =>
    purpose.type === "submission"
  );
  const wanted = (deps.opened.strategy.buffer?.goal ?? Infinity) - lead.fetched.size;
  let room = Math.min(FETCHES_MAX, wanted) - underWay.length - lead.storing.size;
  while (room > 0 && lead.queue.length > 0) {
    const device = lead.queue.shift()!;
    const { update } = lead.submissions.get(device)!;
    if (state.incoming.has(update.hash)) {
      // Nobody else can have this vector: keys and noise are the device's own.
      refuseSubmission(context, state, deps, device, "another device submits the same");
      continue;
    }
    fetchVector(context, state, deps, {
      offer: update,
      sources: [device],
      purpose: { type: "submission", device },
    });
    room--;
  }
}

/** Whoever sends an update too slowly lets those who wait go first, and begins again when there is room. Called once a second. */
export function tendFetching(
  context: RunContext,
  state: RunActorState,
  deps: RunDependencies,
): void {
  const { lead } = state;
  if (lead?.phase !== "training" || lead.queue.length === 0) return;
  const nowMs = context.monotonicMs();
  const slow = dropSubmissions(state, (incoming) => isSlow(incoming, nowMs));
  lead.queue.push(...slow);
  if (slow.length > 0) fetchNext(context, state, deps);
}

/** An update is here, whole. */
export function onUpdateFetched(
  context: RunContext,
  state: RunActorState,
  deps: RunDependencies,
  incoming: Incoming,
  device: DeviceId,
): void {
  const { lead } = state;
  const submission = lead?.submissions.get(device);
  if (lead?.phase !== "training" || submission?.update.hash !== incoming.vector.offer.hash) return;
  const { bytes } = incoming.vector;
  if (lead.small !== null) {
    const problem = takeSmallPart(lead, device, bytes);
    if (problem === undefined) lead.fetched.set(device, { submission, bytes: null });
    else refuseSubmission(context, state, deps, device, problem);
  } else if (lead.groups.length === 0) {
    const problem = deps.opened.strategy.buffer && unreadable(state, deps, device, bytes);
    if (problem != null) {
      refuseSubmission(context, state, deps, device, problem);
      return goOnGathering(context, state, deps);
    }
    const held = [...lead.fetched.values()].reduce((sum, one) => sum + (one.bytes?.length ?? 0), 0);
    if (held + bytes.length > (deps.gatheredBytesMax ?? GATHERED_BYTES_MAX)) {
      return storeUpdate(context, lead, deps, { device, submission, bytes });
    }
    lead.fetched.set(device, { submission, bytes });
  } else {
    const problem = takeInput(state, deps, device, bytes);
    if (problem === undefined) lead.fetched.set(device, { submission, bytes: null });
    else refuseSubmission(context, state, deps, device, problem);
  }
  goOnGathering(context, state, deps);
}

function storeUpdate(
  context: RunContext,
  lead: Lead,
  deps: RunDependencies,
  { device, submission, bytes }: {
    readonly device: DeviceId;
    readonly submission: GradientSubmission;
    readonly bytes: Uint8Array;
  },
): void {
  const spilled = lead.spilled ??= new SpilledUpdates(() => deps.vectors.scratch());
  const { round, attempt } = lead.key!;
  lead.storing.add(device);
  context.perform(
    () => spilled.write(device, bytes),
    (outcome) => ({ type: "updateStored", round, attempt, device, submission, outcome }),
  );
}

/** An update is on the disk. */
export function onUpdateStored(
  context: RunContext,
  state: RunActorState,
  deps: RunDependencies,
  { round, attempt, device, submission, outcome }: Of<"updateStored">,
): void {
  const { lead } = state;
  if (lead?.key?.round !== round || lead.key.attempt !== attempt) return;
  lead.storing.delete(device);
  if (lead.phase !== "training") return;
  if (!outcome.ok) return onUpdateLost(context, state, deps, device, String(outcome.error));
  lead.fetched.set(device, { submission, bytes: null });
  goOnGathering(context, state, deps);
}

/** What was gathered on the disk is not needed any more. */
export function giveBackRoom(context: RunContext, lead: Lead): void {
  const { spilled } = lead;
  if (spilled === null) return;
  lead.spilled = null;
  context.perform(() => spilled.close(), () => ({ type: "roomGivenBack" }));
}

/** One update more is here, or will never be. */
function goOnGathering(context: RunContext, state: RunActorState, deps: RunDependencies): void {
  const lead = state.lead!;
  if (lead.fetched.size % Math.ceil(lead.participants.length / NEWS_OF_UPDATES) === 0) {
    beat(context, state, deps);
  }
  fetchNext(context, state, deps);
  closeTrainingWhenAll(context, state, deps);
}

/** Its update cannot be had. */
export function onUpdateLost(
  context: RunContext,
  state: RunActorState,
  deps: RunDependencies,
  device: DeviceId,
  reason: string,
): void {
  if (state.lead?.phase !== "training") return;
  const { declined, lost, submissions } = state.lead;
  const isBuffered = deps.opened.strategy.buffer !== null;
  // Where nothing waits for it, it may be handed in again, once; after that to the next buffer.
  if (isBuffered) submissions.delete(device);
  if (!isBuffered || lost.has(device)) declined.add(device);
  lost.add(device);
  context.log.write("info", "an update could not be fetched", { device, reason });
  fetchNext(context, state, deps);
  closeTrainingWhenAll(context, state, deps);
}

/** What its device gave is not what it had offered. No signature says so: its device may have lost it. */
export function onUpdateWrong(
  context: RunContext,
  state: RunActorState,
  deps: RunDependencies,
  device: DeviceId,
  reason: string,
): void {
  if (state.lead?.phase !== "training") return;
  refuseSubmission(context, state, deps, device, reason);
  if (state.lead?.phase === "training") fetchNext(context, state, deps);
}

/** Everybody who is still there has handed in: no need to wait longer. */
export function closeTrainingWhenAll(
  context: RunContext,
  state: RunActorState,
  deps: RunDependencies,
): void {
  const { lead } = state;
  if (lead?.phase !== "training") return;
  if (deps.opened.strategy.buffer !== null) return closeBufferWhenFull(context, state, deps);
  const open = lead.participants.filter((device) =>
    !lead.fetched.has(device) && !lead.declined.has(device) &&
    (isReachable(state, deps, device) || lead.storing.has(device))
  );
  if (open.length === 0) closeTraining(context, state, deps);
}

/** The updates that are here make the result. */
export function closeTraining(
  context: RunContext,
  state: RunActorState,
  deps: RunDependencies,
): void {
  const lead = state.lead!;
  dropSubmissions(state);
  const needed = countedLeast(deps.opened.plan);
  if (lead.fetched.size < needed) {
    return abandon(
      context,
      state,
      deps,
      whyTooFew(lead, `${lead.fetched.size} updates came, expected at least ${needed}`),
    );
  }
  if (lead.small !== null) return matchParts(context, state, deps);
  if (lead.groups.length > 0) return closeMasking(context, state, deps);
  combine(context, state, deps);
}
