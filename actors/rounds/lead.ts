/**
 * Coordinating a round: call, wait, gather, combine, publish. Who is late is left out; a round that cannot come to a result is tried again, a
 * little later each time. Gathering the updates is in `lead_updates.ts`, secure sums in `lead_sums.ts`.
 */
import { calledDevices } from "../../learning/runs/order.ts";
import { parameterBytes } from "../../learning/parameters.ts";
import type { DeviceId } from "../../protocols/ids.ts";
import type { Decline, PeerReady, RoundStart } from "../../protocols/rounds/messages.ts";
import { reportFaults } from "./faults.ts";
import { onBufferDue, openBuffer } from "./lead_buffered.ts";
import { boundCall, onSmallDue, openSmallSum } from "./lead_small_sums.ts";
import { openSums } from "./lead_sums.ts";
import { closeTraining, closeTrainingWhenAll, giveBackRoom } from "./lead_updates.ts";
import type { Try } from "./commands.ts";
import { nextAttempt } from "./next_attempt.ts";
import type { Lead, Of, RunActorState, RunContext, RunDependencies } from "./run_state.ts";
import { isTrusted, reachable, sameAttempt, shortReason, tellAll } from "./talking.ts";
import { beat } from "./terms.ts";
import { moreDevices } from "./waiting.ts";
import { dropSubmissions, serve } from "./transfers.ts";

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
    lost: new Set(),
    declineReason: null,
    participants: [],
    groups: [],
    small: null,
    submissions: new Map(),
    queue: [],
    fetched: new Map(),
    storing: new Set(),
    spilled: null,
    refused: 0,
    telling: null,
    deputy: null,
    readyBefore: 0,
    faults: [],
    heard: new Map(),
    failures: 0,
    confirming: null,
    isReleased: false,
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
    context.startTimer("phase", limitMs, { type: "phaseDue", ...tryOf(lead), phase });
  }
  beat(context, state, deps);
}

/** The attempt under way; numbers that none has between attempts. */
function tryOf({ key }: Lead): Try {
  return { round: key?.round ?? 0, attempt: key?.attempt ?? -1 };
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
  matching: "collecting",
  signing: "collecting",
  unmasking: "unmasking",
  confirming: "publishing",
  publishing: "publishing",
  finished: "finished",
} as const;

