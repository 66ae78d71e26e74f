/**
 * Coordinating a run whose updates gather in a buffer: whoever has one brings it, trained from any version that is not too old, and when enough are there they make
 * the next version. Nobody is called, and nothing waits for those who are slow.
 *
 * Invariants:
 * - An update counts once: its device has none in this buffer, and none from that version or a later one in the versions before.
 * - Memory is bounded: no more updates are fetched than the buffer has room for, a few at a time; whatever else comes is known by name only.
 * - A device costs at most two checked signatures in a buffer, and one that sends nothing gives its place to the next.
 */
import { BUFFERED_ATTEMPT, countedIn, problemOfBase } from "../../learning/runs/buffered.ts";
import { countedLeast } from "../../learning/runs/order.ts";
import { readUpdate } from "../../learning/runs/update.ts";
import type { DeviceId } from "../../protocols/ids.ts";
import { type GradientSubmission, PARTICIPANTS_MAX } from "../../protocols/rounds/messages.ts";
import { takePart } from "./buffered_part.ts";
import { headPlace } from "./buffered_state.ts";
import { combine } from "./combining.ts";
import { noteFault } from "./faults.ts";
import { abandon, call, enter, newLead } from "./lead.ts";
import { fetchNext, problemOfProof, refuseSubmission, takeOffer } from "./lead_updates.ts";
import type { RunActorState, RunContext, RunDependencies } from "./run_state.ts";
import { isTrusted, reachable } from "./talking.ts";
import { dropSubmissions } from "./transfers.ts";

/** Opens the buffer of the next version; our beats tell everybody. */
export function openBuffer(
  context: RunContext,
  state: RunActorState,
  deps: RunDependencies,
  joined: readonly DeviceId[],
): void {
  const { plan } = deps.opened;
  state.waitingFor = null;
  state.attempt += 1;
  state.lead = {
    ...newLead(),
    key: {
      run: deps.run,
      round: state.head!.round + 1,
      term: state.term,
      attempt: state.attempt,
    },
    called: joined,
    participants: joined,
    startedAtMs: context.monotonicMs(),
    failures: state.lead!.failures,
  };
  enter(context, state, deps, "training", plan.deadlines.trainMs);
  takePart(context, state, deps);
}

/** A device has an update: it is fetched when there is room. */
export function onBufferedSubmission(
  context: RunContext,
  state: RunActorState,
  deps: RunDependencies,
  from: DeviceId,
  submission: GradientSubmission,
): void {
  const { lead } = state;
  // While a version is being made nobody is heard: what is not in it is handed in again to the next buffer.
  if (lead?.key == null || lead.phase !== "training") return;
  // The second of a device waits at the device; a flood costs a look into a map.
  if (lead.declined.has(from) || lead.submissions.has(from)) return;
  if (lead.submissions.size >= PARTICIPANTS_MAX || !isTrusted(state, deps, from)) return;
  const base = { round: submission.round - 1, parameters: submission.modelHash };
  // Whoever hands in again may not know yet that it is in a version.
  if (countedIn({ device: from, base }, state.buffered.lineage) !== undefined) return;
  const problem = problemOfSubmission(state, deps, from, submission);
  if (problem === undefined && !lead.participants.includes(from)) {
    lead.participants = [...lead.participants, from];
    lead.called = lead.participants;
  }
  takeOffer(context, state, deps, { from, submission, problem });
}

function problemOfSubmission(
  state: RunActorState,
  deps: RunDependencies,
  from: DeviceId,
  submission: GradientSubmission,
): string | undefined {
  const lead = state.lead!;
  const { stalenessMax } = deps.opened.strategy.buffer!;
  const staleness = lead.key!.round - submission.round;
  if (staleness < 0) {
    return `it was trained from version ${submission.round - 1}, which is not made`;
  }
  if (staleness > stalenessMax) {
    return `it is ${staleness} versions old, expected at most ${stalenessMax}`;
  }
  if (submission.attempt !== BUFFERED_ATTEMPT || submission.weight !== 1) {
    return `it is of attempt ${submission.attempt} and weighs ${submission.weight}, expected ${BUFFERED_ATTEMPT} and 1`;
  }
  const problem = problemOfProof(deps, from, submission, {
    opened: deps.opened,
    devices: lead.participants.length,
  });
  if (problem !== undefined) return problem;
  const base = { round: submission.round - 1, parameters: submission.modelHash };
  return problemOfBase(base, headPlace(state), state.buffered.lineage);
}

/** Why an update that has come cannot be in a version: it would take a place in the buffer and count for nothing. */
export function unreadable(
  state: RunActorState,
  deps: RunDependencies,
  device: DeviceId,
  bytes: Uint8Array,
): string | undefined {
  const lead = state.lead!;
  const { round } = lead.submissions.get(device)!;
  const subject = { run: deps.run, round, device };
  const read = readUpdate(deps.opened, bytes, { subject, crypto: deps.crypto });
  if (read.ok) return undefined;
  noteFault(lead, device, read.fault);
  return read.fault === "notFinite"
    ? "it holds numbers that are not finite"
    : "it is no update of this model";
}

/** Makes a version when the buffer is full, or when it holds enough and nobody is left who could bring more. */
export function closeBufferWhenFull(
  context: RunContext,
  state: RunActorState,
  deps: RunDependencies,
): void {
  const { lead } = state;
  if (lead?.phase !== "training") return;
  const { plan, strategy } = deps.opened;
  if (lead.fetched.size >= strategy.buffer!.goal) return closeBuffer(context, state, deps);
  if (lead.fetched.size < countedLeast(plan)) return;
  const isLeft = (device: DeviceId) =>
    !lead.fetched.has(device) && !lead.declined.has(device) && isTrusted(state, deps, device);
  if (![...reachable(state), deps.self].some(isLeft)) closeBuffer(context, state, deps);
}

/** The buffer has been open for as long as the plan allows: on with what is there, or, when that is too little, once more from the beginning. */
export function onBufferDue(context: RunContext, state: RunActorState, deps: RunDependencies) {
  const { fetched } = state.lead!;
  const least = countedLeast(deps.opened.plan);
  if (fetched.size >= least) return closeBuffer(context, state, deps);
  abandon(context, state, deps, `${fetched.size} updates came, expected at least ${least}`);
}

function closeBuffer(context: RunContext, state: RunActorState, deps: RunDependencies): void {
  const lead = state.lead!;
  dropSubmissions(state);
  lead.readyBefore = lead.submissions.size;
  combine(context, state, deps);
}

/**
 * Whoever offers an update and sends nothing of it for a phase's time gives its place to the next. And a version that is named, and that nobody has, does not
 * hold up the next buffer. Called once a second.
 */
export function tendBuffer(context: RunContext, state: RunActorState, deps: RunDependencies): void {
  const { lead } = state;
  if (deps.opened.strategy.buffer === null || lead === null) return;
  if (lead.phase === "waiting" && lead.failures === 0) return call(context, state, deps);
  if (lead.phase !== "training") return;
  const { phaseMs } = deps.opened.plan.deadlines;
  const nowMs = context.monotonicMs();
  const dropped = dropSubmissions(state, ({ progressAtMs }) => nowMs - progressAtMs >= phaseMs);
  for (const device of dropped) {
    refuseSubmission(context, state, deps, device, "it was offered and did not come");
  }
  if (dropped.length > 0) fetchNext(context, state, deps);
}
