/** The joiner's side of pairing: finds the inviter, proves the secret, waits for both people, fetches the registry. */
import type { RendezvousReply } from "../../platform/transport.ts";
import type { Sighting } from "../../platform/discovery.ts";
import type { DeviceId, MeshId } from "../../protocols/ids.ts";
import {
  codeTicket,
  type InviteTicket,
  linkTicket,
  parseInvite,
} from "../../protocols/pairing/invite.ts";
import { continueJoining, startJoining } from "../../protocols/pairing/joiner.ts";
import type { InviterMessage, JoinerMessage } from "../../protocols/pairing/messages.ts";
import { blocksOf } from "../../protocols/pairing/pages.ts";
import { openAt, sealAt } from "../../protocols/pairing/transcript.ts";
import { decodeInviterMessage, decodeReply, encodeMessage } from "../../protocols/pairing/wire.ts";
import type { Outcome, PairingView } from "../handle.ts";
import type { Ref } from "../kernel/actor.ts";
import { fittingName } from "../../protocols/pairing/display_name.ts";
import { adopt } from "./adopting.ts";
import { replyOnce } from "../kernel/reply_once.ts";
import { done, refused } from "../outcomes.ts";
import {
  activePairings,
  addPairing,
  enterPhase,
  isActive,
  type JoinerPairing,
  LIMITS,
  NO_INVITE,
  type PairingContext,
  type PairingDependencies,
  type PairingState,
  viewOf,
} from "./state.ts";

/** What a device says in its announcement while it can be paired with. */
export const PAIRING_CAPABILITY = "pairing";

const ALREADY_MEMBER = refused(
  "alreadyMember",
  "Cannot join: this device belongs to a mesh already, and its log of blocks with it. " +
    "Invite the other device from here; or, when this device is alone in its mesh, leave it: submind pair asks about it.",
);

const NO_ANSWER = "No device answered";

type AcceptReply = Ref<Outcome<PairingView>>;

/** Starts pairing by a link or code: checks that this device is free to join and sends the first request. */
export function onAcceptInvite(
  context: PairingContext,
  state: PairingState,
  command: { readonly linkOrCode: string; readonly replyTo: AcceptReply },
  deps: PairingDependencies,
): void {
  const { replyTo } = command;
  if (activePairings(state) >= LIMITS.pairingsActive) {
    const message =
      `Cannot join: ${LIMITS.pairingsActive} pairings are under way; finish one first`;
    return context.send(replyTo, refused("busy", message));
  }
  const invite = parseInvite(command.linkOrCode);
  if (invite.type === "invalid") {
    return context.send(replyTo, refused("invalid", `Cannot join: ${invite.reason}`));
  }
  let ticket: InviteTicket;
  let inviter: DeviceId | null = null;
  let devices: string[][];
  if (invite.type === "link") {
    ticket = linkTicket(deps.crypto, invite.link.inviteId, invite.link.secret);
    inviter = invite.link.inviter;
    const sighted = state.sightings.get(inviter)?.addresses ?? [];
    devices = [[...new Set([...invite.link.addresses, ...sighted])].slice(0, 12)];
  } else {
    ticket = codeTicket(deps.crypto, invite.digits);
    devices = inviters(state);
  }
  if (devices.every((addresses) => addresses.length === 0)) {
    const message = invite.type === "link"
      ? "Cannot join: the link names no address; make the invite again while the device has a network"
      : "Cannot join: no device that can be paired with is in sight; check that both are in the same network, or use the link";
    return context.send(replyTo, refused("unavailable", message));
  }
  // Last, so that nobody is sent away from their mesh for an invite that could not be used anyway.
  if (state.mesh !== null) return context.send(replyTo, ALREADY_MEMBER);
  const pairing: JoinerPairing = {
    side: "joiner",
    pairingId: context.random.bytes(8).toHex(),
    phase: "connecting",
    problem: null,
    confirmed: false,
    ticket,
    inviter,
    devices,
    address: "",
    bestProblem: { rank: 0, problem: "" },
    machine: null,
    paired: null,
    requestId: 0,
    body: new Uint8Array(0),
    retriesLeft: 0,
    cancel: null,
    counter: 0,
    failures: 0,
    pagesExpected: 0,
    pages: [],
    joining: false,
  };
  addPairing(context, state, pairing);
  tryNextAddress(context, pairing, deps, "");
  context.send(replyTo, done(viewOf(pairing)));
}

/** Addresses of sighted devices that can be paired with, in an order that is the same for equal sightings. */
function inviters(state: PairingState): string[][] {
  const able = [...state.sightings.values()].filter((sighting: Sighting) =>
    sighting.capabilities.includes(PAIRING_CAPABILITY) && sighting.addresses.length > 0
  );
  able.sort((a, b) => a.deviceId < b.deviceId ? -1 : 1);
  return able.slice(0, LIMITS.devicesTried)
    .map((sighting) => sighting.addresses.slice(0, LIMITS.addressesTried));
}

