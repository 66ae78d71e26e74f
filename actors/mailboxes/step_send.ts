/** Sending: a message is durable, protected and numbered before the user hears "done". */
import type { DeviceId } from "../../protocols/ids.ts";
import { sealAttachment } from "../../protocols/mailbox/attachments.ts";
import {
  ATTACHMENT_BYTES_MAX,
  type AttachmentReference,
  ATTACHMENTS_MAX,
  CONVERSATION_MEMBERS_MAX,
  type GroupContent,
  type MessageContent,
  type MessageId,
  TEXT_BYTES_MAX,
} from "../../protocols/mailbox/content.ts";
import { encodeContent, problemOfContent } from "../../protocols/mailbox/content_wire.ts";
import { nextClock } from "../../protocols/mailbox/conversations.ts";
import { PARCEL_LIFE_MS_MAX } from "../../protocols/mailbox/parcel.ts";
import { may } from "../../protocols/registry/registry.ts";
import type { ConversationRow, DeliveryRow, MessageRow } from "../../store/mail.ts";
import type { Outcome, Refusal } from "../handle.ts";
import type { MessageView, NewMessage } from "../mail_handle.ts";
import {
  coversAll,
  decodeAttachments,
  encodeAttachments,
  membersOf,
  messageView,
  messageViewOf,
} from "../mail_views.ts";
import { retryMs } from "./limits.ts";
import { directRow, foundConversation, sendConversation } from "./step_conversations.ts";
import { ensureGroup, leads, noteUse } from "./step_groups.ts";
import { EXPECTED_PART } from "./step_messages.ts";
import { queueContent } from "./step_outgoing.ts";
import type { Step } from "./step.ts";

const ID_BYTES = 16;
const VALID_MS_MIN = 1_000;
/** Parts of attachments may come this much later than their message, ms: what was shown must become whole. */
const PARTS_LONGER_MS = 24 * 60 * 60 * 1000;
/** A recipient without keys is looked at again after this, ms; at once when its keys come. */
const NO_KEYS_MS = 30_000;

const utf8 = new TextEncoder();

/** Stores a message and the parcels that carry it. Everything that is wrong with the request is a refusal, and then nothing changes. */
export async function sendMessage(
  step: Step,
  message: NewMessage,
  idempotencyKey: string | null,
): Promise<Outcome<MessageView>> {
  const { self, crypto } = step.deps;
  const problem = problemOfRequest(step, message);
  if (problem !== undefined) return problem;
  const asked = crypto.sha256Hex(utf8.encode(JSON.stringify([
    message.conversation,
    message.to,
    message.title,
    message.text,
    message.validMs,
    message.vanishMs,
    message.attachments?.map((
      { name, mediaType, body },
    ) => [name, mediaType, crypto.sha256Hex(body)]),
  ])));
  if (idempotencyKey !== null) {
    const earlier = await step.get("requests", { request: requestOf(idempotencyKey) });
    if (earlier?.asked === asked) {
      const row = await step.get("messages", { author: self, message: earlier.message });
      if (row !== undefined) return { type: "done", value: await messageView(step, row) };
    } else if (earlier !== undefined) {
      return refused(
        "invalid",
        `idempotency key "${idempotencyKey}" was used for another message; use a new one`,
      );
    }
  }
  const conversation = await conversationFor(step, message);
  if (conversation.type === "refused") return conversation;
  const row = await storeMessage(step, conversation.value, message);
  if (row.type === "refused") return row;
  if (idempotencyKey !== null) {
    step.put("requests", {
      request: requestOf(idempotencyKey),
      asked,
      message: row.value.sent.message,
      atMs: step.nowMs,
    });
  }
  const { sent, deliveries } = row.value;
  const view = sent.attachments === null
    ? messageViewOf(sent, deliveries, [])
    : await messageView(step, sent);
  return { type: "done", value: view };
}

