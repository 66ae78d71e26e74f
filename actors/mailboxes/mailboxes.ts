/**
 * Messages between devices: own ones out and in, others' kept for them.
 *
 * Invariants:
 * - Nothing leaves this device that is not durable here; nothing is acknowledged that is not durable here.
 * - One step at a time: no state of a group is used twice, no number of a parcel is given twice.
 * - A message is shown once, whatever way and however often it came.
 * - Whatever waits is bounded: per peer, per sender, in total.
 */
import type { KeptMessage } from "../../platform/broker.ts";
import { brokerTagOf, mailSubject } from "../../protocols/bridge/subjects.ts";
import type { DeviceId, MeshId } from "../../protocols/ids.ts";
import type { MailboxMessage } from "../../protocols/mailbox/messages.ts";
import { isAdmitted } from "../../protocols/registry/registry.ts";
import type { Behaviour } from "../kernel/actor.ts";
import { membershipChanged } from "../members/commands.ts";
import { type PeerSessionEvent, peerSessions } from "../sessions/commands.ts";
import { blocksCommitted } from "../storage/commands.ts";
import type { MailboxesCommand } from "./commands.ts";
import {
  answered,
  forgetInFlight,
  holdBack,
  onParcelsRead,
  onRefused,
  pump,
  tendDeliveries,
} from "./delivering.ts";
import { onKeysPublished, onOwnKeysMade, publishKeys } from "./keys.ts";
import { loadMail, type PublishedKeys, publishedKeys } from "./load.ts";
import {
  addCarried,
  addOutgoing,
  emptyState,
  type MailboxesDependencies,
  type MailboxesState,
  type MailContext,
  peerOf,
} from "./state.ts";
import { addJob, onStepDone, startStep } from "./stepping.ts";

const LOAD_RETRY_MS = 1_000;
/** How often it is looked whether something is due while nothing happens, ms. */
const TEND_IDLE_MS = 30_000;
/** How often groups are looked at for keys that are too old, ms. */
const RENEW_EVERY_MS = 10 * 60_000;

type Of<Type extends MailboxesCommand["type"]> = Extract<MailboxesCommand, { type: Type }>;

/** The mailboxes actor. */
export function mailboxes(
  deps: MailboxesDependencies,
): Behaviour<MailboxesCommand, MailboxesState> {
  return {
    name: "mailboxes",
    init: (context) => start(context, deps),
    receive(context, state, command) {
      switch (command.type) {
        case "sendMessage": {
          const { message, idempotencyKey, replyTo } = command;
          const job = { type: "send", message, idempotencyKey, replyTo } as const;
          return request(context, state, deps, job);
        }
        case "markRead":
          return request(context, state, deps, command);
        case "changeConversation":
          return request(context, state, deps, { ...command, type: "change" });
        case "getMailStatus":
          return onGetStatus(context, deps, command);
        case "statusRead":
          return onStatusRead(context, state, deps, command);
        case "peerMessage":
          return onPeerMessage(context, state, deps, command.from, command.message);
        case "sessionChanged":
          return onSessionChanged(context, state, deps, command.event);
        case "membershipChanged":
          return onMembershipChanged(context, state, deps, command);
        case "blocksCommitted":
          for (const { block } of command.event.blocks) {
            for (const found of publishedKeys(block)) onKeys(context, state, deps, found);
          }
          return;
        case "loaded":
          return onLoaded(context, state, deps, command);
        case "loadDue":
          return load(context, deps);
        case "stepDone":
          return onStepDone(context, state, deps, command.outcome);
        case "patienceOver":
          state.patience = "over";
          return startStep(context, state, deps);
        case "stepDue":
          state.diskRetried = true;
          return startStep(context, state, deps);
        case "tendDue":
          return onTendDue(context, state, deps);
        case "parcelsRead":
          return onParcelsRead(context, state, deps, command);
        case "ownKeysMade":
          return onOwnKeysMade(context, state, command, deps);
        case "keysPublished":
          return onKeysPublished(context, state, command);
        case "mailCollected":
          return onMailCollected(context, state, deps, command.kept);
        case "brokerKept":
          return onBrokerKept(context, state, deps, command);
        default:
          command satisfies never;
      }
    },
    release(state) {
      state.stopCollecting?.();
    },
  };
}

function start(context: MailContext, deps: MailboxesDependencies): MailboxesState {
  context.subscribe(peerSessions, (event) => ({ type: "sessionChanged", event }));
  context.subscribe(membershipChanged, (event) => ({ type: "membershipChanged", event }));
  context.subscribe(blocksCommitted, (event) => ({ type: "blocksCommitted", event }));
  context.send(deps.sessions, { type: "repeatPeerSessions" });
  load(context, deps);
  context.startTimer("tend", deps.limits.tendMs, { type: "tendDue" });
  return emptyState();
}

