/**
 * Putting a path into use: the first of a session, or one that replaces another while messages flow.
 *
 * The end that answered keeps the old path open for a while without listening: the other end still uses it until the answer has
 * arrived, and a path that closed earlier would look like a loss. What was under way on the old path is sent again on the new one.
 */
import { Heartbeat, HEARTBEAT_INTERVAL_MS } from "../../protocols/session/heartbeat.ts";
import type { ResumeFrame } from "../../protocols/session/messages.ts";
import { nodeEvents } from "../events.ts";
import { peerSessions } from "./commands.ts";
import { bestRank, pathRank } from "./path_choice.ts";
import { cancelDials } from "./session_dialling.ts";
import { forgetKindFailures, scheduleUpgrade } from "./session_retry.ts";
import type {
  ActivePath,
  OpeningPath,
  SessionContext,
  SessionDependencies,
  SessionState,
} from "./session_state.ts";
import { closeActive, pump, report } from "./session_traffic.ts";

/** A path that lives this long ends the backoff, ms. */
const STABLE_MS = 10_000;
/** The other end has switched by then, or never will, ms. */
const RETIRED_MS = 3_000;

interface NewPath {
  readonly opening: OpeningPath;
  readonly resume: ResumeFrame;
  /** Nothing was lost since the path before. */
  readonly resumed: boolean;
}

/** From now on frames travel by this path. */
export function putIntoUse(
  context: SessionContext,
  state: SessionState,
  { opening, resume, resumed }: NewPath,
  deps: SessionDependencies,
): void {
  const { channel, path } = opening;
  if (channel === null) return;
  const nowMs = context.monotonicMs();
  state.opening.delete(opening.id);
  for (const key of ["opening", "standby"]) context.cancelTimer(`${key}/${opening.id}`);
  dropSurplus(context, state, pathRank(path), deps);
  for (const key of ["retry", "forget"]) context.cancelTimer(key);
  noteKindWorked(state, opening);
  const old = state.active;
  if (old !== null) {
    // The network is another than it was when better kinds failed.
    if (pathRank(path) > pathRank(old.path)) forgetKindFailures(state);
    replace(context, state, old, opening.role);
  }
  const tag = channel.handshakeHash.slice(0, 8);
  state.lastProblem = null;
  state.doubted = false;
  state.active = {
    id: opening.id,
    path,
    channel,
    tag,
    remoteBoot: resume.boot,
    heartbeat: new Heartbeat(nowMs),
    outbox: [],
    blocked: false,
    relayed: path.relayed,
  };
  state.lastPath = tag;
  state.retryAtMs = null;
  state.progress = { position: state.link.acknowledged, sinceMs: nowMs };
  state.unfinished = null;
  context.startTimer("heartbeat", HEARTBEAT_INTERVAL_MS, { type: "heartbeatDue" });
  context.startTimer("stable", STABLE_MS, { type: "stableDue" });
  if (old !== null && resumed) {
    context.publish(nodeEvents, {
      type: "pathChanged",
      deviceId: deps.peer,
      from: old.path.kind,
      path: path.kind,
      relayed: path.relayed,
    });
  } else announce(context, state, { opening, resumed, replaced: old !== null }, deps);
  pump(state);
  scheduleUpgrade(context, state, deps);
  report(context, state, deps);
}

function announce(
  context: SessionContext,
  state: SessionState,
  { opening, resumed, replaced }: {
    readonly opening: OpeningPath;
    readonly resumed: boolean;
    readonly replaced: boolean;
  },
  deps: SessionDependencies,
): void {
  const nowMs = context.monotonicMs();
  state.upSinceMs = nowMs;
  // A replaced path that could not be resumed is an end and a beginning for the protocols.
  if (replaced) {
    const reason = "replaced by a path that could not resume it";
    context.publish(peerSessions, { type: "down", deviceId: deps.peer });
    context.publish(nodeEvents, { type: "sessionDown", deviceId: deps.peer, reason });
  }
  context.publish(peerSessions, { type: "up", deviceId: deps.peer, resumed });
  context.publish(nodeEvents, {
    type: "sessionUp",
    deviceId: deps.peer,
    path: opening.path.kind,
    resumed,
    connectMs: nowMs - opening.sinceMs,
  });
}

/** Ends every attempt that cannot lead to a better path than one of rank `rank`. */
function dropSurplus(
  context: SessionContext,
  state: SessionState,
  rank: number,
  deps: SessionDependencies,
  spared: (opening: OpeningPath) => boolean = () => false,
): void {
  for (const other of [...state.opening.values()]) {
    if (pathRank(other.path) < rank || spared(other)) continue;
    state.opening.delete(other.id);
    for (const key of ["opening", "standby"]) context.cancelTimer(`${key}/${other.id}`);
    other.path.close("surplus");
  }
  cancelDials(context, state, (index) => {
    const kind = deps.transports[index]?.kind;
    return kind === undefined || bestRank(kind) >= rank;
  });
}

/** The path in use is heard again. What we began beside it ends, but for what the other end may use already. */
export function endDoubt(
  context: SessionContext,
  state: SessionState,
  active: ActivePath,
  deps: SessionDependencies,
): void {
  state.doubted = false;
  // What the other end begins is its own affair: it may not hear us although we hear it.
  const spared = ({ role, resumeSent }: OpeningPath) => role === "responder" || resumeSent;
  dropSurplus(context, state, pathRank(active.path), deps, spared);
  scheduleUpgrade(context, state, deps);
}

/** A kind that led to as good a path as it can is tried first the next time. */
function noteKindWorked(state: SessionState, { transport, path }: OpeningPath): void {
  const memory = transport === null ? undefined : state.kinds[transport];
  if (memory === undefined || pathRank(path) > bestRank(path.kind)) return;
  memory.failures = 0;
  memory.notBeforeMs = 0;
}

function replace(
  context: SessionContext,
  state: SessionState,
  old: ActivePath,
  role: OpeningPath["role"],
): void {
  // Whoever began the new path knows by the answer that the other end has switched.
  if (role === "initiator") return closeActive(state, "surplus");
  state.active = null;
  old.path.listen(() => {});
  state.retired.set(old.id, old.path);
  context.startTimer(`retired/${old.id}`, RETIRED_MS, { type: "retiredDue", path: old.id });
}

/** The other end has had its time to leave a replaced path. */
export function onRetiredDue(state: SessionState, path: number): void {
  state.retired.get(path)?.close("surplus");
  state.retired.delete(path);
}
