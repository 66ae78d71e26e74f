/** Sending, heartbeats, and the ways in which a path in use ends. */
import { ENVELOPE_BYTES_MAX, ENVELOPE_HEADER_BYTES } from "../../protocols/envelope.ts";
import { HEARTBEAT_INTERVAL_MS } from "../../protocols/session/heartbeat.ts";
import { Link, LINK_ID_BYTES } from "../../protocols/session/link.ts";
import type { GoodbyeReason } from "../../protocols/session/messages.ts";
import { NOISE_MESSAGE_BYTES_MAX, NOISE_TAG_BYTES } from "../../protocols/session/noise.ts";
import { encodeFrame } from "../../protocols/session/wire.ts";
import { nodeEvents } from "../events.ts";
import type { SessionState as PublicState } from "../handle.ts";
import { peerSessions } from "./commands.ts";
import {
  DIAL_GRACE_MS,
  isConnecting,
  onSilence,
  scheduleRetry,
  scheduleUpgrade,
} from "./session_retry.ts";
import type {
  ActivePath,
  SessionCommand,
  SessionContext,
  SessionDependencies,
  SessionState,
} from "./session_state.ts";

/** A peer that acknowledges nothing for this long while data waits does not read, ms. */
const STALLED_MS = 20_000;
/** An envelope whose end has not come after this long on one path will never end: the longest one needs that at 9 kB/s, ms. */
const UNFINISHED_MS = 60_000;
/** What waits for a peer without a path is kept this long, ms. */
const FORGET_MS = 60_000;
/** Strikes that end a session. One is forgiven every `STRIKE_FORGIVEN_MS`. */
const STRIKES_MAX = 10;
const STRIKE_FORGIVEN_MS = 60_000;
/** After that the peer stays out for this long, ms. */
const QUARANTINE_MS = 60_000;
/** Control frames that may wait for room on the path. */
const OUTBOX_MAX = 256;
const BODY_BYTES_MAX = ENVELOPE_BYTES_MAX - ENVELOPE_HEADER_BYTES;
const PROTOCOL_VERSION = 1;

/**
 * Queues one message. Between two paths it waits for the next, because a resumed session promises that nothing was lost,
 * and a protocol may have spoken before it heard that the path is gone. Without a session, or room, it is dropped and counted.
 */
export function onSendToPeer(
  context: SessionContext,
  state: SessionState,
  command: Extract<SessionCommand, { type: "sendToPeer" }>,
): void {
  const { protocol, body } = command;
  const envelope = { protocol, version: PROTOCOL_VERSION, requestId: 0, body };
  if (state.link.established && state.link.enqueue(envelope)) return pump(state);
  state.dropped += 1;
  const why = !state.link.established
    ? "no session"
    : body.length > BODY_BYTES_MAX
    ? `${body.length} bytes, expected <= ${BODY_BYTES_MAX}`
    : "the queue is full";
  if (state.active !== null) state.lastProblem = `message dropped: ${why}`;
  context.log.write("debug", "message dropped", { protocol, why, dropped: state.dropped });
}

/** Sends as much as path and window take. */
export function pump(state: SessionState): void {
  const { active, link } = state;
  if (active === null || active.blocked) return;
  while (active.outbox.length > 0) {
    const frame = active.outbox[0];
    if (frame === undefined || !handOver(state, active, frame)) return;
    active.outbox.shift();
  }
  const frameBytesMax = active.path.confidential
    ? active.path.frameBytesMax
    : Math.min(active.path.frameBytesMax, NOISE_MESSAGE_BYTES_MAX) - NOISE_TAG_BYTES;
  while (true) {
    const frame = link.nextFrame(frameBytesMax);
    if (frame === undefined) return;
    const sealed = active.path.confidential ? frame : active.channel.send.seal(frame);
    if (handOver(state, active, sealed)) continue;
    active.outbox.push(sealed);
    return;
  }
}

/** Sends one control frame, after those that wait. */
export function transmit(state: SessionState, active: ActivePath, frame: Uint8Array): void {
  // Every control frame can be done without; a sealed one could not, because it has a number.
  if (active.outbox.length >= OUTBOX_MAX) return;
  const sealed = active.path.confidential ? frame : active.channel.send.seal(frame);
  if (active.outbox.length === 0 && !active.blocked && handOver(state, active, sealed)) return;
  active.outbox.push(sealed);
}