function load(context: MailContext, deps: MailboxesDependencies): void {
  context.perform(() => loadMail(deps), (outcome) => ({ type: "loaded", outcome }));
}

function onLoaded(
  context: MailContext,
  state: MailboxesState,
  deps: MailboxesDependencies,
  { outcome }: Of<"loaded">,
): void {
  if (!outcome.ok) {
    context.log.write("warning", "Cannot read mail", { error: String(outcome.error) });
    return context.startTimer("load", LOAD_RETRY_MS, { type: "loadDue" });
  }
  const { outgoing, carried, keys, restored } = outcome.value;
  for (const parcel of outgoing) addOutgoing(state, parcel, context.monotonicMs());
  for (const parcel of carried) addCarried(state, parcel);
  state.phase = "open";
  for (const found of keys) onKeys(context, state, deps, found, { quietly: true });
  if (restored) state.jobs.push({ type: "restored" });
  if (state.registry !== null) state.jobs.push({ type: "membership" });
  startStep(context, state, deps);
  publishKeys(context, state, deps);
  for (const device of state.peers.keys()) pump(context, state, deps, device);
}

/** A user waits for the answer. */
function request(
  context: MailContext,
  state: MailboxesState,
  deps: MailboxesDependencies,
  job: Extract<Parameters<typeof addJob>[3], { type: "send" | "markRead" | "change" }>,
): void {
  if (addJob(context, state, deps, job)) return;
  context.send<never>(job.replyTo, {
    type: "refused",
    reason: "busy",
    message: `Cannot work on mail: ${state.jobs.length} requests wait already; try again`,
  } as never);
}

function onPeerMessage(
  context: MailContext,
  state: MailboxesState,
  deps: MailboxesDependencies,
  from: DeviceId,
  message: MailboxMessage,
): void {
  const peer = peerOf(state, from, context.monotonicMs());
  switch (message.type) {
    case "deposit": {
      const { parcels } = message;
      const bytes = parcels.reduce((sum, parcel) => sum + parcel.length, 0);
      const { jobsPerPeerMax, jobBytesPerPeerMax } = deps.limits;
      // Whoever keeps to its window never has that many; what is dropped here is handed over again.
      if (peer.jobs >= jobsPerPeerMax || peer.jobBytes + bytes > jobBytesPerPeerMax) {
        const reason = `more than ${peer.jobs} deposits without waiting for answers`;
        return context.send(deps.sessions, { type: "strike", deviceId: from, reason });
      }
      const number = state.nextDeposit++;
      const job = { type: "deposit", deposit: { deposit: number, from, parcels } } as const;
      if (!addJob(context, state, deps, job)) return;
      state.depositors.set(number, { type: "peer", deviceId: from });
      peer.jobs++;
      peer.jobBytes += bytes;
      return;
    }
    case "taken": {
      const ids = message.ids.filter((id) => {
        const flight = answered(peer, id);
        if (flight?.role === "copy") state.outgoing.get(id)?.copies.set(from, "kept");
        else if (flight !== undefined) holdBack(state, deps, id, context.monotonicMs());
        return flight !== undefined;
      });
      if (ids.length > 0) addJob(context, state, deps, { type: "taken", from, ids });
      return pump(context, state, deps, from);
    }
    case "refused": {
      const { id, reason } = message;
      context.log.write("info", "parcel refused", { by: from, id, reason });
      if (onRefused(context, state, from, id, reason)) {
        addJob(context, state, deps, { type: "givenUp", id, reason });
      }
      return pump(context, state, deps, from);
    }
    case "discard": {
      // Others' ids cost nothing. While deposits of it wait for their turn, one of them may be meant.
      const ids = message.ids.filter((id) => {
        const carried = state.carried.get(id);
        return carried === undefined
          ? peer.jobs > 0
          : carried.sender === from || carried.recipient === from;
      });
      if (ids.length > 0) addJob(context, state, deps, { type: "discard", from, ids });
      return;
    }
    default:
      message satisfies never;
  }
}

function onSessionChanged(
  context: MailContext,
  state: MailboxesState,
  deps: MailboxesDependencies,
  event: PeerSessionEvent,
): void {
  const nowMs = context.monotonicMs();
  const peer = peerOf(state, event.deviceId, nowMs);
  if (event.type === "down") {
    peer.up = false;
    peer.downSinceMs = nowMs;
    return;
  }
  peer.up = true;
  peer.connectTries = 0;
  if (!event.resumed) forgetInFlight(peer);
  pump(context, state, deps, event.deviceId);
}