async function storeMessage(
  step: Step,
  known: ConversationRow,
  message: NewMessage,
): Promise<Outcome<{ readonly sent: MessageRow; readonly deliveries: readonly DeliveryRow[] }>> {
  const { self } = step.deps;
  const { nowMs, random } = step.view;
  await ensureGroup(step, known.conversation);
  const conversation = await step.get("conversations", { conversation: known.conversation }) ??
    known;
  const id = random.bytes(ID_BYTES).toHex() as MessageId;
  const references = sealAttachments(step, id, message);
  const group = await step.get("groups", { conversation: conversation.conversation });
  const row: MessageRow = {
    author: self,
    message: id,
    conversation: conversation.conversation,
    number: conversation.ownNumber + 1,
    clock: nextClock(conversation.clock),
    timeMs: nowMs,
    receivedAtMs: nowMs,
    expiresAtMs: message.vanishMs === undefined ? null : nowMs + message.vanishMs,
    own: 1,
    protection: coversAll(conversation, group) ? "mls" : "box",
    read: 1,
    text: message.text,
    attachments: encodeAttachments(references),
  };
  const wrong = problemOfContent(contentOf(row));
  if (wrong !== undefined) return refused("invalid", wrong);
  step.put("messages", row);
  step.put("conversations", {
    ...conversation,
    ownNumber: row.number,
    clock: row.clock,
    changedAtMs: nowMs,
  });
  const lifeMs = Math.min(message.validMs ?? PARCEL_LIFE_MS_MAX, PARCEL_LIFE_MS_MAX);
  const expiresAtMs = Math.min(nowMs + lifeMs, row.expiresAtMs ?? Infinity);
  const deliveries = membersOf(conversation)
    .filter((device) => device !== self && step.isAdmitted(device))
    .map((device): DeliveryRow => ({
      message: id,
      device,
      conversation: conversation.conversation,
      state: "queued",
      atMs: nowMs,
      problem: null,
      expiresAtMs,
      attempts: 0,
      nextAtMs: null,
    }));
  await attempt(step, row, deliveries);
  const stored = await Promise.all(
    deliveries.map(async (delivery) => await step.get("deliveries", delivery) ?? delivery),
  );
  return { type: "done", value: { sent: row, deliveries: stored } };
}

/**
 * Makes parcels of a message for some of its recipients: through the group whenever it covers the conversation, however often it was tried.
 * By the box alone after a few tries, whoever keeps receipts back could take the forward secrecy from a message. A recipient that cannot
 * follow the group asks to be added again, and the next try is for the group as it is then.
 */
export async function attempt(
  step: Step,
  row: MessageRow,
  deliveries: readonly DeliveryRow[],
): Promise<void> {
  const { conversation } = row;
  const known = await step.get("conversations", { conversation });
  if (known === undefined) return;
  const group = await step.get("groups", { conversation });
  const content = contentOf(row);
  if (deliveries.length > 0 && group !== undefined && coversAll(known, group)) {
    const { state, message } = await step.deps.groupCrypto.encrypt(
      group.state,
      encodeContent(content),
    );
    step.put("groups", { ...group, state });
    const application: GroupContent = {
      type: "group",
      conversation,
      kind: "application",
      epoch: group.epoch,
      bytes: message,
    };
    for (const delivery of deliveries) await send(step, row, known, delivery, application);
    return await noteUse(step, conversation);
  }
  for (const delivery of deliveries) await send(step, row, known, delivery, content);
}

async function send(
  step: Step,
  row: MessageRow,
  conversation: ConversationRow,
  delivery: DeliveryRow,
  content: MessageContent | GroupContent,
): Promise<void> {
  const { device, expiresAtMs, attempts } = delivery;
  const about = { expiresAtMs, message: row.message, conversation: row.conversation };
  // Whoever did not answer may never have heard of the conversation.
  if (attempts > 0 && conversation.direct === 0 && leads(step, conversation)) {
    await sendConversation(step, conversation, [device]);
  }
  const queued = await queueContent(step, device, content, about);
  step.put("deliveries", {
    ...delivery,
    attempts: queued ? attempts + 1 : attempts,
    nextAtMs: queued ? null : step.nowMs + retryMs(NO_KEYS_MS, 0),
    problem: queued ? null : "the device has published no key yet",
  });
  if (!queued) return;
  for (const reference of decodeAttachments(row.attachments)) {
    for (let index = 0; index < reference.parts; index++) {
      const part = await step.get("parts", {
        author: row.author,
        blob: reference.blob,
        part: index,
      });
      if (part === undefined) continue;
      await queueContent(step, device, {
        type: "part",
        blob: reference.blob,
        index,
        count: reference.parts,
        bytes: part.ciphertext,
      }, { expiresAtMs: Math.min(expiresAtMs + PARTS_LONGER_MS, row.expiresAtMs ?? Infinity) });
    }
  }
}

/** The content of a stored message. */
function contentOf(row: MessageRow): MessageContent {
  const { conversation, message, number, clock, timeMs, expiresAtMs, text } = row;
  const attachments = decodeAttachments(row.attachments);
  return {
    type: "message",
    conversation,
    message,
    number,
    clock,
    timeMs,
    expiresAtMs,
    text,
    attachments,
  };
}

