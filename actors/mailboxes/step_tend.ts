/** What time does to mail: it expires, is sent again, waits in vain; keys are renewed; who has left is removed from groups. */
import type { DeviceId } from "../../protocols/ids.ts";
import type { RefusalReason } from "../../protocols/mailbox/messages.ts";
import type { ParcelId } from "../../protocols/mailbox/parcel.ts";
import type { DeliveryRow, MessageRow, StoredDeliveryState } from "../../store/mail.ts";
import { membersOf } from "../mail_views.ts";
import { RETRY_MS_MAX, retryMs } from "./limits.ts";
import { reform, sendConversation } from "./step_conversations.ts";
import { ensureGroup, leads, renewIfDue, requestRejoin } from "./step_groups.ts";
import { changeDelivery, giveUpParcel, isOpen, settleParcel } from "./step_outgoing.ts";
import { drainKey, drainWaiting, forgetNumbers, giveUpWaiting } from "./step_open.ts";
import { attempt } from "./step_send.ts";
import { onStandingChanged, urge } from "./step_statements.ts";
import type { Step } from "./step.ts";

/** Rows of one kind looked at in one step. */
const AT_ONCE = 200;
const CONVERSATIONS_MAX = 10_000;
const NO_MEMBER = "the device is no longer a member of the mesh";
const REQUEST_LIFE_MS = 24 * 60 * 60 * 1000;

/** Everything that is due now. */
export async function tend(step: Step, left: readonly DeviceId[]): Promise<void> {
  for (const device of left) await giveUpOn(step, device);
  await expireDeliveries(step);
  await sendAgain(step);
  await tendWaiting(step);
  await forgetOld(step);
}

/** What waits for a device that was sent away goes nowhere any more. */
async function giveUpOn(step: Step, device: DeviceId): Promise<void> {
  const waiting = await step.list("outgoing", {
    where: { recipient: device },
    order: ["number"],
    limit: AT_ONCE,
  });
  for (const { id, message } of waiting) {
    settleParcel(step, id);
    const row = message === null ? undefined : await step.get("deliveries", { message, device });
    if (row === undefined || !isOpen(row)) continue;
    changeDelivery(step, row, "failed", { nextAtMs: null, problem: NO_MEMBER });
  }
}

async function expireDeliveries(step: Step): Promise<void> {
  const due = await step.list("outgoing", {
    atMost: { column: "expiresAtMs", value: step.nowMs },
    order: ["expiresAtMs"],
    limit: AT_ONCE,
  });
  for (const { id, message, recipient } of due) {
    await giveUpParcel(step, id);
    if (message === null) continue;
    const row = await step.get("deliveries", { message, device: recipient });
    if (row === undefined || !isOpen(row)) continue;
    if (row.expiresAtMs <= step.nowMs) {
      changeDelivery(step, row, "expired", { nextAtMs: null, problem: "its time was over" });
    } else step.put("deliveries", { ...row, nextAtMs: step.nowMs });
  }
}

/** Messages that their recipient took, or could not be sent yet, and has not acknowledged in time. */
async function sendAgain(step: Step): Promise<void> {
  const due = await step.list("deliveries", {
    atMost: { column: "nextAtMs", value: step.nowMs },
    order: ["nextAtMs"],
    limit: AT_ONCE,
  });
  // A clock that was set back must not hold up what was timed before.
  const byLatest = { order: ["nextAtMs"], descending: true } as const;
  const mistimed = ({ nextAtMs }: DeliveryRow) => (nextAtMs ?? 0) > step.nowMs + RETRY_MS_MAX;
  const [latest] = await step.list("deliveries", { ...byLatest, limit: 1 });
  const early = latest !== undefined && mistimed(latest)
    ? (await step.list("deliveries", { ...byLatest, limit: AT_ONCE })).filter(mistimed)
    : [];
  for (const { row, message } of await inOrder(step, [...due, ...early])) {
    if (!isOpen(row)) {
      step.put("deliveries", { ...row, nextAtMs: null });
      continue;
    }
    if (row.expiresAtMs <= step.nowMs) {
      changeDelivery(step, row, "expired", { nextAtMs: null, problem: "its time was over" });
      continue;
    }
    if (!step.isAdmitted(row.device)) {
      changeDelivery(step, row, "failed", { nextAtMs: null, problem: NO_MEMBER });
      continue;
    }
    const apart = await problemOfConversation(step, row);
    if (apart !== undefined) {
      changeDelivery(step, row, "failed", { nextAtMs: null, problem: apart });
      continue;
    }
    await attempt(step, message, [row]);
  }
}

