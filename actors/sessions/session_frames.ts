/** What happens when something comes over a path of a session. */
import { decodeEnvelope } from "../../protocols/envelope.ts";
import { LINK_ACK_BYTES } from "../../protocols/session/link.ts";
import type { SessionFrame } from "../../protocols/session/messages.ts";
import { decodeFrame, encodeFrame } from "../../protocols/session/wire.ts";
import { giveUp, onOpeningFrame } from "./session_opening.ts";
import type {
  ActivePath,
  SessionCommand,
  SessionContext,
  SessionDependencies,
  SessionState,
} from "./session_state.ts";
import { endDoubt } from "./session_switching.ts";
import {
  beginAfresh,
  breach,
  onAcknowledgeDue,
  onStrike,
  pathLost,
  pump,
  transmit,
} from "./session_traffic.ts";

/** Received data is acknowledged by then, if no data frame of ours carries it, ms. */
const ACKNOWLEDGE_MS = 40;
/** A peer that says goodbye is tried again only after a while: as if this many attempts had failed. */
const GOODBYE_FAILURES = 5;

export function onPathEvent(
  context: SessionContext,
  state: SessionState,
  command: Extract<SessionCommand, { type: "pathEvent" }>,
  deps: SessionDependencies,
): void {
  const { event } = command;
  const opening = state.opening.get(command.path);
  if (opening !== undefined) {
    if (event.type === "frame") return onOpeningFrame(context, state, opening, event.frame, deps);
    if (event.type === "closed") return giveUp(context, state, opening, event.reason, deps);
    return;
  }
  const { active } = state;
  // Events of a path that was replaced.
  if (event.type === "closed") state.retired.delete(command.path);
  if (active?.id !== command.path) return;
  switch (event.type) {
    case "frame":
      return onFrame(context, state, active, event.frame, deps);
    case "drained":
      active.blocked = false;
      return pump(state);
    case "closed":
      return pathLost(context, state, event.reason, deps);
  }
}

function onFrame(
  context: SessionContext,
  state: SessionState,
  active: ActivePath,
  bytes: Uint8Array,
  deps: SessionDependencies,
): void {
  state.bytesReceived += bytes.length;
  const plain = active.path.confidential ? bytes : active.channel.receive.open(bytes);
  // On a relay somebody else may do this, so it costs the path and not the peer's reputation.
  if (plain === undefined) return pathLost(context, state, "frame cannot be decrypted", deps);
  const decoded = decodeFrame(plain);
  if (decoded.type === "invalid") return breach(context, state, decoded.reason, deps);
  active.heartbeat.heard(context.monotonicMs());
  if (state.doubted) endDoubt(context, state, active, deps);
  handle(context, state, active, decoded.frame, deps);
}

function handle(
  context: SessionContext,
  state: SessionState,
  active: ActivePath,
  frame: SessionFrame,
  deps: SessionDependencies,
): void {
  switch (frame.type) {
    case "data": {
      const outcome = state.link.onData(frame);
      if (outcome.type === "gap") return onGap(context, state, outcome.reason, deps);
      if (outcome.type === "violation") return breach(context, state, outcome.reason, deps);
      for (const envelope of outcome.envelopes) route(context, state, envelope, deps);
      // Too many bad envelopes have ended the path meanwhile.
      if (state.active !== active) return;
      return acknowledgeSoon(context, state);
    }
    case "resume":
      return breach(context, state, "a second resume frame", deps);
    case "goodbye":
      state.failures = Math.max(state.failures, GOODBYE_FAILURES);
      return pathLost(context, state, `goodbye: ${frame.reason}`, deps);
    case "ack":
    case "ping":
    case "pong": {
      const refused = state.link.onAcknowledgement(frame.acknowledged);
      if (refused !== undefined) return breach(context, state, refused.reason, deps);
      if (frame.type === "pong") active.heartbeat.pong(frame.token, context.monotonicMs());
      if (frame.type === "ping") {
        const acknowledged = state.link.takeAcknowledgement();
        transmit(state, active, encodeFrame({ type: "pong", token: frame.token, acknowledged }));
      }
      return pump(state);
    }
  }
}

/**
 * The next path goes on where data is missing. If it is missing there again, both ends disagree for good about what has arrived, and only a
 * session that begins afresh helps.
 */
function onGap(
  context: SessionContext,
  state: SessionState,
  reason: string,
  deps: SessionDependencies,
): void {
  const { received } = state.link;
  if (state.gapAt === received) return beginAfresh(context, state, `twice: ${reason}`, deps);
  state.gapAt = received;
  pathLost(context, state, reason, deps);
}

function acknowledgeSoon(context: SessionContext, state: SessionState): void {
  // What was acknowledged by this frame may have made room, and data of ours carries our acknowledgement.
  pump(state);
  const waiting = state.link.unacknowledgedReceived;
  if (waiting === 0) return;
  if (waiting >= LINK_ACK_BYTES) return onAcknowledgeDue(state);
  if (state.acknowledgeTimer) return;
  state.acknowledgeTimer = true;
  context.startTimer("acknowledge", ACKNOWLEDGE_MS, { type: "acknowledgeDue" });
}

function route(
  context: SessionContext,
  state: SessionState,
  bytes: Uint8Array,
  deps: SessionDependencies,
): void {
  const decoded = decodeEnvelope(bytes);
  if (decoded.type === "invalid") return onStrike(context, state, decoded.reason, deps);
  const { protocol, body } = decoded.envelope;
  const target = deps.routes.find((candidate) => candidate.protocol === protocol);
  if (target === undefined) return onStrike(context, state, `nobody speaks ${protocol}`, deps);
  const outcome = target.decode(body);
  if (!outcome.ok) return onStrike(context, state, `${protocol}: ${outcome.reason}`, deps);
  context.send(target.to, { type: "peerMessage", from: deps.peer, message: outcome.message });
}