function sealAttachments(
  step: Step,
  message: MessageId,
  { attachments = [] }: NewMessage,
): readonly AttachmentReference[] {
  const { crypto, self } = step.deps;
  return attachments.map(({ name, mediaType, body }) => {
    const { ciphertext, ...reference } = sealAttachment(body, {
      crypto,
      random: step.view.random,
    });
    step.put("parts", {
      blob: reference.blob,
      part: EXPECTED_PART,
      author: self,
      message,
      bytes: 0,
      ciphertext: new Uint8Array(0),
    });
    for (const [part, bytes] of ciphertext.entries()) {
      step.put("parts", {
        blob: reference.blob,
        part,
        author: self,
        message,
        bytes: bytes.length,
        ciphertext: bytes,
      });
    }
    return { name, mediaType, ...reference };
  });
}

function problemOfRequest(step: Step, message: NewMessage): Refusal | undefined {
  const { limits, self } = step.deps;
  const { registry, outgoing } = step.view;
  const { text, attachments = [], validMs, vanishMs } = message;
  if (registry === null) {
    return refused("noMesh", "this device belongs to no mesh yet; found or join one");
  }
  if (!may(registry, self, "messages.send")) {
    return refused("notPermitted", "this device lacks the permission messages.send");
  }
  const textBytes = utf8.encode(text).length;
  if (textBytes > TEXT_BYTES_MAX) {
    return refused("tooLarge", `text has ${textBytes} bytes, expected at most ${TEXT_BYTES_MAX}`);
  }
  if (text === "" && attachments.length === 0) {
    return refused("invalid", "it has neither text nor attachments");
  }
  if (attachments.length > ATTACHMENTS_MAX) {
    return refused(
      "tooLarge",
      `it has ${attachments.length} attachments, expected at most ${ATTACHMENTS_MAX}`,
    );
  }
  const large = attachments.find(({ body }) => body.length > ATTACHMENT_BYTES_MAX);
  if (large !== undefined) {
    return refused(
      "tooLarge",
      `attachment "${large.name}" has ${large.body.length} bytes, expected at most ${ATTACHMENT_BYTES_MAX}`,
    );
  }
  for (const [name, value] of [["validMs", validMs], ["vanishMs", vanishMs]] as const) {
    if (value === undefined) continue;
    const most = name === "validMs" ? PARCEL_LIFE_MS_MAX : Number.MAX_SAFE_INTEGER / 4;
    if (!Number.isInteger(value) || value < VALID_MS_MIN || value > most) {
      return refused("invalid", `${name} is ${value}, expected ${VALID_MS_MIN} to ${most}`);
    }
  }
  if (outgoing.parcels >= limits.outgoingMax || outgoing.bytes >= limits.outgoingBytesMax) {
    return refused(
      "busy",
      `${outgoing.parcels} parcels (${outgoing.bytes} bytes) wait for their recipients already; try again when some have arrived`,
    );
  }
  return undefined;
}

/** The conversation a message is for; a new one when it names recipients that have none yet. */
async function conversationFor(
  step: Step,
  message: NewMessage,
): Promise<Outcome<ConversationRow>> {
  const { self } = step.deps;
  if (message.conversation !== undefined) {
    const row = await step.get("conversations", { conversation: message.conversation });
    if (row === undefined) {
      return refused("notFound", `there is no conversation "${message.conversation}"`);
    }
    if (!membersOf(row).includes(self)) {
      return refused("notPermitted", "this device is no longer in the conversation");
    }
    return { type: "done", value: row };
  }
  const to = [...new Set(message.to ?? [])].filter((device) => device !== self);
  if (to.length === 0) {
    return refused("invalid", "it names neither a conversation nor another device");
  }
  const stranger = to.find((device) => !step.isAdmitted(device));
  if (stranger !== undefined) {
    return refused("notFound", `device "${stranger}" is not a member of the mesh`);
  }
  const silent = to.find((device) => !may(step.view.registry, device, "messages.send"));
  if (silent !== undefined) {
    const why =
      `device "${silent}" takes no part in messages: it lacks the permission messages.send`;
    return refused("notPermitted", why);
  }
  if (to.length === 1) return { type: "done", value: await directRow(step, to[0] as DeviceId) };
  if (to.length >= CONVERSATION_MEMBERS_MAX) {
    return refused(
      "tooLarge",
      `it has ${to.length} recipients, expected at most ${CONVERSATION_MEMBERS_MAX - 1}`,
    );
  }
  return await foundConversation(step, {
    nonce: step.view.random.bytes(ID_BYTES),
    title: message.title ?? "",
    others: to,
  });
}

/** Where an idempotency key is kept, apart from what the mailboxes note for themselves. */
function requestOf(idempotencyKey: string): string {
  return `user/${idempotencyKey}`;
}

function refused(reason: Refusal["reason"], why: string): Refusal {
  return { type: "refused", reason, message: `Cannot send the message: ${why}` };
}
