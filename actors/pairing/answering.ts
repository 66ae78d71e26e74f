/** The inviter's side of pairing: what strangers ask, what they get, and the admission once both people have confirmed. */
import type { RendezvousRequest } from "../../platform/transport.ts";
import { invariant } from "../../platform/invariant.ts";
import type { Block } from "../../protocols/blocks/block.ts";
import { shortId } from "../../protocols/ids.ts";
import { continueInviting, welcomeJoiner } from "../../protocols/pairing/inviter.ts";
import type {
  InviterMessage,
  JoinerMessage,
  PairingRequest,
} from "../../protocols/pairing/messages.ts";
import { pagesOf } from "../../protocols/pairing/pages.ts";
import { openAt, sealAt } from "../../protocols/pairing/transcript.ts";
import { decodeJoinerMessage, decodeRequest, encodeMessage } from "../../protocols/pairing/wire.ts";
import type { Outcome } from "../handle.ts";
import { burn, close, findOpen, save, sweep } from "./invites.ts";
import { fittingName } from "../../protocols/pairing/display_name.ts";
import { replyOnce } from "../kernel/reply_once.ts";
import {
  activePairings,
  addPairing,
  enterPhase,
  type Invite,
  type InviterPairing,
  isActive,
  LIMITS,
  NO_INVITE,
  type PairingContext,
  type PairingDependencies,
  type PairingState,
} from "./state.ts";

type RequestOf<Type extends PairingRequest["type"]> = Extract<PairingRequest, { type: Type }>;

const BUSY = "Too many attempts. Wait half a minute and try again.";

/** Answers a stranger. */
export function onRequest(
  context: PairingContext,
  state: PairingState,
  request: RendezvousRequest,
  deps: PairingDependencies,
): void {
  const decoded = decodeRequest(request.body);
  if (!decoded.ok) return request.refuse("This is no pairing request of version 1.");
  switch (decoded.message.type) {
    case "hello":
      return onHello(context, state, request, decoded.message, deps);
    case "share":
    case "proof":
      return onHandshake(context, state, request, decoded.message, deps);
    case "sealed":
      return onSealed(context, state, request, decoded.message, deps);
  }
}

function onHello(
  context: PairingContext,
  state: PairingState,
  request: RendezvousRequest,
  hello: RequestOf<"hello">,
  deps: PairingDependencies,
): void {
  sweep(context, state, deps);
  const runs = [...state.runs.values()];
  const fromHere = runs.filter((run) => run.from === request.from).length;
  if (
    runs.length >= LIMITS.runs || fromHere >= LIMITS.runsPerSource ||
    activePairings(state) >= LIMITS.pairingsActive
  ) return request.refuse(BUSY);
  const selector = hello.selector.toHex();
  const invite = findOpen(
    context,
    state,
    (one) =>
      hello.kind === "link"
        ? one.inviteId === selector
        : Uint8Array.of(one.hint).toHex() === selector,
  );
  const mesh = state.registry?.mesh ?? state.mesh;
  const password = hello.kind === "link" ? invite?.linkPassword : invite?.codePassword;
  if (invite === undefined || mesh === null || !password) return request.refuse(NO_INVITE);
  const step = welcomeJoiner({
    crypto: deps.crypto,
    random: context.random,
    signer: deps.signer,
    displayName: fittingName(deps.announcement().displayName),
    mesh,
    role: invite.role,
    ticket: { kind: hello.kind, selector: hello.selector, password },
  }, hello);
  state.runs.set(step.state.runId.toHex(), {
    inviteId: invite.inviteId,
    kind: hello.kind,
    from: request.from,
    startedMs: context.monotonicMs(),
    machine: step.state,
    last: null,
  });
  request.reply(step.reply);
}

function onHandshake(
  context: PairingContext,
  state: PairingState,
  request: RendezvousRequest,
  message: RequestOf<"share"> | RequestOf<"proof">,
  deps: PairingDependencies,
): void {
  const runId = message.session.toHex();
  const run = state.runs.get(runId);
  const name = deps.crypto.sha256(request.body).toHex();
  if (run?.last?.request === name) return request.reply(run.last.reply);
  const invite = run === undefined
    ? undefined
    : findOpen(context, state, (one) => one.inviteId === run.inviteId);
  const late = run !== undefined && context.monotonicMs() - run.startedMs > LIMITS.runMs;
  if (run === undefined || run.machine === null || invite === undefined || late) {
    return request.refuse(NO_INVITE);
  }
  const step = continueInviting(run.machine, message);
  switch (step.type) {
    case "reply":
      run.machine = step.state;
      run.last = { request: name, reply: step.reply };
      return request.reply(step.reply);
    case "failed":
      run.machine = null;
      return request.refuse(`The handshake failed: ${step.reason}.`);
    case "wrongSecret": {
      run.machine = null;
      // Nobody guesses 128 bits: a wrong link is damaged, and burning it would only help vandals.
      if (run.kind === "link") return request.refuse("The link does not fit this invite.");
      const reason = "The code is wrong. This invite is burned: ask for a new one.";
      const burned = burn(context, state, invite, request.from);
      return save(context, [burned], { type: "refuseGuess", request, reason }, deps);
    }
    case "paired": {
      const pairingId = context.random.bytes(8).toHex();
      const used = close(context, state, invite, "used");
      addPairing(context, state, newPairing(pairingId, runId, invite, step.paired));
      save(context, [used], { type: "acceptProof", request, reply: step.reply, pairingId }, deps);
    }
  }
}