/** Calls the devices of the next attempt, when enough are there. */
export function call(context: RunContext, state: RunActorState, deps: RunDependencies): void {
  const { lead, head } = state;
  const { plan } = deps.opened;
  if (lead === null || head === undefined || head.model === null || state.adopting !== null) return;
  if (lead.phase !== "waiting") return;
  if (head.round >= plan.rounds) {
    // The last word; nobody needs to be watched any more.
    enter(context, state, deps, "finished", null);
    state.lead = null;
    return;
  }
  // Devices that were proved to have cheated are not asked again.
  const joined = [...reachable(state), deps.self]
    .filter((device) => isTrusted(state, deps, device));
  const missing = plan.participation.least - joined.length;
  if (missing > 0) {
    state.waitingFor = moreDevices(missing);
    return;
  }
  if (deps.opened.strategy.buffer !== null) return openBuffer(context, state, deps, joined);
  state.waitingFor = null;
  const round = head.round + 1;
  const bound = boundCall(state, deps, lead, joined);
  const next = nextAttempt(context, state, deps, {
    round,
    calledIn: (attempt) => bound ?? calledDevices(joined, { plan, round, attempt }),
  });
  if (next === undefined) {
    state.waitingFor = "a second device that may coordinate";
    return;
  }
  // Attempts are numbered over all terms; zero is the first.
  const { attempt, called, small } = next;
  state.attempt = attempt;
  const key = { run: deps.run, round, term: state.term, attempt };
  state.lead = {
    ...newLead(),
    key,
    called,
    small,
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
    ...(small !== null && { second: small.second }),
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
  if (lead?.key == null || !sameAttempt(lead.key, decline) || !lead.called.includes(from)) return;
  if (lead.declined.has(from)) return;
  context.log.write("info", "a device does not take part", {
    from,
    why: decline.why,
    reason: decline.reason,
  });
  lead.declined.add(from);
  lead.declineReason = decline.reason;
  if (lead.phase === "calling") return closeCallingWhenAll(context, state, deps);
  if (lead.phase === "training") closeTrainingWhenAll(context, state, deps);
}

/** Everybody has answered, and there is a key where one is needed: no need to wait longer. */
export function closeCallingWhenAll(
  context: RunContext,
  state: RunActorState,
  deps: RunDependencies,
): void {
  const lead = state.lead!;
  const open = lead.called.filter((device) =>
    !lead.ready.has(device) && !lead.declined.has(device)
  );
  const hasKey = lead.small === null || lead.small.key !== null;
  if (open.length === 0 && hasKey) closeCalling(context, state, deps);
}

/** Whoever is ready is in. */
function closeCalling(
  context: RunContext,
  state: RunActorState,
  deps: RunDependencies,
): void {
  const lead = state.lead!;
  const { participation, aggregation, deadlines } = deps.opened.plan;
  // In the order in which they were ready: over-selection is for those who are slow.
  const ready = [...lead.ready.keys()].slice(0, participation.most);
  // A set that has signed may be smaller: those who began and fell away are not called again.
  if (ready.length < Math.min(participation.least, lead.called.length)) {
    return abandon(
      context,
      state,
      deps,
      whyTooFew(
        lead,
        `${ready.length} devices were ready, expected at least ${participation.least}`,
      ),
    );
  }
  lead.participants = ready.sort();
  if (lead.small !== null) return openSmallSum(context, state, deps);
  if (aggregation.type !== "clear") return openSums(context, state, deps);
  enter(context, state, deps, "training", deadlines.trainMs);
  tellAll(context, deps, lead.participants, { type: "trainNow", ...lead.key! });
}

/** The pause after so many tries in a row that came to nothing, ms. */
export function retryPauseMs(failures: number): number {
  return Math.min(RETRY_MAX_MS, RETRY_FIRST_MS * 2 ** Math.min(failures - 1, 10));
}

/** That too few are left, with what the last one said that would not take part: mostly that is the cause, and nobody else could tell. */
export function whyTooFew({ declineReason }: Lead, reason: string): string {
  return declineReason === null ? reason : `${reason}; one says: ${declineReason}`;
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
  tellAbandoned(context, deps, lead, reason);
  giveBackRoom(context, lead);
  const failures = lead.failures + 1;
  dropSubmissions(state);
  state.lead = { ...newLead(), failures };
  state.waitingFor = reason;
  enter(context, state, deps, "waiting", null);
  context.startTimer("call", retryPauseMs(failures), { type: "callDue" });
}

/** Tells those who were called that nothing was released of this attempt, and nothing will be; not where its result is on its way. */
export function tellAbandoned(
  context: RunContext,
  deps: RunDependencies,
  { key, called, isReleased }: Lead,
  reason: string,
): void {
  if (key === null || isReleased) return;
  const message = { type: "roundAbandoned", ...key, reason: shortReason(reason) } as const;
  tellAll(context, deps, called, message);
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
    readonly publish: () => void;
    readonly recovered: () => void;
  },
): void {
  const { lead } = state;
  if (lead === null || lead.phase !== due.phase) return;
  const { round, attempt } = tryOf(lead);
  if (round !== due.round || attempt !== due.attempt) return;
  if (lead.small !== null && onSmallDue(context, state, deps)) return;
  switch (lead.phase) {
    case "recovering":
      return sums.recovered();
    case "calling":
      return closeCalling(context, state, deps);
    case "sharing":
      return sums.closeSharing();
    case "training":
      if (deps.opened.strategy.buffer !== null) return onBufferDue(context, state, deps);
      return closeTraining(context, state, deps);
    case "checkpoint":
      return sums.sendClaims();
    case "signing":
      return sums.closeSigning();
    case "unmasking":
      return sums.closeUnmasking();
    case "confirming":
      return sums.publish();
    case "publishing":
      return abandon(context, state, deps, "the result could not be published in time");
    default:
      return;
  }
}
