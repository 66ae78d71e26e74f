/** Taking rumours in: merging, suspicion and its end, refuting what is said of ourselves. */
import type { DeviceId } from "../../protocols/ids.ts";
import { changedHealth, HEALTH_CHANGES } from "../../protocols/liveness/awareness.ts";
import type { Rumour } from "../../protocols/liveness/messages.ts";
import { suspicionBounds, suspicionTimeoutMs } from "../../protocols/liveness/suspicion.ts";
import {
  confirmed,
  INCARNATION_STEP_MAX,
  isAccusation,
  mergeRumours,
  refutingIncarnation,
} from "../../protocols/liveness/swim_state.ts";
import { nodeEvents } from "../events.ts";
import { livenessChanged } from "./commands.ts";
import { startProbe } from "./probing.ts";
import {
  type Believed,
  type LivenessContext,
  type LivenessDependencies,
  type LivenessState,
  startDueTimer,
  stoodStill,
  SUSPICION_UNIT_MS,
} from "./state.ts";
import { tellOn } from "./telling.ts";

export interface Hearing {
  readonly from: DeviceId;
  readonly rumour: Rumour;
  /** From a list of everything that `from` believes: it may be old, so that "dead" is doubted first, as in memberlist. */
  readonly listed: boolean;
  /** Whether it is told on when it is news. */
  readonly tell: boolean;
}

/** Takes in one rumour. */
export function hear(
  context: LivenessContext,
  state: LivenessState,
  deps: LivenessDependencies,
  hearing: Hearing,
): void {
  const { from, rumour, tell } = hearing;
  if (rumour.subject === state.self) return hearOfOurselves(context, state, rumour);
  const believed = state.members.get(rumour.subject);
  if (believed === undefined) return;
  const known = believed.rumour;
  if (rumour.incarnation > (known?.incarnation ?? 0) + INCARNATION_STEP_MAX) return;
  const merged = mergeRumours(known, doubted(state, hearing, known));
  if (merged === known) {
    if (known.incarnation === rumour.incarnation && known.state === rumour.state) {
      state.news.noteKnows(rumour.subject, from);
    }
    return;
  }
  believe(context, state, deps, { believed, rumour: merged, source: from, tell });
}

/** Adds this device to those who found `target` silent. */
export function accuse(
  context: LivenessContext,
  state: LivenessState,
  deps: LivenessDependencies,
  target: DeviceId,
): void {
  const believed = state.members.get(target);
  const known = believed?.rumour;
  if (believed === undefined || known === null || known === undefined) return;
  if (known.state !== "alive" && known.state !== "suspect") return;
  const rumour = confirmed({ ...known, state: "suspect" }, [state.self]);
  if (known.state === "suspect" && rumour.accusers.length === known.accusers.length) return;
  state.counts.suspicionsRaised += 1;
  believe(context, state, deps, { believed, rumour, source: null, tell: true });
}

/** A suspicion has lasted long enough. */
export function onSuspicionDue(
  context: LivenessContext,
  state: LivenessState,
  deps: LivenessDependencies,
  subject: DeviceId,
  dueMs: number,
): void {
  const believed = state.members.get(subject);
  const rumour = believed?.rumour;
  if (believed === undefined || rumour?.state !== "suspect") return;
  if (stoodStill(context, dueMs)) {
    // What would have cleared it may be waiting in front of our door.
    state.health = changedHealth(state.health, HEALTH_CHANGES.stoodStill);
    return startSuspicionTimer(context, subject, boundsNow(state).leastMs);
  }
  believe(context, state, deps, {
    believed,
    rumour: { ...rumour, state: "dead", accusers: [] },
    source: null,
    tell: true,
  });
}

/** How long suspicions last in a mesh of the present size. */
export function boundsNow(state: LivenessState): ReturnType<typeof suspicionBounds> {
  return suspicionBounds(state.present, SUSPICION_UNIT_MS);
}

/** The member is no longer admitted. */
export function forget(context: LivenessContext, state: LivenessState, subject: DeviceId): void {
  const believed = state.members.get(subject);
  if (believed === undefined) return;
  if (isPresent(believed.rumour)) state.present -= 1;
  state.members.delete(subject);
  state.news.drop(subject);
  context.cancelTimer(`suspicion/${subject}`);
}

/** A peer with which we have a session is doubted before it is believed dead; so is what stands in an old list. */
function doubted(state: LivenessState, hearing: Hearing, known: Rumour | null): Rumour {
  const { rumour, from, listed } = hearing;
  if (rumour.state !== "dead" || known === null || !isPresent(known)) return rumour;
  if (!listed && !state.up.has(rumour.subject)) return rumour;
  return { ...rumour, state: "suspect", accusers: [from] };
}

function hearOfOurselves(context: LivenessContext, state: LivenessState, rumour: Rumour): void {
  if (rumour.incarnation > state.incarnation + INCARNATION_STEP_MAX || state.leaving) return;
  const incarnation = refutingIncarnation(state.incarnation, rumour);
  if (incarnation === null) return;
  if (isAccusation(rumour)) {
    state.health = changedHealth(state.health, HEALTH_CHANGES.accused);
  }
  state.incarnation = incarnation;
  tellOn(context, state, state.self, null, true);
}

interface Belief {
  readonly believed: Believed;
  readonly rumour: Rumour;
  readonly source: DeviceId | null;
  readonly tell: boolean;
}

function believe(
  context: LivenessContext,
  state: LivenessState,
  deps: LivenessDependencies,
  { believed, rumour, source, tell }: Belief,
): void {
  const { subject } = rumour;
  const before = believed.rumour;
  const changed = before?.state !== rumour.state;
  if (changed || before?.incarnation !== rumour.incarnation) {
    believed.sinceMs = context.monotonicMs();
  }
  believed.rumour = rumour;
  state.present += Number(isPresent(rumour)) - Number(isPresent(before));
  if (before?.state === "suspect" && rumour.state === "alive") state.counts.suspicionsRefuted += 1;
  // News of a device nobody has accused of anything can wait.
  const urgent = before !== null && (changed || rumour.state !== "alive");
  if (tell) tellOn(context, state, subject, source, urgent);
  if (rumour.state === "suspect") {
    const lastsMs = suspicionTimeoutMs(rumour.accusers.length - 1, boundsNow(state));
    const elapsedMs = context.monotonicMs() - believed.sinceMs;
    startSuspicionTimer(context, subject, Math.max(0, lastsMs - elapsedMs));
  } else if (before?.state === "suspect") context.cancelTimer(`suspicion/${subject}`);
  // Whoever can ask it does so now: it hears that it is accused, and we find out whether we agree.
  const watched = state.up.has(subject) || state.lost.has(subject);
  if (watched && isAccusation(rumour) && !rumour.accusers.includes(state.self)) {
    startProbe(context, state, deps, subject);
  }
  if (!changed) return;
  context.publish(livenessChanged, {
    deviceId: subject,
    state: rumour.state,
    incarnation: rumour.incarnation,
  });
  context.publish(nodeEvents, { type: "livenessChanged", deviceId: subject, state: rumour.state });
}

function startSuspicionTimer(context: LivenessContext, subject: DeviceId, delayMs: number): void {
  startDueTimer(
    context,
    `suspicion/${subject}`,
    delayMs,
    (dueMs) => ({ type: "suspicionDue", subject, dueMs }),
  );
}

function isPresent(rumour: Rumour | null): boolean {
  return rumour?.state === "alive" || rumour?.state === "suspect";
}