/** The used invite is durable: now the joiner may know, and hears the same when it asks again. */
export function acceptProof(
  state: PairingState,
  accepted: {
    readonly request: RendezvousRequest;
    readonly reply: Uint8Array;
    readonly pairingId: string;
  },
  deps: PairingDependencies,
): void {
  const { request, reply, pairingId } = accepted;
  const pairing = state.pairings.get(pairingId);
  const run = pairing?.side === "inviter" ? state.runs.get(pairing.runId) : undefined;
  if (run !== undefined) run.last = { request: deps.crypto.sha256(request.body).toHex(), reply };
  request.reply(reply);
}

function newPairing(
  pairingId: string,
  runId: string,
  invite: Invite,
  paired: InviterPairing["paired"],
): InviterPairing {
  return {
    side: "inviter",
    pairingId,
    runId,
    phase: "confirming",
    problem: null,
    confirmed: false,
    role: invite.role,
    proposedName: invite.displayName,
    paired,
    remoteConfirmed: false,
    admitting: false,
    pages: null,
    pagesServed: 0,
    counter: 0,
    last: null,
  };
}

function onSealed(
  context: PairingContext,
  state: PairingState,
  request: RendezvousRequest,
  message: RequestOf<"sealed">,
  deps: PairingDependencies,
): void {
  const runId = message.session.toHex();
  const pairing = [...state.pairings.values()].find((one): one is InviterPairing =>
    one.side === "inviter" && one.runId === runId
  );
  if (pairing === undefined) return request.refuse("This pairing is unknown or long over.");
  const name = deps.crypto.sha256(request.body).toHex();
  if (pairing.last?.request === name) return request.reply(pairing.last.reply);
  const { keys, session } = pairing.paired;
  const { counter, sealed } = message;
  const plaintext = counter > pairing.counter
    ? openAt(deps.crypto, { key: keys.joiner, session, counter, sealed })
    : undefined;
  if (plaintext === undefined) return request.refuse("The message is damaged or was sent before.");
  const decoded = decodeJoinerMessage(plaintext);
  if (!decoded.ok) return request.refuse("The message is unreadable.");
  pairing.counter = counter;
  const answer = onJoinerMessage(context, state, pairing, decoded.message, deps);
  const reply = encodeMessage({
    type: "sealed",
    counter,
    sealed: sealAt(deps.crypto, {
      key: keys.inviter,
      session,
      counter,
      plaintext: encodeMessage(answer),
    }),
  });
  pairing.last = { request: name, reply };
  request.reply(reply);
}

function onJoinerMessage(
  context: PairingContext,
  state: PairingState,
  pairing: InviterPairing,
  message: JoinerMessage,
  deps: PairingDependencies,
): InviterMessage {
  switch (message.type) {
    case "poll":
      if (message.confirmed && isActive(pairing)) {
        pairing.remoteConfirmed = true;
        admitWhenBothConfirmed(context, state, pairing, deps);
      }
      return standing(pairing);
    case "reject":
      if (pairing.phase === "confirming" || pairing.phase === "waitingForOther") {
        // What is admitted is admitted: then only an owner can undo it.
        if (!pairing.admitting) {
          enterPhase(context, pairing, "refused", "The other person says that the words differ.");
        }
      }
      return { type: "goodbye" };
    case "fetch": {
      const blocks = pairing.pages?.[message.page];
      if (blocks === undefined) return standing(pairing);
      pairing.pagesServed = Math.max(pairing.pagesServed, message.page + 1);
      return { type: "page", page: message.page, blocks };
    }
    case "joined":
      if (pairing.pages !== null && isActive(pairing)) enterPhase(context, pairing, "completed");
      return { type: "goodbye" };
  }
}

function standing(pairing: InviterPairing): InviterMessage {
  if (pairing.phase === "refused" || pairing.phase === "failed") {
    return { type: "ended", reason: (pairing.problem ?? "The pairing has ended.").slice(0, 150) };
  }
  if (pairing.pages !== null) return { type: "admitted", pages: pairing.pages.length };
  return { type: "waiting" };
}

/** Sends the admission once; nothing is told to the joiner before it is stored. */
export function admitWhenBothConfirmed(
  context: PairingContext,
  state: PairingState,
  pairing: InviterPairing,
  deps: PairingDependencies,
): void {
  if (!pairing.confirmed || !pairing.remoteConfirmed || pairing.admitting) return;
  pairing.admitting = true;
  const { pairingId, paired } = pairing;
  const reply = context.spawn(
    `reply-${++state.replies}`,
    replyOnce(context.self, (outcome: Outcome<readonly Block[]>) => ({
      type: "memberAdmitted" as const,
      pairingId,
      outcome,
    })),
    { restart: "temporary" },
  );
  const name = paired.remote.displayName.trim() || pairing.proposedName ||
    shortId(paired.remote.deviceId);
  context.send(deps.members, {
    type: "admit",
    deviceId: paired.remote.deviceId,
    displayName: name,
    role: pairing.role,
    replyTo: reply,
  });
}

/** The members actor has stored the admission, or refused it. */
export function onMemberAdmitted(
  context: PairingContext,
  state: PairingState,
  command: { readonly pairingId: string; readonly outcome: Outcome<readonly Block[]> },
): void {
  const pairing = state.pairings.get(command.pairingId);
  if (pairing === undefined || !isActive(pairing)) return;
  invariant(pairing.side === "inviter", "only an inviter admits");
  if (command.outcome.type === "refused") {
    return enterPhase(context, pairing, "failed", command.outcome.message);
  }
  const pages = pagesOf(command.outcome.value);
  if (pages === undefined) {
    return enterPhase(context, pairing, "failed", "The registry is too large for a pairing.");
  }
  pairing.pages = pages;
}