/** Why a recipient has not acknowledged, and never will: one of both is not in the conversation any more and the message is not shown. */
async function problemOfConversation(
  step: Step,
  { conversation, device }: DeliveryRow,
): Promise<string | undefined> {
  const known = await step.get("conversations", { conversation });
  const members = known === undefined ? [] : membersOf(known);
  if (!members.includes(device)) return "the device is no longer in the conversation";
  if (!members.includes(step.deps.self)) return "this device is no longer in the conversation";
  return undefined;
}

function ownMessage(
  step: Step,
  message: MessageRow["message"],
): Promise<MessageRow | undefined> {
  return step.get("messages", { author: step.deps.self, message });
}

async function tendWaiting(step: Step): Promise<void> {
  const { missingMs } = step.deps.limits;
  const due = await step.list("waiting", {
    atMost: { column: "untilMs", value: step.nowMs + missingMs / 2 },
    order: ["untilMs"],
    limit: AT_ONCE,
  });
  const longestMs = Math.max(missingMs, step.deps.limits.gapMs);
  const latest = await step.list("waiting", { order: ["untilMs"], descending: true, limit: 1 });
  for (const row of latest) {
    // The clock was set back: what waits is looked at once more as if it had just come.
    if (row.untilMs <= step.nowMs + longestMs) continue;
    const untilMs = step.nowMs + missingMs;
    for (const one of await step.list("waiting", { limit: AT_ONCE })) {
      if (one.untilMs > untilMs) step.put("waiting", { ...one, untilMs });
    }
  }
  for (const row of due) {
    const { reason, conversation } = row;
    if (conversation !== null && (reason === "epoch" || reason === "conversation")) {
      await requestRejoin(step, conversation);
    }
    if (row.untilMs <= step.nowMs) await giveUpWaiting(step, row);
  }
}

async function forgetOld(step: Step): Promise<void> {
  const { nowMs } = step.view;
  const over = { atMost: { column: "expiresAtMs", value: nowMs } as const, limit: AT_ONCE };
  for (const row of await step.list("messages", over)) await forgetMessage(step, row);
  for (const { id } of await step.list("received", over)) step.remove("received", { id });
  for (const { id } of await step.list("carried", over)) {
    step.remove("carried", { id });
    step.facts.dropped.push(id);
  }
  const requests = await step.list("requests", {
    atMost: { column: "atMs", value: nowMs - REQUEST_LIFE_MS },
    limit: AT_ONCE,
  });
  for (const { request } of requests) step.remove("requests", { request });
}

/** A message whose time is over vanishes with everything that belongs to it. */
async function forgetMessage(step: Step, row: MessageRow): Promise<void> {
  const { author, message, conversation } = row;
  step.remove("messages", { author, message });
  const parts = await step.list("parts", { where: { message, author }, limit: CONVERSATIONS_MAX });
  for (const { blob, part } of parts) step.remove("parts", { author, blob, part });
  if (row.own === 1) {
    for (const delivery of await step.list("deliveries", { where: { message }, limit: 100 })) {
      if (isOpen(delivery)) changeDelivery(step, delivery, "expired", { nextAtMs: null });
      step.remove("deliveries", delivery);
    }
    for (const { id } of await step.list("outgoing", { where: { message }, limit: AT_ONCE })) {
      await giveUpParcel(step, id);
    }
  }
  step.facts.events.push({ type: "conversationChanged", conversation });
}

/** Keys in groups are renewed when they are due; who must take the lead and has not is told again. */
export async function renewGroups(step: Step): Promise<void> {
  for (const { conversation } of await step.list("groups", { limit: CONVERSATIONS_MAX })) {
    await renewIfDue(step, conversation);
  }
  for (const row of await step.list("conversations", { limit: CONVERSATIONS_MAX })) {
    await urge(step, row);
  }
}

/** The disk was put back: our states of groups are gone, and others may be ahead of what we know. */
export async function onRestored(step: Step): Promise<void> {
  await forgetNumbers(step);
  for (const { conversation } of await step.list("conversations", { limit: CONVERSATIONS_MAX })) {
    await requestRejoin(step, conversation);
  }
}

/** The registry has changed: groups lose who has left, leaders are followed, and nothing is carried for whoever is gone. */
export async function onMembership(step: Step): Promise<void> {
  for (const { deviceId, revoked } of step.view.registry?.members.values() ?? []) {
    if (revoked) await dropCarriedOf(step, deviceId);
  }
  for (const row of await step.list("conversations", { limit: CONVERSATIONS_MAX })) {
    if (row.statements !== null) {
      const isNews = await onStandingChanged(step, row);
      if (isNews) await drainWaiting(step, { conversation: row.conversation });
      continue;
    }
    if (row.direct === 1 || !leads(step, row)) continue;
    const members = membersOf(row);
    const admitted = members.filter((device) => step.isAdmitted(device));
    if (admitted.length === members.length || admitted.length < 2) continue;
    await reform(step, row, { title: row.title, members: admitted });
  }
}

