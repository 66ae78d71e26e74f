/**
 * Dialling a peer by several transports at once, staggered: the best kind first, the next when it has had its chance or has failed.
 *
 * Invariants:
 * - At most one dial per transport is under way.
 * - A round that leads nowhere ends in exactly one wait: for any path, or for a better one.
 */
import type { DialOutcome } from "../../platform/transport.ts";
import { dialOrder } from "./path_choice.ts";
import {
  DIAL_GRACE_MS,
  forgetKindFailures,
  isConnecting,
  noteKindFailed,
  scheduleRetry,
  scheduleUpgrade,
  upgradeTransports,
} from "./session_retry.ts";
import type { Dial, SessionContext, SessionDependencies, SessionState } from "./session_state.ts";
import { report } from "./session_traffic.ts";

/** A dial that has no outcome by then is cancelled, ms. */
const DIAL_MS = 20_000;
/** The next kind is tried when the one before has not answered for this long, ms (RFC 8305 recommends 250). */
const STAGGER_MS = 250;
/** The same beside a path that is doubted, whose end may be near, ms. */
const DOUBT_STAGGER_MS = 20;
/** A path that is doubted has this long to show that it is alive, ms. */
const DOUBT_MS = 500;

/** The wait is over. */
export function onRetryDue(
  context: SessionContext,
  state: SessionState,
  deps: SessionDependencies,
): void {
  if (state.active !== null || isConnecting(state)) return;
  startRound(context, state, deps);
}

/** Begins to look for a path by every transport; does nothing without an address. */
export function startRound(
  context: SessionContext,
  state: SessionState,
  deps: SessionDependencies,
): void {
  if (context.monotonicMs() < state.quarantinedUntilMs) return scheduleRetry(context, state, 0);
  state.retryAtMs = null;
  if (state.addresses.length === 0) return report(context, state, deps);
  state.queue = dialOrder(state.kinds, context.monotonicMs());
  dialNext(context, state, deps);
}

/** Time to look for a better path than the one in use. */
export function onUpgradeDue(
  context: SessionContext,
  state: SessionState,
  deps: SessionDependencies,
): void {
  if (state.active === null) return;
  // Beside a path that is silent every kind is tried, whatever else is under way.
  if (isConnecting(state) && !state.doubted) return scheduleUpgrade(context, state, deps);
  const nowMs = context.monotonicMs();
  const opening = new Set([...state.opening.values()].map(({ transport }) => transport));
  const rested = upgradeTransports(state, deps).filter((index) =>
    state.kinds[index]!.notBeforeMs <= nowMs && !opening.has(index)
  );
  if (rested.length === 0) return scheduleUpgrade(context, state, deps);
  state.queue = rested;
  dialNext(context, state, deps);
}

/** Addresses or our own networks are new: whatever failed is tried again, at once where there is something to win. */
export function startAfresh(
  context: SessionContext,
  state: SessionState,
  deps: SessionDependencies,
): void {
  forgetKindFailures(state);
  state.failures = 0;
  if (state.active === null) {
    if (isConnecting(state)) return;
    return scheduleRetry(context, state, deps.self < deps.peer ? 0 : DIAL_GRACE_MS);
  }
  scheduleUpgrade(context, state, deps, state.doubted ? DOUBT_MS : 0);
}

/** The kind before has had its chance to be first. */
export function onStaggerDue(
  context: SessionContext,
  state: SessionState,
  deps: SessionDependencies,
): void {
  if (state.queue.length > 0) dialNext(context, state, deps);
}

function dialNext(context: SessionContext, state: SessionState, deps: SessionDependencies): void {
  context.cancelTimer("stagger");
  const [index, ...later] = state.queue;
  state.queue = later;
  const transport = index === undefined ? undefined : deps.transports[index];
  if (index === undefined || transport === undefined) return report(context, state, deps);
  const underWay = [...state.dials.values()].some((dial) => dial.transport === index);
  if (underWay) return dialNext(context, state, deps);
  const id = state.nextId++;
  const onOutcome = context.inlet((outcome: DialOutcome) => ({
    type: "dialled",
    dial: id,
    outcome,
  }));
  const cancel = transport.dial({ deviceId: deps.peer, addresses: state.addresses }, onOutcome);
  state.dials.set(id, { id, transport: index, sinceMs: context.monotonicMs(), cancel });
  context.startTimer(`dial/${id}`, DIAL_MS, { type: "dialDue", dial: id });
  const staggerMs = state.doubted ? DOUBT_STAGGER_MS : STAGGER_MS;
  if (later.length > 0) context.startTimer("stagger", staggerMs, { type: "staggerDue" });
  report(context, state, deps);
}

export function onDialDue(
  context: SessionContext,
  state: SessionState,
  id: number,
  deps: SessionDependencies,
): void {
  const dial = takeDial(context, state, id);
  if (dial === undefined) return;
  dial.cancel();
  onDialFailed(context, state, dial.transport, `no path within ${DIAL_MS} ms`, deps);
}

/** Removes a dial whose outcome is here; undefined when it was cancelled meanwhile. */
export function takeDial(
  context: SessionContext,
  state: SessionState,
  id: number,
): Dial | undefined {
  const dial = state.dials.get(id);
  if (dial === undefined) return undefined;
  state.dials.delete(id);
  context.cancelTimer(`dial/${id}`);
  return dial;
}

/** Cancels the dials that are not wanted any more, and what would have been dialled after them. */
export function cancelDials(
  context: SessionContext,
  state: SessionState,
  unwanted: (transport: number) => boolean,
): void {
  for (const dial of [...state.dials.values()]) {
    if (!unwanted(dial.transport)) continue;
    takeDial(context, state, dial.id);
    dial.cancel();
  }
  state.queue = state.queue.filter((transport) => !unwanted(transport));
  if (state.queue.length === 0) context.cancelTimer("stagger");
}

/** One transport leads nowhere: the next one's turn, or the round is over. */
export function onDialFailed(
  context: SessionContext,
  state: SessionState,
  transport: number | null,
  reason: string,
  deps: SessionDependencies,
): void {
  if (transport !== null) noteKindFailed(context, state, transport);
  // While a path works, another that does not is nobody's problem.
  if (state.active === null) state.lastProblem = reason;
  if (state.queue.length > 0) return dialNext(context, state, deps);
  if (state.active !== null) {
    // Beside a silent path one kind does not wait for the slow failure of another.
    if (state.doubted || !isConnecting(state)) scheduleUpgrade(context, state, deps);
  } else if (!isConnecting(state)) {
    state.failures += 1;
    scheduleRetry(context, state);
  }
  report(context, state, deps);
}
