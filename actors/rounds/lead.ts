/**
 * Coordinating a round: call, wait, gather, combine, publish. Whatever is late or wrong is left out, with a reason to whoever sent it; a round
 * that cannot come to a result is tried again, a little later each time.
 *
 * Invariants:
 * - Nothing is believed: signatures, work, lengths and hashes are checked before an update counts.
 * - Memory is bounded: vectors are pulled, a few at a time, and with secure sums only their sum is kept.
 */
import { calledDevices } from "../../learning/runs/order.ts";
import { expectedUpdateBytes } from "../../learning/runs/update.ts";
import { submissionStatement } from "../../learning/models/proof.ts";
import { provesWork } from "../../learning/screening/proof_of_work.ts";
import { parameterBytes } from "../../learning/parameters.ts";
import { type DeviceId, publicKeyOf } from "../../protocols/ids.ts";
import type {
  Decline,
  GradientSubmission,
  PeerReady,
  RoundStart,
} from "../../protocols/rounds/messages.ts";
import { combine } from "./combining.ts";
import { noteFault, reportFaults } from "./faults.ts";
import { closeMasking, openSums, takeInput } from "./lead_sums.ts";
import type {
  Incoming,
  Lead,
  Of,
  RunActorState,
  RunContext,
  RunDependencies,
} from "./run_state.ts";
import { reachable, sameAttempt, shortReason, tell, tellAll } from "./talking.ts";
import { beat } from "./terms.ts";
import { fetchVector, serve } from "./transfers.ts";

/** Updates being fetched at once: enough to keep the network busy, few enough to bound memory. */
const FETCHES_MAX = 4;
/** Pause before a round that came to nothing is tried again: doubling from the first to the last, ms. */
const RETRY_FIRST_MS = 1_000;
const RETRY_MAX_MS = 30_000;

/** Begins to coordinate. */
export function newLead(): Lead {
  return {
    key: null,
    phase: "waiting",
    startedAtMs: 0,
    called: [],
    ready: new Map(),
    declined: new Set(),
    participants: [],
    groups: [],
    submissions: new Map(),
    queue: [],
    fetched: new Map(),
    refused: 0,
    faults: [],
    heard: new Map(),
    failures: 0,
  };
}

/** Sets the phase, tells everybody, and limits how long it lasts. */
export function enter(
  context: RunContext,
  state: RunActorState,
  deps: RunDependencies,
  phase: Lead["phase"],
  limitMs: number | null,
): void {
  const lead = state.lead!;
  lead.phase = phase;
  state.phase = SHOWN[phase];
  if (limitMs === null) context.cancelTimer("phase");
  else {
    const attempt = lead.key?.attempt ?? -1;
    context.startTimer("phase", limitMs, { type: "phaseDue", attempt, phase });
  }
  beat(context, state, deps);
}

/** Phases as people see them. */
const SHOWN = {
  waiting: "waiting",
  recovering: "waiting",
  calling: "calling",
  sharing: "calling",
  training: "training",
  collecting: "collecting",
  checkpoint: "collecting",
  signing: "collecting",
  unmasking: "unmasking",
  publishing: "publishing",
  finished: "finished",
} as const;