function handOver(state: SessionState, active: ActivePath, frame: Uint8Array): boolean {
  if (!active.path.send(frame)) {
    active.blocked = true;
    return false;
  }
  state.bytesSent += frame.length;
  return true;
}

/** Acknowledges what has come. */
export function onAcknowledgeDue(state: SessionState): void {
  state.acknowledgeTimer = false;
  const { active, link } = state;
  if (active === null || link.unacknowledgedReceived === 0) return;
  transmit(state, active, encodeFrame({ type: "ack", acknowledged: link.takeAcknowledgement() }));
}

/** `asked`: a ping leaves now in any case. */
export function onHeartbeatDue(
  context: SessionContext,
  state: SessionState,
  deps: SessionDependencies,
  asked = false,
): void {
  const { active, link } = state;
  if (active === null) return;
  const nowMs = context.monotonicMs();
  const due = asked ? active.heartbeat.ask(nowMs) : active.heartbeat.due(nowMs);
  if (due.type === "dead") {
    return pathLost(context, state, `nothing heard for ${Math.round(due.silentMs)} ms`, deps);
  }
  context.startTimer("heartbeat", due.nextMs, { type: "heartbeatDue" });
  if (due.doubtful) onSilence(context, state, deps);
  if (due.type === "wait") return;
  if (link.bufferedBytes === 0 || link.acknowledged !== state.progress.position) {
    state.progress = { position: link.acknowledged, sinceMs: nowMs };
  }
  if (nowMs - state.progress.sinceMs >= STALLED_MS || active.outbox.length >= OUTBOX_MAX) {
    return beginAfresh(context, state, "the peer does not read", deps);
  }
  if (neverEnds(state, nowMs)) {
    return beginAfresh(context, state, "the peer does not end its message", deps);
  }
  state.strikes = Math.max(0, state.strikes - HEARTBEAT_INTERVAL_MS / STRIKE_FORGIVEN_MS);
  // Should our own mailbox have lost the event that says so.
  if (active.blocked && active.path.bufferedBytes() === 0) {
    active.blocked = false;
    pump(state);
  }
  noteRelayed(context, state, active, deps);
  const acknowledged = link.takeAcknowledgement();
  transmit(state, active, encodeFrame({ type: "ping", token: due.token, acknowledged }));
  report(context, state, deps);
}

/** A path may find a direct way for itself while it is in use, or lose it. */
function noteRelayed(
  context: SessionContext,
  state: SessionState,
  active: ActivePath,
  deps: SessionDependencies,
): void {
  const { kind, relayed } = active.path;
  if (relayed === active.relayed) return;
  active.relayed = relayed;
  const event = { deviceId: deps.peer, from: kind, path: kind, relayed };
  context.publish(nodeEvents, { type: "pathChanged", ...event });
  scheduleUpgrade(context, state, deps);
}

/**
 * True when the envelope that the peer has begun does not come to its end. Its length was false then, and everything that comes would be
 * swallowed as part of it, although the peer is heard and everything is acknowledged.
 */
function neverEnds(state: SessionState, nowMs: number): boolean {
  const position = state.link.unfinishedFrom;
  if (position === null) state.unfinished = null;
  else if (position !== state.unfinished?.position) {
    state.unfinished = { position, sinceMs: nowMs };
  }
  return state.unfinished !== null && nowMs - state.unfinished.sinceMs >= UNFINISHED_MS;
}

/** The session goes on no more, without anybody's fault being known: the next path begins with nothing. */
export function beginAfresh(
  context: SessionContext,
  state: SessionState,
  reason: string,
  deps: SessionDependencies,
): void {
  state.gapAt = null;
  end(context, state, "stalled", reason, deps);
}

/** The peer broke a rule of its protocol. */
export function onStrike(
  context: SessionContext,
  state: SessionState,
  reason: string,
  deps: SessionDependencies,
): void {
  // What had come before the peer was put out is still worked off: that is known already.
  if (context.monotonicMs() < state.quarantinedUntilMs) return;
  state.strikes += 1;
  state.lastProblem = reason;
  context.log.write("warning", "peer broke a rule", { peer: deps.peer, reason });
  if (state.strikes >= STRIKES_MAX) breach(context, state, `too many strikes: ${reason}`, deps);
}

