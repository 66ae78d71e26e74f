/** What the store holds of mail, as the node's views show it. */
import { decodeCanonical, encodeCanonical } from "../protocols/codec.ts";
import type { ContentHash, DeviceId } from "../protocols/ids.ts";
import { type AttachmentReference, ATTACHMENTS_MAX } from "../protocols/mailbox/content.ts";
import { invariant } from "../platform/invariant.ts";
import type {
  ConversationRow,
  DeliveryRow,
  GroupRow,
  MailRepository,
  MessageRow,
} from "../store/mail.ts";
import type { AttachmentView, ConversationView, MessageView } from "./mail_handle.ts";

/** The order of a conversation, as columns. */
export const MESSAGE_ORDER = ["clock", "author", "number", "message"] as const;

/** What views read from: the store, or a step that has not been committed yet. */
export type MailReader = Pick<MailRepository, "get" | "list" | "totals">;

/** The references of a message's attachments, as they are stored. */
export function encodeAttachments(references: readonly AttachmentReference[]): Uint8Array | null {
  if (references.length === 0) return null;
  return encodeCanonical(
    references.map(({ name, mediaType, bytes, blob, key, parts }) => [
      name,
      mediaType,
      bytes,
      blob,
      key,
      parts,
    ]),
  );
}

/** The inverse of `encodeAttachments`. */
export function decodeAttachments(stored: Uint8Array | null): readonly AttachmentReference[] {
  if (stored === null) return [];
  const decoded = decodeCanonical(stored, {
    bytesMax: 64 * 1024,
    itemsMax: ATTACHMENTS_MAX * 8 + 1,
  });
  invariant(decoded.ok, "attachments in the store cannot be read");
  const rows = decoded.value as unknown as [
    string,
    string,
    number,
    ContentHash,
    Uint8Array,
    number,
  ][];
  return rows.map(([name, mediaType, bytes, blob, key, parts]) => ({
    name,
    mediaType,
    bytes,
    blob,
    key,
    parts,
  }));
}

/** The members of a conversation or group, as stored. */
export function membersOf(row: { readonly members: string }): readonly DeviceId[] {
  return JSON.parse(row.members) as DeviceId[];
}

/** A message with its deliveries and the state of its attachments. */
export async function messageView(mail: MailReader, row: MessageRow): Promise<MessageView> {
  const deliveries = row.own === 0 ? [] : await mail.list("deliveries", {
    where: { message: row.message },
    limit: 100,
  });
  const attachments: AttachmentView[] = [];
  for (const { name, mediaType, bytes, blob, parts } of decodeAttachments(row.attachments)) {
    // One row says which parts are expected.
    const { rows } = await mail.totals("parts", { author: row.author, blob });
    attachments.push({ name, mediaType, bytes, complete: rows === parts + 1 });
  }
  return messageViewOf(row, deliveries, attachments);
}

/** As `messageView`, when everything is at hand. */
export function messageViewOf(
  row: MessageRow,
  deliveries: readonly DeliveryRow[],
  attachments: readonly AttachmentView[],
): MessageView {
  return {
    message: row.message,
    conversation: row.conversation,
    from: row.author,
    own: row.own === 1,
    text: row.text,
    timeMs: row.timeMs,
    receivedAtMs: row.receivedAtMs,
    expiresAtMs: row.expiresAtMs,
    protection: row.protection,
    attachments,
    read: row.read === 1,
    deliveries: deliveries.map(({ device, state, atMs, problem }) => ({
      deviceId: device,
      state,
      atMs,
      problem,
    })),
  };
}

/** A conversation with what is unread in it and its newest message. */
export async function conversationView(
  mail: MailReader,
  row: ConversationRow,
): Promise<ConversationView> {
  const { conversation } = row;
  const [group, all, unread, [last]] = await Promise.all([
    mail.get("groups", { conversation }),
    mail.totals("messages", { conversation }),
    mail.totals("messages", { conversation, read: 0 }),
    mail.list("messages", {
      where: { conversation },
      order: MESSAGE_ORDER,
      descending: true,
      limit: 1,
    }),
  ]);
  return {
    conversation,
    title: row.title,
    direct: row.direct === 1,
    members: membersOf(row),
    protection: coversAll(row, group) ? "mls" : "box",
    unread: unread.rows,
    messages: all.rows,
    last: last === undefined ? null : await messageView(mail, last),
  };
}

/** True when every member of the conversation is in its group, and nobody else: what is encrypted to it reaches exactly them. */
export function coversAll(row: ConversationRow, group: GroupRow | undefined): boolean {
  return group !== undefined && group.members === row.members;
}
