/**
 * The session with one peer: reconnects, keeps one path in use, and carries messages both ways.
 *
 * Invariants:
 * - At most one path is in use. Of two that were opened at the same time both ends keep the same one (`admission.ts`).
 * - `up` is published when a path comes into use, `down` when none is left; messages are routed only in between.
 * - Memory for a peer that never reads is bounded by the link's queue; such a session is ended.
 */
import { Link, LINK_ID_BYTES } from "../../protocols/session/link.ts";
import type { Behaviour } from "../kernel/actor.ts";
import { peerSessions } from "./commands.ts";
import {
  onDialDue,
  onRetryDue,
  onStaggerDue,
  onUpgradeDue,
  startAfresh,
  startRound,
} from "./session_dialling.ts";
import { adoptPath, onDialled, onOpeningDue, onStandbyDue } from "./session_opening.ts";
import { DIAL_GRACE_MS, isConnecting, scheduleRetry, scheduleUpgrade } from "./session_retry.ts";
import { onRetiredDue } from "./session_switching.ts";
import { onPathEvent } from "./session_frames.ts";
import type {
  SessionCommand,
  SessionContext,
  SessionDependencies,
  SessionState,
} from "./session_state.ts";
import {
  endSession,
  onAcknowledgeDue,
  onHeartbeatDue,
  onSendToPeer,
  onStrike,
  report,
} from "./session_traffic.ts";

/** The behaviour of one session; the sessions actor spawns it as a temporary child. */
export function session(deps: SessionDependencies): Behaviour<SessionCommand, SessionState> {
  return {
    name: "session",
    // Frames come as commands: what does not fit is a gap, the path breaks, and the next one resumes.
    mailbox: { capacity: 2_048, overflow: "reject" },
    init: (context) => start(context, deps),
    receive(context, state, command) {
      switch (command.type) {
        case "pathEvent":
          return onPathEvent(context, state, command, deps);
        case "sendToPeer":
          return onSendToPeer(context, state, command);
        case "acknowledgeDue":
          return onAcknowledgeDue(state);
        case "heartbeatDue":
          return onHeartbeatDue(context, state, deps);
        case "adopt":
          return adoptPath(context, state, command, deps);
        case "dialled":
          return onDialled(context, state, command, deps);
        case "dialDue":
          return onDialDue(context, state, command.dial, deps);
        case "staggerDue":
          return onStaggerDue(context, state, deps);
        case "upgradeDue":
          return onUpgradeDue(context, state, deps);
        case "standbyDue":
          return onStandbyDue(context, state, command.path, deps);
        case "retiredDue":
          return onRetiredDue(state, command.path);
        case "openingDue":
          return onOpeningDue(context, state, command.path, deps);
        case "connectNow":
          return onConnectNow(context, state, deps);
        case "repeatUp":
          return repeatUp(context, state, deps);
        case "addressesChanged":
          return onAddressesChanged(context, state, command.addresses, deps);
        case "networkChanged":
          return onNetworkChanged(context, state, deps);
        case "strike":
          return onStrike(context, state, command.reason, deps);
        case "retryDue":
          return onRetryDue(context, state, deps);
        case "stableDue":
          state.failures = 0;
          return;
        case "forgetDue":
          return onForgetDue(context, state);
        default:
          command satisfies never;
      }
    },
    release: endSession,
  };
}

function start(context: SessionContext, deps: SessionDependencies): SessionState {
  const state: SessionState = {
    boot: context.random.bytes(8),
    addresses: deps.addresses,
    link: new Link(() => context.random.bytes(LINK_ID_BYTES)),
    lastPath: new Uint8Array(8),
    dials: new Map(),
    queue: [],
    kinds: deps.transports.map(() => ({ failures: 0, notBeforeMs: 0 })),
    opening: new Map(),
    active: null,
    doubted: false,
    retired: new Map(),
    nextId: 1,
    failures: 0,
    retryAtMs: null,
    upSinceMs: null,
    strikes: 0,
    quarantinedUntilMs: 0,
    acknowledgeTimer: false,
    progress: { position: 0, sinceMs: 0 },
    unfinished: null,
    gapAt: null,
    bytesSent: 0,
    bytesReceived: 0,
    dropped: 0,
    lastProblem: null,
  };
  // The smaller id dials at once, so that most pairs never open two paths.
  scheduleRetry(context, state, deps.self < deps.peer ? 0 : DIAL_GRACE_MS);
  report(context, state, deps);
  return state;
}

function repeatUp(context: SessionContext, state: SessionState, deps: SessionDependencies): void {
  if (state.active === null) return;
  context.publish(peerSessions, { type: "up", deviceId: deps.peer, resumed: true });
}

function onConnectNow(
  context: SessionContext,
  state: SessionState,
  deps: SessionDependencies,
): void {
  // Whoever asks for a session that is up has not heard of it: its mailbox may have been full.
  repeatUp(context, state, deps);
  if (isConnecting(state)) return;
  if (state.active !== null) return scheduleUpgrade(context, state, deps, 0);
  state.failures = 0;
  context.cancelTimer("retry");
  startRound(context, state, deps);
}

function onAddressesChanged(
  context: SessionContext,
  state: SessionState,
  addresses: readonly string[],
  deps: SessionDependencies,
): void {
  const known = new Set(state.addresses);
  const grown = addresses.some((address) => !known.has(address));
  state.addresses = addresses;
  // It has just shown itself: no reason to wait out a long backoff. A path in use is looked at again only for new addresses.
  if (state.active === null || grown) startAfresh(context, state, deps);
}

/** Our own addresses are others than before: we make sure of the path in use, and look for one that is as good. */
function onNetworkChanged(
  context: SessionContext,
  state: SessionState,
  deps: SessionDependencies,
): void {
  if (state.active !== null) {
    state.doubted = true;
    onHeartbeatDue(context, state, deps, true);
  }
  startAfresh(context, state, deps);
}

/** The peer has been away for so long that what waits for it is no longer worth its memory. */
function onForgetDue(context: SessionContext, state: SessionState): void {
  if (state.active === null) state.link = new Link(() => context.random.bytes(LINK_ID_BYTES));
}
