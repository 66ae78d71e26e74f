/**
 * Handing parcels over: to their recipient while a session is up, else to carriers and the broker. What was handed over and not answered is
 * bounded for each peer, so one that does not read costs no more than its window.
 */
import { brokerTagOf, mailSubject } from "../../protocols/bridge/subjects.ts";
import type { DeviceId } from "../../protocols/ids.ts";
import {
  DEPOSIT_BYTES_MAX,
  DEPOSIT_PARCELS_MAX,
  IDS_MAX,
  type MailboxMessage,
  type RefusalReason,
} from "../../protocols/mailbox/messages.ts";
import type { ParcelId } from "../../protocols/mailbox/parcel.ts";
import { encodeMailboxMessage } from "../../protocols/mailbox/wire.ts";
import { isAdmitted, may } from "../../protocols/registry/registry.ts";
import type { MailboxesCommand, ReadParcel } from "./commands.ts";
import { retryMs } from "./limits.ts";
import {
  type InFlight,
  type MailboxesDependencies,
  type MailboxesState,
  type MailContext,
  type Peer,
  peerOf,
} from "./state.ts";

/** First wait after a refusal, ms; doubles. */
const REFUSED_MS = 15_000;
/** A parcel that its recipient has called invalid this often never arrives. */
const REFUSALS_MAX = 8;
/** A carrier that does not want our parcels is left alone this long, ms. */
const UNWILLING_MS = 10 * 60_000;
const CONNECT_FIRST_MS = 5_000;
const CONNECT_MAX_MS = 5 * 60_000;
/** Parcels handed to the broker and not answered, at most. */
const BROKER_WINDOW = 32;

/** Gives a peer that is up whatever waits for it, oldest first, as far as its window goes. */
export function pump(
  context: MailContext,
  state: MailboxesState,
  deps: MailboxesDependencies,
  device: DeviceId,
): void {
  const nowMs = context.monotonicMs();
  const peer = peerOf(state, device, nowMs);
  if (!peer.up || state.phase !== "open") return;
  const chosen: ReadParcel[] = [];
  const lists = [
    ["own", state.byRecipient.get(device)],
    ["carried", state.carriedByRecipient.get(device)],
  ] as const;
  for (const [role, list] of lists) {
    for (const entry of list?.values() ?? []) {
      if (peer.inFlight.has(entry.id) || entry.retryAtMs > nowMs) continue;
      if (!hasRoom(peer, entry.bytes, deps)) break;
      noteInFlight(peer, entry.id, { bytes: entry.bytes, sentAtMs: nowMs, role });
      chosen.push({ id: entry.id, parcel: "parcel" in entry ? entry.parcel : null });
      // It is read again should it have to be sent again.
      if ("parcel" in entry) entry.parcel = null;
    }
  }
  handOver(context, deps, device, chosen);
}

function hasRoom(peer: Peer, bytes: number, { limits }: MailboxesDependencies): boolean {
  if (peer.inFlight.size === 0) return true;
  return peer.inFlight.size < limits.windowParcels &&
    peer.inFlightBytes + bytes <= limits.windowBytes;
}

function noteInFlight(peer: Peer, id: ParcelId, entry: InFlight): void {
  peer.inFlight.set(id, entry);
  peer.inFlightBytes += entry.bytes;
}

/** Takes a parcel out of what a peer has not answered. */
export function answered(peer: Peer | undefined, id: ParcelId): InFlight | undefined {
  const entry = peer?.inFlight.get(id);
  if (peer === undefined || entry === undefined) return undefined;
  peer.inFlight.delete(id);
  peer.inFlightBytes -= entry.bytes;
  return entry;
}

/** A peer has taken a parcel, which is not durable here yet: meanwhile it must not be given to it again. */
export function holdBack(
  state: MailboxesState,
  { limits }: MailboxesDependencies,
  id: ParcelId,
  nowMs: number,
): void {
  const entry = state.outgoing.get(id) ?? state.carried.get(id);
  if (entry !== undefined) entry.retryAtMs = nowMs + limits.answerMs;
}

/** Everything that a peer has not answered may never have reached it. */
export function forgetInFlight(peer: Peer): void {
  peer.inFlight.clear();
  peer.inFlightBytes = 0;
}

