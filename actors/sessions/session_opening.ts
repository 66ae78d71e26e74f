/** Paths that are open but not in use yet: the handshake, then the exchange of resume frames. */
import {
  beginAsInitiator,
  continueHandshake,
  HANDSHAKE_REFUSAL,
  type HandshakeOptions,
} from "../../protocols/session/handshake.ts";
import { HEARTBEAT_SWITCH_MS } from "../../protocols/session/heartbeat.ts";
import type { ResumeFrame } from "../../protocols/session/messages.ts";
import { decodeFrame, encodeFrame } from "../../protocols/session/wire.ts";
import { acceptsPath } from "./admission.ts";
import { type HeldPath, holdPath } from "./held_path.ts";
import { pathRank } from "./path_choice.ts";
import { onDialFailed, takeDial } from "./session_dialling.ts";
import type {
  OpeningPath,
  SessionCommand,
  SessionContext,
  SessionDependencies,
  SessionState,
} from "./session_state.ts";
import { putIntoUse } from "./session_switching.ts";
import { report } from "./session_traffic.ts";

/** Handshake and resume exchange must be done by then, ms. */
const OPENING_MS = 5_000;

type Of<Type extends SessionCommand["type"]> = Extract<SessionCommand, { type: Type }>;

export function onDialled(
  context: SessionContext,
  state: SessionState,
  command: Of<"dialled">,
  deps: SessionDependencies,
): void {
  const { outcome } = command;
  const dial = takeDial(context, state, command.dial);
  if (dial === undefined) {
    // Cancelled, but the outcome was already under way.
    if (outcome.type === "opened") outcome.path.close("surplus");
    return;
  }
  if (outcome.type === "failed") {
    return onDialFailed(context, state, dial.transport, outcome.reason, deps);
  }
  if (context.monotonicMs() < state.quarantinedUntilMs) {
    outcome.path.close(HANDSHAKE_REFUSAL);
    return onDialFailed(context, state, dial.transport, "the peer was put out", deps);
  }
  if (!isWorthOpening(state, outcome.path)) {
    outcome.path.close("surplus");
    return onDialFailed(context, state, dial.transport, "no better than the path in use", deps);
  }
  const path = holdPath(outcome.path);
  const begun = beginAsInitiator(handshakeOptions(context, path, deps));
  const opening: OpeningPath = {
    id: state.nextId++,
    path,
    role: "initiator",
    transport: dial.transport,
    sinceMs: dial.sinceMs,
    handshake: begun.state,
    channel: null,
    resumeSent: false,
  };
  open(context, state, opening);
  path.send(begun.send);
  report(context, state, deps);
}

/**
 * We begin nothing that is not strictly better than what we have, so that paths of equal rank never take turns. Beside a path that is
 * doubted everything is worth opening.
 */
function isWorthOpening({ active, doubted }: SessionState, path: HeldPath | OpenPath): boolean {
  return active === null || doubted || pathRank(path) < pathRank(active.path);
}
type OpenPath = Extract<Of<"dialled">["outcome"], { type: "opened" }>["path"];

/** How long a path that is ready waits: one that is worse than the path in use until that has been silent for long enough, ms. */
function standbyMs(context: SessionContext, state: SessionState, path: HeldPath): number {
  const { active } = state;
  if (active === null || pathRank(path) <= pathRank(active.path)) return 0;
  return HEARTBEAT_SWITCH_MS - active.heartbeat.silentMs(context.monotonicMs());
}

/** Takes a path into use whose handshake is done, now or when its time has come. */
function useWhenDue(context: SessionContext, state: SessionState, opening: OpeningPath): void {
  const waitMs = standbyMs(context, state, opening.path);
  // Clocks are no finer than a millisecond: a wait that is shorter might never end.
  if (waitMs < 1) return sendResume(state, opening);
  const command = { type: "standbyDue", path: opening.id } as const;
  context.startTimer(`standby/${opening.id}`, waitMs, command);
}

/** The path in use has been silent for so long that this one may take over, or is gone. */
export function onStandbyDue(
  context: SessionContext,
  state: SessionState,
  path: number,
  deps: SessionDependencies,
): void {
  const opening = state.opening.get(path);
  if (opening === undefined || opening.resumeSent) return;
  if (isWorthOpening(state, opening.path)) return useWhenDue(context, state, opening);
  giveUp(context, state, opening, "no better than the path in use", deps);
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
  if (command.role === "initiator" && !isWorthOpening(state, command.path)) {
    return command.path.close("surplus");
  }
  const opening: OpeningPath = {
    id: state.nextId++,
    path: command.path,
    role: command.role,
    transport: null,
    sinceMs: context.monotonicMs(),
    handshake: null,
    channel: command.channel,
    resumeSent: false,
  };
  if (command.role === "initiator") useWhenDue(context, state, opening);
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
  state.opening.delete(opening.id);
  for (const key of ["opening", "standby"]) context.cancelTimer(`${key}/${opening.id}`);
  opening.path.close(HANDSHAKE_REFUSAL);
  onDialFailed(context, state, opening.transport, reason, deps);
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
    // Meanwhile the peer may have come by a path that is as good.
    if (!isWorthOpening(state, opening.path)) {
      return giveUp(context, state, opening, "no better than the path in use", deps);
    }
    return useWhenDue(context, state, opening);
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
    const ownResumeSent = others.some((other) => other.role === "initiator" && other.resumeSent);
    const { self, peer } = deps;
    if (!acceptsPath({ self, peer, resume, ownResumeSent, active: state.active })) {
      return giveUp(context, state, opening, "another path is kept", deps);
    }
  }
  const outcome = state.link.onResume(resume, opening.role);
  if (outcome.type === "violation") return giveUp(context, state, opening, outcome.reason, deps);
  if (opening.role === "responder") sendResume(state, opening);
  putIntoUse(context, state, { opening, resume, resumed: outcome.type === "resumed" }, deps);
}

function sendResume(state: SessionState, opening: OpeningPath): void {
  opening.resumeSent = true;
  const frame = encodeFrame({
    type: "resume",
    ...state.link.resume(),
    boot: state.boot,
    lastPath: state.lastPath,
  });
  const { channel, path } = opening;
  path.send(path.confidential || channel === null ? frame : channel.send.seal(frame));
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