/** Nothing is carried to or from a device that has left: nobody would take it. */
async function dropCarriedOf(step: Step, device: DeviceId): Promise<void> {
  for (const where of [{ recipient: device }, { sender: device }]) {
    const rows = await step.list("carried", { where, limit: CONVERSATIONS_MAX });
    for (const { id } of rows) drop(step, id);
  }
}

/** Keys of devices have come: whatever waited for them goes on. */
export async function onKeys(step: Step, devices: readonly DeviceId[]): Promise<void> {
  for (const device of devices) await onKeysOf(step, device);
  for (const row of await step.list("conversations", { limit: CONVERSATIONS_MAX })) {
    const members = membersOf(row);
    const here = devices.filter((device) => members.includes(device));
    if (here.length === 0 || !leads(step, row)) continue;
    const group = await step.get("groups", { conversation: row.conversation });
    const inGroup = group === undefined ? [] : membersOf(group);
    const missing = here.filter((device) => !inGroup.includes(device));
    if (missing.length === 0) continue;
    if (row.direct === 0) await sendConversation(step, row, missing);
    await ensureGroup(step, row.conversation);
  }
}

/** What was written first is sent first: it is announced in the order in which it comes. Without those whose message is gone. */
async function inOrder(
  step: Step,
  rows: readonly DeliveryRow[],
): Promise<readonly { readonly row: DeliveryRow; readonly message: MessageRow }[]> {
  const found: { readonly row: DeliveryRow; readonly message: MessageRow }[] = [];
  for (const row of rows) {
    const message = await ownMessage(step, row.message);
    if (message === undefined) step.remove("deliveries", row);
    else found.push({ row, message });
  }
  return found.sort((a, b) => a.message.number - b.message.number);
}

async function onKeysOf(step: Step, device: DeviceId): Promise<void> {
  await drainKey(step, device);
  const open = await step.list("deliveries", {
    where: { device, attempts: 0 },
    order: ["atMs"],
    limit: AT_ONCE,
  });
  for (const { row, message } of await inOrder(step, open)) {
    if (!isOpen(row)) continue;
    const known = await step.get("conversations", { conversation: row.conversation });
    if (known?.direct === 0 && leads(step, known)) await sendConversation(step, known, [device]);
    await attempt(step, message, [row]);
  }
}

/** A peer keeps these: as their recipient, or as a carrier. */
export async function onTaken(
  step: Step,
  from: DeviceId | "broker",
  ids: readonly ParcelId[],
): Promise<void> {
  for (const id of ids) {
    const row = await step.get("outgoing", { id });
    if (row !== undefined) {
      if (row.recipient === from) settleParcel(step, id);
      if (row.message === null) continue;
      const delivery = await step.get("deliveries", {
        message: row.message,
        device: row.recipient,
      });
      if (delivery === undefined || !isOpen(delivery)) continue;
      if (row.recipient !== from) changeDelivery(step, delivery, "carried");
      else {
        const waitMs = retryMs(step.deps.limits.resendMs, Math.max(0, delivery.attempts - 1));
        step.put("deliveries", { ...delivery, nextAtMs: step.nowMs + waitMs });
      }
      continue;
    }
    const carried = await step.get("carried", { id });
    if (carried?.recipient === from) drop(step, id);
  }
}

/** Sender or recipient says that a carried parcel is not needed any more. */
export async function onDiscard(
  step: Step,
  from: DeviceId,
  ids: readonly ParcelId[],
): Promise<void> {
  for (const id of ids) {
    const row = await step.get("carried", { id });
    if (row?.sender === from || row?.recipient === from) drop(step, id);
  }
}

/** The recipient will never take these. */
export async function onGivenUp(
  step: Step,
  id: ParcelId,
  reason: RefusalReason,
): Promise<void> {
  const row = await step.get("outgoing", { id });
  if (row === undefined) {
    if (await step.get("carried", { id }) !== undefined) drop(step, id);
    return;
  }
  await giveUpParcel(step, id);
  if (row.message === null) return;
  const delivery = await step.get("deliveries", { message: row.message, device: row.recipient });
  if (delivery === undefined || !isOpen(delivery)) return;
  const state: StoredDeliveryState = reason === "expired" ? "expired" : "failed";
  const problem = `the recipient has refused it: ${reason}`;
  changeDelivery(step, delivery, state, { nextAtMs: null, problem });
}

function drop(step: Step, id: ParcelId): void {
  step.remove("carried", { id });
  const at = step.facts.carried.findIndex((parcel) => parcel.id === id);
  if (at >= 0) step.facts.carried.splice(at, 1);
  step.facts.dropped.push(id);
}