/** Calls the devices of the next attempt, when enough are there. */
export function call(context: RunContext, state: RunActorState, deps: RunDependencies): void {
  const { lead, head } = state;
  const { plan } = deps.opened;
  if (lead === null || head === undefined || head.model === null || state.adopting !== null) return;
  if (lead.phase !== "waiting") return;
  if (head.round >= plan.rounds) return enter(context, state, deps, "finished", null);
  // Devices that were proved to have cheated are not asked again.
  const joined = [
    ...reachable(state).filter((device) => state.peers.get(device)?.trusted === true),
    deps.self,
  ];
  const missing = plan.participation.least - joined.length;
  if (missing > 0) {
    state.waitingFor = missing === 1 ? "1 more device" : `${missing} more devices`;
    return;
  }
  state.waitingFor = null;
  const round = head.round + 1;
  // Attempts are numbered over all terms; zero is the first.
  const attempt = state.attempt + 1;
  state.attempt = attempt;
  const called = calledDevices(joined, { plan, round, attempt });
  const key = { run: deps.run, round, term: state.term, attempt };
  state.lead = {
    ...newLead(),
    key,
    called,
    startedAtMs: context.monotonicMs(),
    failures: lead.failures,
  };
  const bytes = parameterBytes(head.model.parameters);
  serve(state, head.parameters, bytes);
  enter(context, state, deps, "calling", plan.deadlines.readyMs);
  const message: RoundStart = {
    type: "roundStart",
    ...key,
    model: { hash: head.parameters, bytes: bytes.length },
    version: head.block,
    called,
    withinMs: plan.deadlines.readyMs,
  };
  tellAll(context, deps, called, message);
}

export function onPeerReady(
  context: RunContext,
  state: RunActorState,
  deps: RunDependencies,
  from: DeviceId,
  ready: PeerReady,
): void {
  const { lead, head } = state;
  if (lead?.key == null || lead.phase !== "calling" || !sameAttempt(lead.key, ready)) return;
  if (!lead.called.includes(from) || ready.modelHash !== head?.parameters) return;
  lead.ready.set(from, ready);
  closeCallingWhenAll(context, state, deps);
}

export function onDecline(
  context: RunContext,
  state: RunActorState,
  deps: RunDependencies,
  from: DeviceId,
  decline: Decline,
): void {
  const { lead } = state;
  if (lead?.key == null || !sameAttempt(lead.key, decline)) return;
  context.log.write("info", "a device does not take part", {
    from,
    why: decline.why,
    reason: decline.reason,
  });
  lead.declined.add(from);
  if (lead.phase === "calling") return closeCallingWhenAll(context, state, deps);
  if (lead.phase === "training") closeTrainingWhenAll(context, state, deps);
}

function closeCallingWhenAll(
  context: RunContext,
  state: RunActorState,
  deps: RunDependencies,
): void {
  const lead = state.lead!;
  const open = lead.called.filter((device) =>
    !lead.ready.has(device) && !lead.declined.has(device)
  );
  if (open.length === 0) closeCalling(context, state, deps);
}

/** Whoever is ready is in. */
export function closeCalling(
  context: RunContext,
  state: RunActorState,
  deps: RunDependencies,
): void {
  const lead = state.lead!;
  const { participation, aggregation, deadlines } = deps.opened.plan;
  // In the order in which they were ready: over-selection is for those who are slow.
  const ready = [...lead.ready.keys()].slice(0, participation.most);
  if (ready.length < participation.least) {
    return abandon(
      context,
      state,
      deps,
      `${ready.length} devices were ready, expected at least ${participation.least}`,
    );
  }
  lead.participants = ready.sort();
  if (aggregation.type !== "clear") return openSums(context, state, deps);
  enter(context, state, deps, "training", deadlines.trainMs);
  tellAll(context, deps, lead.participants, { type: "trainNow", ...lead.key! });
}