/** Sends at once what is at hand, else reads it first; never one before another that was chosen before it. */
function handOver(
  context: MailContext,
  deps: MailboxesDependencies,
  to: DeviceId | "broker",
  chosen: readonly ReadParcel[],
): void {
  if (chosen.length === 0) return;
  if (to !== "broker" && chosen.every(({ parcel }) => parcel !== null)) {
    return deposit(context, deps, to, chosen);
  }
  const { mail } = deps.store;
  context.perform(
    () =>
      Promise.all(chosen.map(async ({ id, parcel }): Promise<ReadParcel> => {
        if (parcel !== null) return { id, parcel };
        const row = await mail.get("outgoing", { id }) ?? await mail.get("carried", { id });
        return { id, parcel: row?.parcel ?? null };
      })),
    (outcome): MailboxesCommand => ({ type: "parcelsRead", to, outcome }),
  );
}

export function onParcelsRead(
  context: MailContext,
  state: MailboxesState,
  deps: MailboxesDependencies,
  command: Extract<MailboxesCommand, { type: "parcelsRead" }>,
): void {
  const { to, outcome } = command;
  if (!outcome.ok) {
    // Time brings them back: what is not answered is handed over again.
    return context.log.write("warning", "Cannot read parcels", { error: String(outcome.error) });
  }
  if (to === "broker") return keepAtBroker(context, state, deps, outcome.value);
  const peer = state.peers.get(to);
  for (const { id, parcel } of outcome.value) if (parcel === null) answered(peer, id);
  if (peer?.up) deposit(context, deps, to, outcome.value);
}

function deposit(
  context: MailContext,
  deps: MailboxesDependencies,
  to: DeviceId,
  read: readonly ReadParcel[],
): void {
  let parcels: Uint8Array[] = [];
  let bytes = 0;
  const flush = () => {
    if (parcels.length > 0) sendTo(context, deps, to, { type: "deposit", parcels });
    parcels = [];
    bytes = 0;
  };
  for (const { parcel } of read) {
    if (parcel === null) continue;
    const full = parcels.length >= DEPOSIT_PARCELS_MAX || bytes + parcel.length > DEPOSIT_BYTES_MAX;
    if (full) flush();
    parcels.push(parcel);
    bytes += parcel.length;
  }
  flush();
}

/** Sends one message of the protocol to a peer. */
export function sendTo(
  context: MailContext,
  deps: MailboxesDependencies,
  to: DeviceId,
  message: MailboxMessage,
): void {
  const body = encodeMailboxMessage(message);
  context.send(deps.sessions, { type: "sendToPeer", to, protocol: "mailbox", body });
}

/** Sends ids in as many messages as they need. */
export function sendIds(
  context: MailContext,
  deps: MailboxesDependencies,
  to: DeviceId,
  message: { readonly type: "taken" | "discard"; readonly ids: readonly ParcelId[] },
): void {
  for (let from = 0; from < message.ids.length; from += IDS_MAX) {
    const ids = message.ids.slice(from, from + IDS_MAX);
    sendTo(context, deps, to, { type: message.type, ids });
  }
}

/** A peer has refused a parcel. Returns true when that is final. */
export function onRefused(
  context: MailContext,
  state: MailboxesState,
  from: DeviceId,
  id: ParcelId,
  reason: RefusalReason,
): boolean {
  const nowMs = context.monotonicMs();
  const peer = state.peers.get(from);
  const flight = answered(peer, id);
  if (peer === undefined || flight === undefined) return false;
  if (flight.role === "copy") {
    state.outgoing.get(id)?.copies.set(from, "refused");
    if (reason !== "expired" && reason !== "invalid") {
      peer.unwillingUntilMs = nowMs + UNWILLING_MS;
    }
    return false;
  }
  const entry = flight.role === "own" ? state.outgoing.get(id) : state.carried.get(id);
  if (entry === undefined) return false;
  entry.refusals++;
  entry.retryAtMs = nowMs + retryMs(REFUSED_MS, entry.refusals - 1);
  if (reason === "expired") return true;
  return (reason === "invalid" || reason === "notPermitted") && entry.refusals >= REFUSALS_MAX;
}