function onMembershipChanged(
  context: MailContext,
  state: MailboxesState,
  deps: MailboxesDependencies,
  { event }: Of<"membershipChanged">,
): void {
  const before = state.registry;
  state.registry = event.registry;
  const isFirst = !state.membershipTold;
  state.membershipTold = true;
  if (isFirst) startStep(context, state, deps);
  if (event.registry === null) return;
  for (const device of state.peers.keys()) {
    if (!isAdmitted(event.registry, device)) state.peers.delete(device);
  }
  if (state.phase === "open") {
    const changed = [...event.registry.members].some(([device, { revoked, incarnation }]) => {
      const was = before?.members.get(device);
      return was?.revoked !== revoked || was.incarnation !== incarnation;
    });
    const waits = state.jobs.some(({ type }) => type === "membership");
    if ((changed || isFirst) && !waits) addJob(context, state, deps, { type: "membership" });
  }
  if (before?.mesh !== event.registry.mesh) collect(context, state, deps, event.registry.mesh);
  publishKeys(context, state, deps);
}

function collect(
  context: MailContext,
  state: MailboxesState,
  deps: MailboxesDependencies,
  mesh: MeshId,
): void {
  state.stopCollecting?.();
  state.stopCollecting = null;
  if (deps.broker === undefined) return;
  const come = context.inlet((kept: KeptMessage): MailboxesCommand => ({
    type: "mailCollected",
    kept,
  }));
  const subject = mailSubject(brokerTagOf(deps.crypto, mesh), deps.self);
  state.stopCollecting = deps.broker.collect({ subject, name: deps.self }, come);
}

/** The newest keys of a device count. */
function onKeys(
  context: MailContext,
  state: MailboxesState,
  deps: MailboxesDependencies,
  { device, sequence, keys }: PublishedKeys,
  options: { readonly quietly?: boolean } = {},
): void {
  if (sequence <= (state.keySequences.get(device) ?? 0)) return;
  state.keySequences.set(device, sequence);
  state.keys.set(device, keys);
  if (device === deps.self || state.phase !== "open" || options.quietly) return;
  const waiting = state.jobs.find((job) => job.type === "keys");
  if (waiting !== undefined) waiting.devices.push(device);
  else addJob(context, state, deps, { type: "keys", devices: [device] }, { first: true });
}

function onTendDue(
  context: MailContext,
  state: MailboxesState,
  deps: MailboxesDependencies,
): void {
  context.startTimer("tend", deps.limits.tendMs, { type: "tendDue" });
  if (state.phase !== "open") return;
  const nowMs = context.monotonicMs();
  const due = state.busy || state.outgoing.size > 0 || nowMs >= state.tendAtMs;
  if (due && !state.jobs.some(({ type }) => type === "tend")) {
    state.tendAtMs = nowMs + TEND_IDLE_MS;
    const left = state.registry === null
      ? []
      : [...state.byRecipient.keys()].filter((device) => !isAdmitted(state.registry, device));
    addJob(context, state, deps, { type: "tend", left });
    state.busy = false;
  }
  if (nowMs >= state.renewAtMs) {
    state.renewAtMs = nowMs + RENEW_EVERY_MS;
    addJob(context, state, deps, { type: "renew" });
  }
  tendDeliveries(context, state, deps);
  publishKeys(context, state, deps);
}

function onMailCollected(
  context: MailContext,
  state: MailboxesState,
  deps: MailboxesDependencies,
  kept: KeptMessage,
): void {
  const number = state.nextDeposit++;
  const job = {
    type: "deposit",
    deposit: { deposit: number, from: null, parcels: [kept.bytes] },
  } as const;
  if (addJob(context, state, deps, job)) {
    state.depositors.set(number, { type: "broker", kept });
  }
}

function onBrokerKept(
  context: MailContext,
  state: MailboxesState,
  deps: MailboxesDependencies,
  { id, outcome }: Of<"brokerKept">,
): void {
  const entry = state.outgoing.get(id);
  if (entry === undefined) return;
  if (outcome.type === "kept") {
    entry.copies.set("broker", "kept");
    addJob(context, state, deps, { type: "taken", from: "broker", ids: [id] });
  } else if (outcome.type === "refused") entry.copies.set("broker", "refused");
  else entry.copies.delete("broker");
}

function onGetStatus(
  context: MailContext,
  deps: MailboxesDependencies,
  { replyTo }: Of<"getMailStatus">,
): void {
  const { mail } = deps.store;
  context.perform(async () => {
    const [waiting, unread] = await Promise.all([
      mail.totals("waiting"),
      mail.totals("messages", { read: 0 }),
    ]);
    return { waiting: waiting.rows, unread: unread.rows };
  }, (outcome) => ({ type: "statusRead", replyTo, outcome }));
}

function onStatusRead(
  context: MailContext,
  state: MailboxesState,
  deps: MailboxesDependencies,
  { replyTo, outcome }: Of<"statusRead">,
): void {
  context.send(replyTo, {
    queued: state.outgoing.size,
    queuedBytes: state.outgoingBytes,
    carried: state.carried.size,
    carriedBytes: state.carriedBytes,
    carriedBytesMax: deps.limits.carriedBytesMax,
    waiting: outcome.ok ? outcome.value.waiting : 0,
    unread: outcome.ok ? outcome.value.unread : 0,
  });
}
