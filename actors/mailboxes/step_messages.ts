/** Messages, receipts and parts of attachments as they arrive, opened and ordered; and what a user has read. */
import type { DeviceId } from "../../protocols/ids.ts";
import type {
  ConversationId,
  MessageContent,
  MessageId,
  PartContent,
  Protection,
  ReceiptContent,
} from "../../protocols/mailbox/content.ts";
import { clockAfter } from "../../protocols/mailbox/conversations.ts";
import { may } from "../../protocols/registry/registry.ts";
import type { MessageRow } from "../../store/mail.ts";
import type { Outcome } from "../handle.ts";
import { decodeAttachments, encodeAttachments, membersOf, MESSAGE_ORDER } from "../mail_views.ts";
import { directIdWith, directRow } from "./step_conversations.ts";
import { type ContentFate, DONE, ensureGroup } from "./step_groups.ts";
import {
  changeDelivery,
  giveUpParcel,
  noteReceipt,
  sendReceipts,
  settleParcel,
} from "./step_outgoing.ts";
import { showEvidence } from "./step_statements.ts";
import type { Step } from "./step.ts";

/** The place of the row that says which parts of an attachment are expected. */
export const EXPECTED_PART = -1;
/** Messages marked read in one go. */
const READ_AT_ONCE = 1_000;

/** A message is shown once, whatever way and however often it came, and its author is told that it is here. */
export async function storeMessage(
  step: Step,
  from: DeviceId,
  content: MessageContent,
  protection: Protection,
): Promise<ContentFate> {
  const { conversation, message } = content;
  let known = await step.get("conversations", { conversation });
  if (known === undefined) {
    if (conversation !== directIdWith(step, from)) {
      return { type: "wait", reason: "conversation", conversation };
    }
    known = await directRow(step, from);
  }
  const members = membersOf(known);
  if (!members.includes(from) || !members.includes(step.deps.self)) {
    step.warn(from, "notAMember", `it is not in conversation ${conversation}`);
    await showEvidence(step, from, known);
    return DONE;
  }
  if (await step.get("messages", { author: from, message }) !== undefined) {
    noteReceipt(step, from, conversation, message);
    return DONE;
  }
  if (content.expiresAtMs !== null && content.expiresAtMs <= step.nowMs) return DONE;
  const { number, clock, timeMs, expiresAtMs, text, attachments } = content;
  step.put("messages", {
    author: from,
    message,
    conversation,
    number,
    clock,
    timeMs,
    receivedAtMs: step.nowMs,
    expiresAtMs,
    own: 0,
    protection,
    read: 0,
    text,
    attachments: encodeAttachments(attachments),
  });
  for (const { blob } of attachments) expectParts(step, from, message, blob);
  step.put("conversations", {
    ...known,
    clock: clockAfter(known.clock, clock),
    changedAtMs: step.nowMs,
  });
  noteReceipt(step, from, conversation, message);
  step.facts.events.push({ type: "messageReceived", message, conversation, from });
  // Whoever leads a direct conversation makes its group as soon as it is used.
  await ensureGroup(step, conversation);
  return DONE;
}

function expectParts(
  step: Step,
  author: DeviceId,
  message: MessageId,
  blob: PartContent["blob"],
): void {
  step.put("parts", {
    blob,
    part: EXPECTED_PART,
    author,
    message,
    bytes: 0,
    ciphertext: new Uint8Array(0),
  });
}

/** A piece of an attachment: kept when a message of the same author names it. */
export async function onPart(
  step: Step,
  from: DeviceId,
  content: PartContent,
): Promise<ContentFate> {
  const { blob, index, count, bytes } = content;
  const expected = await step.get("parts", { author: from, blob, part: EXPECTED_PART });
  if (expected === undefined) return { type: "wait", reason: "conversation", conversation: null };
  const row = await step.get("messages", { author: from, message: expected.message });
  const reference = row && decodeAttachments(row.attachments).find((one) => one.blob === blob);
  if (row === undefined || reference?.parts !== count || index >= count) {
    step.warn(from, "wrongPart", `no message of it has an attachment ${blob} of ${count} parts`);
    return DONE;
  }
  if (await step.get("parts", { author: from, blob, part: index }) !== undefined) return DONE;
  const held = await step.totals("parts", { author: from });
  if (held.bytes + bytes.length > step.deps.limits.partBytesPerSenderMax) {
    step.warn(from, "attachmentQuota", `its attachments take ${held.bytes} bytes already`);
    return DONE;
  }
  step.put("parts", {
    blob,
    part: index,
    author: from,
    message: row.message,
    bytes: bytes.length,
    ciphertext: bytes,
  });
  if ((await step.totals("parts", { author: from, blob })).rows === count + 1) {
    step.facts.events.push({ type: "conversationChanged", conversation: row.conversation });
  }
  return DONE;
}

/** The recipient itself says how far our messages have come. */
export async function onReceipt(
  step: Step,
  from: DeviceId,
  content: ReceiptContent,
): Promise<void> {
  for (const message of content.messages) {
    const row = await step.get("deliveries", { message, device: from });
    if (row === undefined || row.conversation !== content.conversation) continue;
    if (row.state !== "read" && row.state !== content.state) {
      changeDelivery(step, row, content.state, { nextAtMs: null, problem: null });
    }
    // It may have come another way than the parcel that still waits.
    const waiting = await step.list("outgoing", {
      where: { message, recipient: from },
      limit: 100,
    });
    for (const { id } of waiting) {
      // After one try it is the parcel that came, some other way; after more it may be another one.
      if (row.attempts > 1) await giveUpParcel(step, id);
      else settleParcel(step, id);
    }
  }
}

/** A person has seen everything up to a message. */
export async function markRead(
  step: Step,
  conversation: ConversationId,
  upTo: MessageId,
): Promise<Outcome<null>> {
  const inConversation = await step.list("messages", {
    where: { conversation, message: upTo },
    limit: 1,
  });
  const last = inConversation[0];
  if (last === undefined) {
    return {
      type: "refused",
      reason: "notFound",
      message: `Cannot mark as read: there is no message "${upTo}" in "${conversation}"`,
    };
  }
  const seen = new Map<DeviceId, MessageId[]>();
  for (;;) {
    const rows = await step.list("messages", {
      where: { conversation, read: 0 },
      order: MESSAGE_ORDER,
      limit: READ_AT_ONCE,
    });
    const read = rows.filter((row) => !isAfter(row, last));
    for (const row of read) {
      step.put("messages", { ...row, read: 1 });
      seen.getOrInsertComputed(row.author, () => []).push(row.message);
    }
    if (rows.length < READ_AT_ONCE || read.length < rows.length) break;
  }
  if (may(step.view.registry, step.deps.self, "messages.send")) {
    for (const [author, messages] of seen) {
      await sendReceipts(step, author, { conversation, state: "read", messages });
    }
  }
  if (seen.size > 0) step.facts.events.push({ type: "conversationChanged", conversation });
  return { type: "done", value: null };
}

function isAfter(row: MessageRow, last: MessageRow): boolean {
  if (row.clock !== last.clock) return row.clock > last.clock;
  if (row.author !== last.author) return row.author > last.author;
  return row.number > last.number;
}
