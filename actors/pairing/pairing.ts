/**
 * Brings strangers into the mesh. Invariants:
 *
 * 1. An invite lets in one device at most; what closes it is durable before anybody outside can know.
 * 2. A wrong code burns its invite before the guesser hears that it was wrong.
 * 3. Nothing about the mesh leaves before the secret is proven; nobody is admitted before both people have confirmed.
 * 4. Whatever strangers send is bounded: runs, runs per source, pairings, message sizes, time.
 */
import { invariant } from "../../platform/invariant.ts";
import { parseDeviceId } from "../../protocols/ids.ts";
import { type PeerPresence, peerPresence } from "../discovery/commands.ts";
import type { Outcome, PairingView } from "../handle.ts";
import type { Behaviour, Ref } from "../kernel/actor.ts";
import { membershipChanged } from "../members/commands.ts";
import { acceptProof, admitWhenBothConfirmed, onMemberAdmitted, onRequest } from "./answering.ts";
import type { PairingCommand } from "./commands.ts";
import {
  inviteView,
  makeInvite,
  onCancelInvite,
  onCreateInvite,
  sweep,
  takeUpInvites,
} from "./invites.ts";
import { onAcceptInvite, onMeshJoined, onReply, onRetryDue, poll, tell } from "./joining.ts";
import { done, refused } from "../outcomes.ts";
import {
  enterPhase,
  isActive,
  LIMITS,
  type PairingContext,
  type PairingDependencies,
  type PairingState,
  viewOf,
} from "./state.ts";
import { SETTINGS_PREFIX } from "./stored_invite.ts";

export type { PairingDependencies } from "./state.ts";
export { PAIRING_CAPABILITY } from "./joining.ts";

const SWEEP_MS = 60_000;

/** Pairing for one node. */
export function pairing(deps: PairingDependencies): Behaviour<PairingCommand, PairingState> {
  return {
    name: "pairing",
    mailbox: { capacity: 1_000, overflow: "reject" },
    init: (context) => start(context, deps),
    receive(context, state, command) {
      if (!state.loaded && needsInvites(command)) return postpone(context, state, command);
      receive(context, state, command, deps);
    },
    release(state) {
      state.stopServing();
      for (const one of state.pairings.values()) if (one.side === "joiner") one.cancel?.();
    },
  };
}

function start(context: PairingContext, deps: PairingDependencies): PairingState {
  context.subscribe(membershipChanged, (event) => ({ type: "membershipChanged", event }));
  context.subscribe(peerPresence, (event) => ({ type: "presenceChanged", event }));
  context.perform(
    () => deps.store.settings.entries(SETTINGS_PREFIX),
    (outcome) => ({ type: "invitesLoaded", outcome }),
  );
  context.startTimer("sweep", SWEEP_MS, { type: "sweepDue" });
  const serve = context.inlet((
    request: Parameters<Parameters<typeof deps.rendezvous.serve>[1]>[0],
  ) => ({
    type: "requestReceived" as const,
    request,
  }));
  return {
    stopServing: deps.rendezvous.serve("pair", serve),
    loaded: false,
    waiting: [],
    registry: null,
    mesh: null,
    invites: new Map(),
    runs: new Map(),
    pairings: new Map(),
    sightings: new Map(),
    replies: 0,
  };
}

function receive(
  context: PairingContext,
  state: PairingState,
  command: PairingCommand,
  deps: PairingDependencies,
): void {
  switch (command.type) {
    case "createInvite":
      return onCreateInvite(context, state, command, deps);
    case "meshFounded":
      if (command.outcome.type === "refused") return context.send(command.replyTo, command.outcome);
      state.mesh = command.outcome.value;
      return makeInvite(context, state, command, deps);
    case "cancelInvite":
      return onCancelInvite(context, state, command, deps);
    case "listInvites":
      sweep(context, state, deps);
      return context.send(command.replyTo, [...state.invites.values()].map(inviteView));
    case "acceptInvite":
      return onAcceptInvite(context, state, command, deps);
    case "confirmPairing":
      return onConfirm(context, state, command, deps);
    case "listPairings":
      return context.send(command.replyTo, [...state.pairings.values()].map(viewOf));
    case "requestReceived":
      return onRequest(context, state, command.request, deps);
    case "replyReceived":
      return onReply(context, state, command, deps);
    case "memberAdmitted":
      return onMemberAdmitted(context, state, command);
    case "meshJoined":
      return onMeshJoined(context, state, command, deps);
    case "addressKept":
      if (command.outcome.type === "refused") {
        context.log.write("warning", "the inviter's address is not kept", {
          reason: command.outcome.message,
        });
      }
      return;
    case "membershipChanged":
      state.registry = command.event.registry;
      if (state.registry !== null) state.mesh = state.registry.mesh;
      return;
    case "presenceChanged":
      return onPresence(state, command.event, deps);
    case "invitesLoaded":
      return onLoaded(context, state, command);
    case "invitesSaved":
      return onSaved(context, state, command, deps);
    case "retryDue": {
      const one = state.pairings.get(command.pairingId);
      if (one?.side === "joiner") onRetryDue(context, one, command.requestId, deps);
      return;
    }
    case "pollDue": {
      const one = state.pairings.get(command.pairingId);
      if (one?.side === "joiner") poll(context, one, deps);
      return;
    }
    case "pairingExpiryDue":
      return onExpired(context, state, command.pairingId);
    case "sweepDue":
      sweep(context, state, deps);
      return context.startTimer("sweep", SWEEP_MS, { type: "sweepDue" });
    default:
      command satisfies never;
  }
}