/** A device has trained: its update is fetched when there is room. */
export function onSubmission(
  context: RunContext,
  state: RunActorState,
  deps: RunDependencies,
  from: DeviceId,
  submission: GradientSubmission,
): void {
  const { lead } = state;
  if (lead?.key == null || !sameAttempt(lead.key, submission)) return;
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
  if (problem !== undefined) return refuseSubmission(context, state, deps, from, problem);
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
  const { opened, crypto } = deps;
  if (!lead.participants.includes(from)) return "it was not called";
  const { least, most } = expectedUpdateBytes(opened, lead.participants.length);
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
  if (submission.modelHash !== state.head!.parameters) {
    noteFault(lead, from, "wrongModel");
    return "it is for another model";
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

function fetchNext(context: RunContext, state: RunActorState, deps: RunDependencies): void {
  const lead = state.lead!;
  const underWay = [...state.incoming.values()].filter(({ purpose }) =>
    purpose.type === "submission"
  );
  let room = FETCHES_MAX - underWay.length;
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
  const problem = lead.groups.length === 0 ? undefined : takeInput(state, deps, device, bytes);
  if (problem !== undefined) refuseSubmission(context, state, deps, device, problem);
  else {
    lead.fetched.set(device, { submission, bytes: lead.groups.length === 0 ? bytes : null });
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
  state.lead.declined.add(device);
  context.log.write("info", "an update could not be fetched", { device, reason });
  fetchNext(context, state, deps);
  closeTrainingWhenAll(context, state, deps);
}

/** Everybody who is still there has handed in: no need to wait longer. */
export function closeTrainingWhenAll(
  context: RunContext,
  state: RunActorState,
  deps: RunDependencies,
): void {
  const { lead } = state;
  if (lead?.phase !== "training") return;
  const open = lead.participants.filter((device) =>
    !lead.fetched.has(device) && !lead.declined.has(device) &&
    (device === deps.self || state.peers.get(device)?.up === true)
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
  for (const [hash, { purpose }] of [...state.incoming]) {
    if (purpose.type === "submission") state.incoming.delete(hash);
  }
  const { participation } = deps.opened.plan;
  // Fewer than called may do: that is what the least number is for, but a round of half of it would be another round.
  const needed = Math.max(1, Math.ceil(participation.least / 2));
  if (lead.fetched.size < needed) {
    return abandon(
      context,
      state,
      deps,
      `${lead.fetched.size} updates came, expected at least ${needed}`,
    );
  }
  if (lead.groups.length > 0) return closeMasking(context, state, deps);
  combine(context, state, deps);
}

/** The attempt comes to nothing; another one follows. */
export function abandon(
  context: RunContext,
  state: RunActorState,
  deps: RunDependencies,
  reason: string,
): void {
  const lead = state.lead!;
  reportFaults(context, state, deps);
  context.log.write("warning", "a round is tried again", { round: lead.key?.round, reason });
  if (lead.key !== null) {
    tellAll(context, deps, lead.called, {
      type: "roundAbandoned",
      ...lead.key,
      reason: shortReason(reason),
    });
  }
  const failures = lead.failures + 1;
  for (const [hash, { purpose }] of [...state.incoming]) {
    if (purpose.type === "submission") state.incoming.delete(hash);
  }
  state.lead = { ...newLead(), failures };
  state.waitingFor = reason;
  enter(context, state, deps, "waiting", null);
  const pauseMs = Math.min(RETRY_MAX_MS, RETRY_FIRST_MS * 2 ** Math.min(failures - 1, 10));
  context.startTimer("call", pauseMs, { type: "callDue" });
}

/** A phase has lasted long enough: on with whoever is there. */
export function onPhaseDue(
  context: RunContext,
  state: RunActorState,
  deps: RunDependencies,
  due: Of<"phaseDue">,
  sums: {
    readonly closeSharing: () => void;
    readonly sendClaims: () => void;
    readonly closeSigning: () => void;
    readonly closeUnmasking: () => void;
    readonly recovered: () => void;
  },
): void {
  const { lead } = state;
  if (lead === null || lead.phase !== due.phase || (lead.key?.attempt ?? -1) !== due.attempt) {
    return;
  }
  switch (lead.phase) {
    case "recovering":
      return sums.recovered();
    case "calling":
      return closeCalling(context, state, deps);
    case "sharing":
      return sums.closeSharing();
    case "training":
      return closeTraining(context, state, deps);
    case "checkpoint":
      return sums.sendClaims();
    case "signing":
      return sums.closeSigning();
    case "unmasking":
      return sums.closeUnmasking();
    case "publishing":
      return abandon(context, state, deps, "the result could not be published in time");
    default:
      return;
  }
}
