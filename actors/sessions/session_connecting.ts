/** How a session comes to a path: dialling, handshake, and the exchange of resume frames that puts it into use. */
import {
  beginAsInitiator,
  continueHandshake,
  HANDSHAKE_REFUSAL,
  type HandshakeOptions,
} from "../../protocols/session/handshake.ts";
import { Heartbeat, HEARTBEAT_INTERVAL_MS } from "../../protocols/session/heartbeat.ts";
import type { ResumeOutcome } from "../../protocols/session/link.ts";
import type { ResumeFrame } from "../../protocols/session/messages.ts";
import { decodeFrame, encodeFrame } from "../../protocols/session/wire.ts";
import { nodeEvents } from "../events.ts";
import { acceptsPath } from "./admission.ts";
import { peerSessions } from "./commands.ts";
import { type HeldPath, holdPath } from "./held_path.ts";
import { scheduleRetry } from "./session_retry.ts";
import type {
  OpeningPath,
  SessionCommand,
  SessionContext,
  SessionDependencies,
  SessionState,
} from "./session_state.ts";
import { closeActive, pump, report } from "./session_traffic.ts";

/** A dial that has no outcome by then is cancelled, ms. */
const DIAL_MS = 20_000;
/** Handshake and resume exchange must be done by then, ms. */
const OPENING_MS = 5_000;
/** A path that lives this long ends the backoff, ms. */
const STABLE_MS = 10_000;

type Of<Type extends SessionCommand["type"]> = Extract<SessionCommand, { type: Type }>;

/** The wait is over. */
export function onRetryDue(
  context: SessionContext,
  state: SessionState,
  deps: SessionDependencies,
): void {
  if (state.active !== null || state.dial !== null || state.opening.size > 0) return;
  startDial(context, state, 0, deps);
}

/** Dials with transport number `transport`; does nothing without an address. */
export function startDial(
  context: SessionContext,
  state: SessionState,
  transport: number,
  deps: SessionDependencies,
): void {
  const chosen = deps.transports[transport];
  state.retryAtMs = null;
  if (chosen === undefined || state.addresses.length === 0) return report(context, state, deps);
  const id = state.nextId++;
  const onOutcome = context.inlet((outcome: Of<"dialled">["outcome"]) => ({
    type: "dialled",
    dial: id,
    outcome,
  }));
  const cancel = chosen.dial({ deviceId: deps.peer, addresses: state.addresses }, onOutcome);
  state.dial = { id, transport, sinceMs: context.monotonicMs(), cancel };
  context.startTimer("dial", DIAL_MS, { type: "dialDue", dial: id });
  report(context, state, deps);
}

export function onDialDue(
  context: SessionContext,
  state: SessionState,
  dial: number,
  deps: SessionDependencies,
): void {
  if (state.dial?.id !== dial) return;
  state.dial.cancel();
  onDialFailed(context, state, `no path within ${DIAL_MS} ms`, deps);
}

export function onDialled(
  context: SessionContext,
  state: SessionState,
  command: Of<"dialled">,
  deps: SessionDependencies,
): void {
  const { dial } = state;
  const { outcome } = command;
  if (dial?.id !== command.dial) {
    // Cancelled, but the outcome was already under way.
    if (outcome.type === "opened") outcome.path.close("surplus");
    return;
  }
  if (outcome.type === "failed") return onDialFailed(context, state, outcome.reason, deps);
  context.cancelTimer("dial");
  state.dial = null;
  const path = holdPath(outcome.path);
  const begun = beginAsInitiator(handshakeOptions(context, path, deps));
  const opening: OpeningPath = {
    id: state.nextId++,
    path,
    role: "initiator",
    sinceMs: dial.sinceMs,
    handshake: begun.state,
    channel: null,
  };
  open(context, state, opening);
  path.send(begun.send);
  report(context, state, deps);
}

function onDialFailed(
  context: SessionContext,
  state: SessionState,
  reason: string,
  deps: SessionDependencies,
): void {
  const transport = (state.dial?.transport ?? 0) + 1;
  context.cancelTimer("dial");
  state.dial = null;
  // While a path works, another that does not is nobody's problem.
  if (state.active === null) state.lastProblem = reason;
  if (transport < deps.transports.length) return startDial(context, state, transport, deps);
  state.failures += 1;
  scheduleRetry(context, state);
  report(context, state, deps);
}

/** Takes a path whose handshake is done. */
export function adoptPath(
  context: SessionContext,
  state: SessionState,
  command: Of<"adopt">,
  deps: SessionDependencies,
): void {
  if (context.monotonicMs() < state.quarantinedUntilMs) {
    return command.path.close(HANDSHAKE_REFUSAL);
  }
  // Dialled by address before we knew who is there, and meanwhile connected otherwise: replacing a good path helps nobody.
  if (command.role === "initiator" && state.active !== null) return command.path.close("surplus");
  const opening: OpeningPath = {
    id: state.nextId++,
    path: command.path,
    role: command.role,
    sinceMs: context.monotonicMs(),
    handshake: null,
    channel: command.channel,
  };
  if (command.role === "initiator") sendResume(state, opening);
  open(context, state, opening);
  report(context, state, deps);
}

function open(context: SessionContext, state: SessionState, opening: OpeningPath): void {
  state.opening.set(opening.id, opening);
  context.startTimer(`opening/${opening.id}`, OPENING_MS, { type: "openingDue", path: opening.id });
  opening.path.listen(context.inlet((event) => ({ type: "pathEvent", path: opening.id, event })));
}