function needsInvites(command: PairingCommand): boolean {
  return command.type === "createInvite" || command.type === "cancelInvite" ||
    command.type === "listInvites" || command.type === "requestReceived";
}

function postpone(context: PairingContext, state: PairingState, command: PairingCommand): void {
  if (state.waiting.length < LIMITS.waiting) {
    state.waiting.push(command);
    return;
  }
  const busy = refused("busy", "The node is just starting. Try again in a moment.");
  switch (command.type) {
    case "createInvite":
      return context.send(command.replyTo, busy);
    case "cancelInvite":
      return context.send(command.replyTo, busy);
    case "listInvites":
      return context.send(command.replyTo, []);
    case "requestReceived":
      return command.request.refuse(busy.message);
  }
}

function onLoaded(
  context: PairingContext,
  state: PairingState,
  command: Extract<PairingCommand, { type: "invitesLoaded" }>,
): void {
  // Without its invites this actor cannot keep its promises: the supervisor tries again.
  if (!command.outcome.ok) {
    throw new Error("Cannot read invites from the store", { cause: command.outcome.error });
  }
  takeUpInvites(context, state, command.outcome.value);
  state.loaded = true;
  for (const waiting of state.waiting.splice(0)) context.send(context.self, waiting);
}

function onSaved(
  context: PairingContext,
  state: PairingState,
  command: Extract<PairingCommand, { type: "invitesSaved" }>,
  deps: PairingDependencies,
): void {
  const { outcome, then } = command;
  if (!outcome.ok) {
    context.log.write("error", "invites could not be stored", { error: outcome.error });
  }
  const failed = refused("unavailable", "The invite could not be stored: is the disk full?");
  switch (then.type) {
    case "nothing":
      return;
    case "showInvite":
      if (!outcome.ok) state.invites.delete(then.view.inviteId);
      return context.send(then.replyTo, outcome.ok ? done(then.view) : failed);
    case "confirmCancel":
      return context.send(then.replyTo, outcome.ok ? done(null) : failed);
    case "refuseGuess":
      return then.request.refuse(then.reason);
    case "acceptProof": {
      if (outcome.ok) return acceptProof(state, then, deps);
      const one = state.pairings.get(then.pairingId);
      if (one !== undefined) enterPhase(context, one, "failed", failed.message);
      return then.request.refuse("The other device cannot store the pairing.");
    }
  }
}

function onConfirm(
  context: PairingContext,
  state: PairingState,
  command: {
    readonly pairingId: string;
    readonly wordsMatch: boolean;
    readonly replyTo: Ref<Outcome<PairingView>>;
  },
  deps: PairingDependencies,
): void {
  const one = state.pairings.get(command.pairingId);
  if (one === undefined) {
    const message = `Cannot confirm pairing "${
      command.pairingId.slice(0, 32)
    }": there is none with this id`;
    return context.send(command.replyTo, refused("notFound", message));
  }
  if (one.phase !== "confirming") {
    // Said twice, for example because the first answer got lost.
    const same = command.wordsMatch &&
      (one.phase === "waitingForOther" || one.phase === "completed");
    const message =
      `Cannot confirm pairing "${one.pairingId}": it is ${one.phase}, expected confirming`;
    return context.send(command.replyTo, same ? done(viewOf(one)) : refused("invalid", message));
  }
  if (!command.wordsMatch) {
    if (one.side === "joiner") tell(context, one, { type: "reject" }, deps);
    enterPhase(context, one, "refused", "The words differ: somebody may be in between.");
    return context.send(command.replyTo, done(viewOf(one)));
  }
  one.confirmed = true;
  enterPhase(context, one, "waitingForOther");
  if (one.side === "joiner") poll(context, one, deps);
  else admitWhenBothConfirmed(context, state, one, deps);
  context.send(command.replyTo, done(viewOf(one)));
}

function onExpired(context: PairingContext, state: PairingState, pairingId: string): void {
  const one = state.pairings.get(pairingId);
  if (one === undefined || !isActive(one)) return;
  if (one.side === "joiner") {
    one.cancel?.();
    return enterPhase(context, one, "failed", "The pairing took too long. Ask for a new invite.");
  }
  // Admitted and everything handed over, only the last word got lost.
  if (one.pages !== null && one.pagesServed === one.pages.length) {
    return enterPhase(context, one, "completed");
  }
  const problem = one.pages === null
    ? "The pairing took too long. Make a new invite."
    : "The device was admitted but did not fetch the registry: invite it again.";
  enterPhase(context, one, "failed", problem);
}

function onPresence(state: PairingState, event: PeerPresence, deps: PairingDependencies): void {
  if (event.type === "gone") {
    state.sightings.delete(event.deviceId);
    return;
  }
  invariant(parseDeviceId(event.deviceId) !== undefined, "discovery names devices by their id");
  // Our own announcement comes back to us, and must not be tried.
  if (event.deviceId === deps.self) return;
  state.sightings.delete(event.deviceId);
  if (state.sightings.size >= LIMITS.sightings) {
    for (const oldest of state.sightings.keys()) {
      state.sightings.delete(oldest);
      break;
    }
  }
  state.sightings.set(event.deviceId, event.sighting);
}