/**
 * How much a refusal tells the person. A code is tried with every device in sight, and most of them know nothing of it: what the
 * one says that does must not be lost behind the others.
 */
function rankOf(problem: string): number {
  if (problem === "") return 0;
  return problem === NO_INVITE ? 2 : problem.startsWith(NO_ANSWER) ? 1 : 3;
}

/** A fresh handshake with the next address; the end when there is none left. */
function tryNextAddress(
  context: PairingContext,
  pairing: JoinerPairing,
  deps: PairingDependencies,
  problem: string,
): void {
  const rank = rankOf(problem);
  if (rank > pairing.bestProblem.rank) pairing.bestProblem = { rank, problem };
  while (pairing.devices[0]?.length === 0) pairing.devices.shift();
  const address = pairing.devices[0]?.shift();
  if (address === undefined) {
    return enterPhase(context, pairing, "failed", pairing.bestProblem.problem || `${NO_ANSWER}.`);
  }
  pairing.address = address;
  const step = startJoining({
    crypto: deps.crypto,
    random: context.random,
    signer: deps.signer,
    displayName: fittingName(deps.announcement().displayName),
    ticket: pairing.ticket,
    inviter: pairing.inviter,
  });
  pairing.machine = step.state;
  ask(context, pairing, step.request, deps);
}

/** Sends a request to the current address; an answer to an earlier one is ignored from here on. */
function ask(
  context: PairingContext,
  pairing: JoinerPairing,
  body: Uint8Array,
  deps: PairingDependencies,
): void {
  pairing.body = body;
  pairing.retriesLeft = LIMITS.retries;
  transmit(context, pairing, deps);
}

function transmit(
  context: PairingContext,
  pairing: JoinerPairing,
  deps: PairingDependencies,
): void {
  const { pairingId, address, body } = pairing;
  const requestId = ++pairing.requestId;
  pairing.cancel?.();
  const onReply = context.inlet((reply: RendezvousReply) => ({
    type: "replyReceived" as const,
    pairingId,
    requestId,
    reply,
  }));
  const timeoutMs = LIMITS.requestTimeoutMs;
  pairing.cancel = deps.rendezvous.request({ address, channel: "pair", body, timeoutMs }, onReply);
}

/** The same bytes once more: the other side recognises them. */
export function onRetryDue(
  context: PairingContext,
  pairing: JoinerPairing,
  requestId: number,
  deps: PairingDependencies,
): void {
  if (pairing.requestId === requestId && isActive(pairing)) transmit(context, pairing, deps);
}

/** What the other device answered. */
export function onReply(
  context: PairingContext,
  state: PairingState,
  command: {
    readonly pairingId: string;
    readonly requestId: number;
    readonly reply: RendezvousReply;
  },
  deps: PairingDependencies,
): void {
  const pairing = state.pairings.get(command.pairingId);
  if (pairing?.side !== "joiner" || pairing.requestId !== command.requestId) return;
  pairing.cancel = null;
  if (!isActive(pairing)) return;
  const { reply } = command;
  if (pairing.paired !== null) return onSealedReply(context, state, pairing, reply, deps);
  switch (reply.type) {
    case "failed":
      if (pairing.retriesLeft-- > 0) {
        const { pairingId, requestId } = pairing;
        const message = { type: "retryDue", pairingId, requestId } as const;
        return context.startTimer(`retry ${pairingId}`, LIMITS.retryMs, message);
      }
      return tryNextAddress(context, pairing, deps, `${NO_ANSWER}: ${reply.reason}`);
    case "refused":
      // Another address of the same device would say the same. The addresses in a link are older than what is at them now (and one
      // of a device without a network is our own loopback), so there each is asked.
      if (pairing.inviter === null || reply.reason !== NO_INVITE) pairing.devices.shift();
      return tryNextAddress(context, pairing, deps, reply.reason);
    case "reply":
      return onHandshakeReply(context, pairing, reply.body, deps);
  }
}

function onHandshakeReply(
  context: PairingContext,
  pairing: JoinerPairing,
  body: Uint8Array,
  deps: PairingDependencies,
): void {
  if (pairing.machine === null) return;
  const step = continueJoining(pairing.machine, body);
  switch (step.type) {
    case "send":
      pairing.machine = step.state;
      return ask(context, pairing, step.request, deps);
    case "failed":
      return tryNextAddress(context, pairing, deps, `The pairing failed: ${step.reason}.`);
    case "paired":
      pairing.machine = null;
      pairing.paired = step.paired;
      enterPhase(context, pairing, "confirming");
      return pollLater(context, pairing);
  }
}

/** Tells the inviter how things stand here and asks how they stand there. */
export function poll(
  context: PairingContext,
  pairing: JoinerPairing,
  deps: PairingDependencies,
): void {
  if (pairing.joining || !isActive(pairing)) return;
  if (pairing.pagesExpected > 0) {
    return tell(context, pairing, { type: "fetch", page: pairing.pages.length }, deps);
  }
  tell(context, pairing, { type: "poll", confirmed: pairing.confirmed }, deps);
}