export function onOpeningDue(
  context: SessionContext,
  state: SessionState,
  path: number,
  deps: SessionDependencies,
): void {
  const opening = state.opening.get(path);
  if (opening === undefined) return;
  giveUp(context, state, opening, `handshake took longer than ${OPENING_MS} ms`, deps);
}

/** Ends a path that never came into use. */
export function giveUp(
  context: SessionContext,
  state: SessionState,
  opening: OpeningPath,
  reason: string,
  deps: SessionDependencies,
): void {
  remove(context, state, opening);
  opening.path.close(HANDSHAKE_REFUSAL);
  if (state.active === null) state.lastProblem = reason;
  if (state.active === null && state.dial === null && state.opening.size === 0) {
    state.failures += 1;
    scheduleRetry(context, state);
  }
  report(context, state, deps);
}

function remove(context: SessionContext, state: SessionState, opening: OpeningPath): void {
  state.opening.delete(opening.id);
  context.cancelTimer(`opening/${opening.id}`);
}

/** A frame on a path that is not in use yet. */
export function onOpeningFrame(
  context: SessionContext,
  state: SessionState,
  opening: OpeningPath,
  frame: Uint8Array,
  deps: SessionDependencies,
): void {
  if (opening.handshake !== null) {
    const options = handshakeOptions(context, opening.path, deps);
    const step = continueHandshake(opening.handshake, frame, options);
    if (step.type === "failed") return giveUp(context, state, opening, step.reason, deps);
    if (step.send !== null) opening.path.send(step.send);
    if (step.type === "continue") {
      opening.handshake = step.state;
      return;
    }
    opening.handshake = null;
    opening.channel = step.established.channel;
    return sendResume(state, opening);
  }
  const { channel, path } = opening;
  const plain = path.confidential ? frame : channel?.receive.open(frame);
  const decoded = plain === undefined ? undefined : decodeFrame(plain);
  if (decoded?.type !== "frame" || decoded.frame.type !== "resume") {
    return giveUp(context, state, opening, "expected a resume frame", deps);
  }
  onResume(context, state, opening, decoded.frame, deps);
}

function onResume(
  context: SessionContext,
  state: SessionState,
  opening: OpeningPath,
  resume: ResumeFrame,
  deps: SessionDependencies,
): void {
  if (opening.role === "responder") {
    const others = [...state.opening.values()];
    const ownResumeSent = others.some((other) =>
      other.role === "initiator" && other.channel !== null
    );
    const { self, peer } = deps;
    if (!acceptsPath({ self, peer, resume, ownResumeSent, active: state.active })) {
      return giveUp(context, state, opening, "another path is kept", deps);
    }
  }
  const outcome = state.link.onResume(resume, opening.role);
  if (outcome.type === "violation") return giveUp(context, state, opening, outcome.reason, deps);
  if (opening.role === "responder") sendResume(state, opening);
  putIntoUse(context, state, opening, resume, outcome, deps);
}

function sendResume(state: SessionState, opening: OpeningPath): void {
  const frame = encodeFrame({
    type: "resume",
    ...state.link.resume(),
    boot: state.boot,
    lastPath: state.lastPath,
  });
  const { channel, path } = opening;
  path.send(path.confidential || channel === null ? frame : channel.send.seal(frame));
}

function putIntoUse(
  context: SessionContext,
  state: SessionState,
  opening: OpeningPath,
  resume: ResumeFrame,
  outcome: ResumeOutcome,
  deps: SessionDependencies,
): void {
  const { channel, path } = opening;
  if (channel === null) return;
  const nowMs = context.monotonicMs();
  const resumed = outcome.type === "resumed";
  remove(context, state, opening);
  for (const other of [...state.opening.values()]) {
    remove(context, state, other);
    other.path.close("surplus");
  }
  state.dial?.cancel();
  state.dial = null;
  for (const key of ["dial", "retry", "forget"]) context.cancelTimer(key);
  const replaced = state.active !== null;
  if (replaced) closeActive(state, "surplus");
  const tag = channel.handshakeHash.slice(0, 8);
  state.lastProblem = null;
  state.active = {
    id: opening.id,
    path,
    channel,
    tag,
    remoteBoot: resume.boot,
    heartbeat: new Heartbeat(nowMs),
    outbox: [],
    blocked: false,
  };
  state.lastPath = tag;
  state.retryAtMs = null;
  state.progress = { position: state.link.acknowledged, sinceMs: nowMs };
  context.startTimer("heartbeat", HEARTBEAT_INTERVAL_MS, { type: "heartbeatDue" });
  context.startTimer("stable", STABLE_MS, { type: "stableDue" });
  if (!replaced || !resumed) {
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
      path: path.kind,
      resumed,
      connectMs: nowMs - opening.sinceMs,
    });
  }
  pump(state);
  report(context, state, deps);
}

function handshakeOptions(
  context: SessionContext,
  path: HeldPath,
  deps: SessionDependencies,
): HandshakeOptions {
  return {
    crypto: deps.crypto,
    signer: deps.signer,
    random: context.random,
    mesh: deps.mesh,
    binding: path.binding,
    // The sessions actor ends this session at once when the peer is no longer admitted.
    isAdmitted: (device) => device === deps.peer,
    expected: deps.peer,
  };
}