/** Looks at everything that waits: asks for sessions, hands copies to carriers, repeats what was not answered. */
export function tendDeliveries(
  context: MailContext,
  state: MailboxesState,
  deps: MailboxesDependencies,
): void {
  const nowMs = context.monotonicMs();
  for (const [device, peer] of state.peers) {
    for (const [id, { sentAtMs }] of peer.inFlight) {
      if (nowMs - sentAtMs >= deps.limits.answerMs) answered(peer, id);
    }
    if (peer.up) pump(context, state, deps, device);
  }
  const waiting = new Set([...state.byRecipient.keys(), ...state.carriedByRecipient.keys()]);
  for (const device of waiting) {
    if (!isAdmitted(state.registry, device)) continue;
    const peer = peerOf(state, device, nowMs);
    if (peer.up) continue;
    connect(context, deps, device, peer);
    giveToCarriers(context, state, deps, device);
  }
}

function connect(
  context: MailContext,
  deps: MailboxesDependencies,
  device: DeviceId,
  peer: Peer,
): void {
  const nowMs = context.monotonicMs();
  if (nowMs < peer.connectAtMs) return;
  peer.connectAtMs = nowMs + retryMs(CONNECT_FIRST_MS, peer.connectTries++, CONNECT_MAX_MS);
  context.send(deps.sessions, { type: "connectNow", deviceId: device });
}

/** Copies of what has waited long enough for a recipient that is away. */
function giveToCarriers(
  context: MailContext,
  state: MailboxesState,
  deps: MailboxesDependencies,
  recipient: DeviceId,
): void {
  const nowMs = context.monotonicMs();
  const { limits } = deps;
  const chosen = new Map<DeviceId | "broker", ReadParcel[]>();
  const carriers = carriersFor(context, state, recipient);
  const broker = deps.broker?.state();
  const durable = broker?.type === "connected" && broker.durable;
  for (const entry of state.byRecipient.get(recipient)?.values() ?? []) {
    if (nowMs - entry.sinceMs < limits.carryAfterMs) continue;
    const list = (to: DeviceId | "broker") => chosen.getOrInsertComputed(to, () => []);
    if (durable && !entry.copies.has("broker") && list("broker").length < BROKER_WINDOW) {
      entry.copies.set("broker", "offered");
      list("broker").push({ id: entry.id, parcel: entry.parcel });
    }
    let copies = 0;
    for (const [to, copy] of entry.copies) if (to !== "broker" && copy === "kept") copies++;
    for (const carrier of carriers) {
      if (copies >= limits.copies) break;
      const peer = peerOf(state, carrier, nowMs);
      const before = entry.copies.get(carrier);
      if (before === "kept" || before === "refused") continue;
      if (peer.inFlight.has(entry.id)) {
        copies++;
        continue;
      }
      if (!hasRoom(peer, entry.bytes, deps)) continue;
      copies++;
      entry.copies.set(carrier, "offered");
      noteInFlight(peer, entry.id, { bytes: entry.bytes, sentAtMs: nowMs, role: "copy" });
      list(carrier).push({ id: entry.id, parcel: entry.parcel });
    }
  }
  for (const [to, parcels] of chosen) handOver(context, deps, to, parcels);
}

/** Members that may carry and are up. The same for all parcels of a recipient, so that they stay together. */
function carriersFor(
  context: MailContext,
  state: MailboxesState,
  recipient: DeviceId,
): readonly DeviceId[] {
  const nowMs = context.monotonicMs();
  return [...state.peers]
    .filter(([device, peer]) =>
      peer.up && device !== recipient && peer.unwillingUntilMs <= nowMs &&
      may(state.registry, device, "relay")
    )
    .map(([device]) => device)
    .sort();
}

function keepAtBroker(
  context: MailContext,
  state: MailboxesState,
  deps: MailboxesDependencies,
  read: readonly ReadParcel[],
): void {
  const { broker } = deps;
  const { registry } = state;
  if (broker === undefined || registry === null) return;
  for (const { id, parcel } of read) {
    const recipient = state.outgoing.get(id)?.recipient;
    if (parcel === null || recipient === undefined) continue;
    const told = context.inlet((outcome: Parameters<Parameters<typeof broker.keep>[1]>[0]) =>
      ({ type: "brokerKept", id, outcome }) satisfies MailboxesCommand
    );
    const subject = mailSubject(brokerTagOf(deps.crypto, registry.mesh), recipient);
    broker.keep({ subject, messageId: id, bytes: parcel }, told);
  }
}
