/** Own parcels: made and numbered in a step, and forgotten in one. */
import type { DeviceId } from "../../protocols/ids.ts";
import type {
  Content,
  ConversationId,
  MessageId,
  ReceiptContent,
} from "../../protocols/mailbox/content.ts";
import { RECEIPT_MESSAGES_MAX } from "../../protocols/mailbox/content.ts";
import { PARCEL_LIFE_MS_MAX, type ParcelId } from "../../protocols/mailbox/parcel.ts";
import { createParcel, decodeParcel, encodeParcel } from "../../protocols/mailbox/parcel_wire.ts";
import { sealContent } from "../../protocols/mailbox/seal.ts";
import type { DeliveryRow, StoredDeliveryState } from "../../store/mail.ts";
import type { Step } from "./step.ts";

/** Parcels up to this size are remembered until they were first sent, bytes. */
const KEPT_BYTES_MAX = 16 * 1024;
const SERIES_BYTES = 8;
const ID_BYTES = 16;

/** What a parcel is about. */
export interface About {
  /** Default: as long as a parcel may live. */
  readonly expiresAtMs?: number;
  readonly message?: MessageId;
  readonly conversation?: ConversationId;
  /** Takes the place of an earlier parcel instead of the next one. */
  readonly inPlaceOf?: { readonly number: number; readonly series: string };
}

/** Seals, numbers and queues one content. False: the recipient has published no key yet, or is no member; nothing was queued. */
export async function queueContent(
  step: Step,
  to: DeviceId,
  content: Content,
  about: About = {},
): Promise<boolean> {
  const { self, sealer, crypto, signer } = step.deps;
  const { registry, keys, random, nowMs } = step.view;
  const otherKey = keys.get(to)?.boxKey;
  if (registry === null || otherKey === undefined || !step.isAdmitted(to)) return false;
  const expiresAtMs = Math.min(about.expiresAtMs ?? Infinity, nowMs + PARCEL_LIFE_MS_MAX);
  if (expiresAtMs <= nowMs) return false;
  const { mesh } = registry;
  let sealed: Uint8Array;
  try {
    sealed = sealContent(content, { mesh, from: self, to }, { sealer, otherKey, crypto, random });
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    step.warn(to, "unusableKey", error.message);
    return false;
  }
  const sending = await step.get("sending", { recipient: to }) ??
    { recipient: to, series: random.bytes(SERIES_BYTES).toHex(), next: 1 };
  const { number, series } = about.inPlaceOf ?? { number: sending.next, series: sending.series };
  const parcel = createParcel({
    mesh,
    to,
    number,
    series: Uint8Array.fromHex(series),
    timeMs: nowMs,
    expiresAtMs,
    sealed,
    signer,
    crypto,
  });
  const encoded = encodeParcel(parcel);
  const message = about.message ?? null;
  const entry = {
    id: parcel.id,
    recipient: to,
    number,
    message,
    expiresAtMs,
    bytes: encoded.length,
  };
  if (about.inPlaceOf === undefined) step.put("sending", { ...sending, next: sending.next + 1 });
  step.put("outgoing", {
    ...entry,
    content: content.type,
    conversation: about.conversation ?? null,
    parcel: encoded,
  });
  step.facts.queued.push({
    ...entry,
    parcel: encoded.length <= KEPT_BYTES_MAX ? encoded : null,
  });
  return true;
}

/** Sends one content to several; those without keys are left out. */
export async function queueForAll(
  step: Step,
  devices: readonly DeviceId[],
  content: Content,
  about: About = {},
): Promise<void> {
  for (const device of devices) {
    if (device !== step.deps.self) await queueContent(step, device, content, about);
  }
}

/** A parcel needs no delivery any more. */
export function settleParcel(step: Step, id: ParcelId): void {
  step.remove("outgoing", { id });
  step.facts.settled.push(id);
}

/**
 * A parcel that its recipient may not have taken is given up. Another one takes its number, so that what comes behind it is not held up:
 * a receipt for a message that the recipient never wrote, which says nothing.
 */
export async function giveUpParcel(step: Step, id: ParcelId): Promise<void> {
  const row = await step.get("outgoing", { id });
  if (row === undefined) return;
  settleParcel(step, id);
  const decoded = decodeParcel(row.parcel, step.deps.crypto);
  if (!decoded.ok) return;
  const { number, series } = decoded.message.header;
  const nothing = step.view.random.bytes(ID_BYTES).toHex();
  await queueContent(step, row.recipient, {
    type: "receipt",
    conversation: row.conversation ?? nothing as ConversationId,
    state: "delivered",
    messages: [nothing as MessageId],
  }, { inPlaceOf: { number, series: series.toHex() } });
}

/** Notes that a message is to be acknowledged to its author when the step ends. */
export function noteReceipt(
  step: Step,
  author: DeviceId,
  conversation: ConversationId,
  message: MessageId,
): void {
  const byConversation = step.receipts.getOrInsertComputed(author, () => new Map());
  byConversation.getOrInsertComputed(conversation, () => []).push(message);
}

/** Sends the receipts that the step has noted, many messages in each. */
export async function flushReceipts(step: Step): Promise<void> {
  for (const [author, byConversation] of step.receipts) {
    for (const [conversation, messages] of byConversation) {
      await sendReceipts(step, author, { conversation, state: "delivered", messages });
    }
  }
  step.receipts.clear();
}

/** Sends receipts to one author. */
export async function sendReceipts(
  step: Step,
  author: DeviceId,
  receipt: Omit<ReceiptContent, "type">,
): Promise<void> {
  const messages = [...new Set(receipt.messages)];
  for (let from = 0; from < messages.length; from += RECEIPT_MESSAGES_MAX) {
    const part = messages.slice(from, from + RECEIPT_MESSAGES_MAX);
    await queueContent(step, author, { ...receipt, type: "receipt", messages: part });
  }
}

/** Changes how far a message has come to one recipient, and tells it. States that are further stay. */
export function changeDelivery(
  step: Step,
  row: DeliveryRow,
  state: StoredDeliveryState,
  change: Partial<Pick<DeliveryRow, "problem" | "nextAtMs" | "attempts">> = {},
): void {
  const isNews = row.state !== state;
  step.put("deliveries", {
    ...row,
    ...change,
    state,
    atMs: isNews ? step.nowMs : row.atMs,
  });
  if (!isNews) return;
  step.facts.events.push({
    type: "deliveryChanged",
    message: row.message,
    conversation: row.conversation,
    to: row.device,
    state,
  });
}

/** True while a delivery may still change by itself. */
export function isOpen(row: DeliveryRow): boolean {
  return row.state === "queued" || row.state === "carried";
}