/** The peer broke a rule of the session itself: nothing that it has sent can be trusted to be whole. */
export function breach(
  context: SessionContext,
  state: SessionState,
  reason: string,
  deps: SessionDependencies,
): void {
  state.quarantinedUntilMs = context.monotonicMs() + QUARANTINE_MS;
  state.strikes = 0;
  // Its path may have ended meanwhile; the next one is refused all the same.
  if (state.active === null) return scheduleRetry(context, state, QUARANTINE_MS);
  end(context, state, "violation", reason, deps);
  scheduleRetry(context, state, QUARANTINE_MS);
}

function end(
  context: SessionContext,
  state: SessionState,
  goodbye: GoodbyeReason,
  reason: string,
  deps: SessionDependencies,
): void {
  state.link = new Link(() => context.random.bytes(LINK_ID_BYTES));
  if (state.active !== null) {
    transmit(state, state.active, encodeFrame({ type: "goodbye", reason: goodbye }));
  }
  pathLost(context, state, reason, deps);
}

/** The path in use is gone; the link waits for another. */
export function pathLost(
  context: SessionContext,
  state: SessionState,
  reason: string,
  deps: SessionDependencies,
): void {
  if (state.active === null) return;
  // However often this kind led to no better path: it led to this one.
  const { kind } = state.active.path;
  for (const [index, memory] of state.kinds.entries()) {
    if (deps.transports[index]?.kind === kind) memory.notBeforeMs = 0;
  }
  closeActive(state, reason);
  state.upSinceMs = null;
  state.lastProblem = reason;
  state.acknowledgeTimer = false;
  state.doubted = false;
  for (const key of ["heartbeat", "stable", "acknowledge", "upgrade"]) context.cancelTimer(key);
  context.publish(peerSessions, {
    type: "down",
    deviceId: deps.peer,
    ...(reason.startsWith("goodbye:") ? { onPurpose: true } : {}),
  });
  context.publish(nodeEvents, { type: "sessionDown", deviceId: deps.peer, reason });
  context.startTimer("forget", FORGET_MS, { type: "forgetDue" });
  // What was held back because it is worse is as good as any now.
  for (const { id, role, channel } of state.opening.values()) {
    if (role !== "initiator" || channel === null) continue;
    context.startTimer(`standby/${id}`, 0, { type: "standbyDue", path: id });
  }
  if (!isConnecting(state)) {
    if (deps.self < deps.peer || state.failures > 0) scheduleRetry(context, state);
    else scheduleRetry(context, state, DIAL_GRACE_MS);
    state.failures += 1;
  }
  report(context, state, deps);
}

/** Closes the path in use and nothing else. */
export function closeActive(state: SessionState, reason: string): void {
  const { active } = state;
  state.active = null;
  active?.path.hold();
  active?.path.close(reason);
}

/** The session is stopped: says goodbye and lets go of every path. */
export function endSession(state: SessionState): void {
  if (state.active !== null) {
    transmit(state, state.active, encodeFrame({ type: "goodbye", reason: "stopping" }));
  }
  closeActive(state, "stopping");
  for (const dial of state.dials.values()) dial.cancel();
  state.dials.clear();
  for (const opening of state.opening.values()) opening.path.close("closed");
  state.opening.clear();
  for (const path of state.retired.values()) path.close("closed");
  state.retired.clear();
}

/** Tells the sessions actor how things stand. */
export function report(
  context: SessionContext,
  state: SessionState,
  deps: SessionDependencies,
): void {
  const { active } = state;
  context.send(deps.reportTo, {
    type: "sessionReport",
    report: {
      deviceId: deps.peer,
      child: deps.child,
      state: phaseOf(state),
      path: active?.path.kind ?? null,
      pathDescription: active?.path.description ?? null,
      relayed: active?.path.relayed ?? false,
      roundTripMs: active?.heartbeat.roundTripMs ?? null,
      upSinceMs: state.upSinceMs,
      bytesSent: state.bytesSent,
      bytesReceived: state.bytesReceived,
      framesUnacknowledged: state.link.unacknowledgedMessages,
      retryAtMs: state.retryAtMs,
      lastProblem: state.lastProblem,
    },
  });
}

function phaseOf(state: SessionState): PublicState {
  if (state.active !== null) return "up";
  if (state.opening.size > 0) return "handshaking";
  if (state.dials.size > 0) return "connecting";
  return state.retryAtMs === null ? "idle" : "waiting";
}