/** Sends one sealed message under a new counter. */
export function tell(
  context: PairingContext,
  pairing: JoinerPairing,
  message: JoinerMessage,
  deps: PairingDependencies,
): void {
  if (pairing.paired === null) return;
  const { runId, session, keys } = pairing.paired;
  const counter = ++pairing.counter;
  const plaintext = encodeMessage(message);
  const sealed = sealAt(deps.crypto, { key: keys.joiner, session, counter, plaintext });
  ask(context, pairing, encodeMessage({ type: "sealed", session: runId, counter, sealed }), deps);
}

function pollLater(context: PairingContext, pairing: JoinerPairing): void {
  const { pairingId } = pairing;
  context.startTimer(`poll ${pairingId}`, LIMITS.pollMs, { type: "pollDue", pairingId });
}

function onSealedReply(
  context: PairingContext,
  state: PairingState,
  pairing: JoinerPairing,
  reply: RendezvousReply,
  deps: PairingDependencies,
): void {
  const message = reply.type === "reply" ? openReply(pairing, reply.body, deps) : undefined;
  if (message === undefined) {
    // Anybody on the way can make this happen: ask again, and give up after a while.
    if (++pairing.failures < LIMITS.pollFailures) return pollLater(context, pairing);
    return enterPhase(context, pairing, "failed", "The other device does not answer any more.");
  }
  pairing.failures = 0;
  switch (message.type) {
    case "waiting":
    case "goodbye":
      return pollLater(context, pairing);
    case "ended":
      return enterPhase(context, pairing, "refused", message.reason);
    case "admitted":
      if (!pairing.confirmed) {
        const problem = "The other device admitted this one before its person had confirmed.";
        return enterPhase(context, pairing, "failed", problem);
      }
      pairing.pagesExpected = message.pages;
      return poll(context, pairing, deps);
    case "page":
      return onPage(context, state, pairing, message, deps);
  }
}

function openReply(
  pairing: JoinerPairing,
  body: Uint8Array,
  deps: PairingDependencies,
): InviterMessage | undefined {
  const reply = decodeReply(body);
  if (pairing.paired === null || !reply.ok || reply.message.type !== "sealed") return undefined;
  const { counter, sealed } = reply.message;
  if (counter !== pairing.counter) return undefined;
  const { keys, session } = pairing.paired;
  const plaintext = openAt(deps.crypto, { key: keys.inviter, session, counter, sealed });
  const decoded = plaintext === undefined ? undefined : decodeInviterMessage(plaintext);
  return decoded?.ok ? decoded.message : undefined;
}

function onPage(
  context: PairingContext,
  state: PairingState,
  pairing: JoinerPairing,
  message: Extract<InviterMessage, { type: "page" }>,
  deps: PairingDependencies,
): void {
  if (pairing.pagesExpected === 0 || message.page !== pairing.pages.length || pairing.joining) {
    return pollLater(context, pairing);
  }
  pairing.pages.push(message.blocks);
  if (pairing.pages.length < pairing.pagesExpected) return poll(context, pairing, deps);
  const decoded = blocksOf(pairing.pages.flat(), deps.crypto);
  pairing.pages.length = 0;
  const mesh = pairing.paired?.remote.mesh;
  if (!decoded.ok || mesh === undefined || decoded.blocks[0]?.id !== mesh) {
    const problem = "The other device handed over a registry that is not that of its mesh.";
    return enterPhase(context, pairing, "failed", problem);
  }
  pairing.joining = true;
  adopt(context, state, pairing.pairingId, { mesh, blocks: decoded.blocks }, deps);
}

/** The members actor has adopted the mesh, or refused its registry. */
export function onMeshJoined(
  context: PairingContext,
  state: PairingState,
  command: { readonly pairingId: string; readonly outcome: Outcome<MeshId> },
  deps: PairingDependencies,
): void {
  const pairing = state.pairings.get(command.pairingId);
  if (pairing?.side !== "joiner" || !isActive(pairing)) return;
  if (command.outcome.type === "refused") {
    return enterPhase(context, pairing, "failed", command.outcome.message);
  }
  state.mesh = command.outcome.value;
  keepAddress(context, state, pairing.address, deps);
  // Said once, for the other person's screen: if it gets lost, their device sees us in the mesh all the same.
  tell(context, pairing, { type: "joined" }, deps);
  enterPhase(context, pairing, "completed");
}

/** Where the inviter was found, it is looked for again: without multicast nobody else would tell. */
function keepAddress(
  context: PairingContext,
  state: PairingState,
  address: string,
  deps: PairingDependencies,
): void {
  const replyTo = context.spawn(
    `reply-${++state.replies}`,
    replyOnce(context.self, (outcome: Outcome<null>) => ({
      type: "addressKept" as const,
      outcome,
    })),
    { restart: "temporary" },
  );
  context.send(deps.sessions, { type: "addStaticPeer", address, replyTo });
}
