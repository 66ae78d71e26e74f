/** The node's mail for its views: reads the store, asks the mailboxes for everything that changes something. */
import { openAttachment } from "../protocols/mailbox/attachments.ts";
import type { ConversationId, MessageId } from "../protocols/mailbox/content.ts";
import type { Crypto } from "../platform/ports.ts";
import { checkRange } from "../store/limits.ts";
import type { MailRepository, MessageRow } from "../store/mail.ts";
import type { Outcome, Refusal } from "./handle.ts";
import type { Ref } from "./kernel/actor.ts";
import type { ConversationView, MailHandle, MailStatus, MessageView } from "./mail_handle.ts";
import { conversationView, decodeAttachments, MESSAGE_ORDER, messageView } from "./mail_views.ts";
import type { MailboxesCommand } from "./mailboxes/commands.ts";
import { refused } from "./outcomes.ts";

/** Sending waits for the disk, and attachments for their encryption. */
const SEND_TIMEOUT_MS = 60_000;
const PAGE_MAX = 200;
const CONVERSATIONS_MAX = 10_000;
const IDEMPOTENCY_KEY_MAX = 64;

export interface MailOfNodeOptions {
  readonly mail: MailRepository;
  readonly crypto: Pick<Crypto, "open" | "sha256">;
  /** Asks the mailboxes; no answer is a refusal. */
  readonly request: <T>(
    toMessage: (replyTo: Ref<Outcome<T>>) => MailboxesCommand,
    timeoutMs?: number,
  ) => Promise<Outcome<T>>;
  /** Asks the mailboxes; no answer is thrown. */
  readonly ask: <T>(toMessage: (replyTo: Ref<T>) => MailboxesCommand) => Promise<T>;
}

/** Makes the mail part of a node handle. */
export function mailOfNode({ mail, crypto, request, ask }: MailOfNodeOptions): MailHandle {
  async function rowOf(message: MessageId): Promise<MessageRow | undefined> {
    const [row] = await mail.list("messages", { where: { message }, limit: 1 });
    return row;
  }

  return {
    send(message, idempotencyKey) {
      if (idempotencyKey !== undefined && idempotencyKey.length > IDEMPOTENCY_KEY_MAX) {
        return Promise.resolve(refused(
          "invalid",
          `idempotencyKey has ${idempotencyKey.length} characters, expected at most ${IDEMPOTENCY_KEY_MAX}`,
        ));
      }
      return request<MessageView>((replyTo) => ({
        type: "sendMessage",
        message,
        idempotencyKey: idempotencyKey ?? null,
        replyTo,
      }), SEND_TIMEOUT_MS);
    },

    async conversations() {
      const rows = await mail.list("conversations", { limit: CONVERSATIONS_MAX });
      const views = await Promise.all(rows.map((row) => conversationView(mail, row)));
      return views.sort((a, b) => lastMs(b) - lastMs(a));
    },

    async conversation(id) {
      const row = await mail.get("conversations", { conversation: id });
      if (row === undefined) return unknownConversation(id);
      return { type: "done", value: await conversationView(mail, row) };
    },

    async messages({ conversation, cursor, limit }) {
      checkRange("limit", limit, 1, PAGE_MAX);
      const after = cursor === undefined ? undefined : parseCursor(cursor);
      if (after === null) {
        return refused("invalid", `Cannot list messages: "${cursor}" is no cursor of a page`);
      }
      if (await mail.get("conversations", { conversation }) === undefined) {
        return unknownConversation(conversation);
      }
      const rows = await mail.list("messages", {
        where: { conversation },
        order: MESSAGE_ORDER,
        descending: true,
        ...(after && { after }),
        limit: limit + 1,
      });
      const page = rows.slice(0, limit);
      const oldest = page.at(-1);
      const views = await Promise.all(page.map((row) => messageView(mail, row)));
      return {
        type: "done",
        value: {
          messages: views.reverse(),
          nextCursor: rows.length > limit && oldest !== undefined ? cursorOf(oldest) : null,
        },
      };
    },

    async message(id) {
      const row = await rowOf(id);
      if (row === undefined) return unknownMessage(id);
      return { type: "done", value: await messageView(mail, row) };
    },

    async unread(limit) {
      checkRange("limit", limit, 1, PAGE_MAX);
      const rows = await mail.list("messages", {
        where: { read: 0 },
        order: ["receivedAtMs", "author", "number"],
        descending: true,
        limit,
      });
      const views = await Promise.all(rows.map((row) => messageView(mail, row)));
      return views.reverse();
    },

    markRead: (conversation, upTo) =>
      request<null>((replyTo) => ({ type: "markRead", conversation, upTo, replyTo })),

    changeConversation: (conversation, change) =>
      request<ConversationView>((replyTo) => ({
        type: "changeConversation",
        conversation,
        change,
        replyTo,
      })),

    async attachment(message, index) {
      const row = await rowOf(message);
      if (row === undefined) return unknownMessage(message);
      const reference = decodeAttachments(row.attachments)[index];
      if (reference === undefined) {
        return refused("notFound", `Message "${message}" has no attachment ${index}`);
      }
      const rows = await mail.list("parts", {
        where: { author: row.author, blob: reference.blob },
        order: ["part"],
        limit: CONVERSATIONS_MAX,
      });
      // The first row says which parts are expected.
      const parts = rows.filter(({ part }) => part >= 0);
      const { name, mediaType, bytes } = reference;
      if (parts.length < reference.parts) {
        return refused(
          "unavailable",
          `Attachment "${name}" is not complete yet: ${parts.length} of ${reference.parts} parts are here. Try again`,
        );
      }
      const body = openAttachment(reference, parts.map(({ ciphertext }) => ciphertext), crypto);
      if (body === undefined) {
        return refused(
          "unavailable",
          `Attachment "${name}" cannot be opened: its bytes are not what its sender encrypted`,
        );
      }
      return { type: "done", value: { name, mediaType, bytes, complete: true, body } };
    },

    status: () => ask<MailStatus>((replyTo) => ({ type: "getMailStatus", replyTo })),
  };
}

function lastMs(view: ConversationView): number {
  return view.last?.receivedAtMs ?? 0;
}

function cursorOf({ clock, author, number, message }: MessageRow): string {
  return [clock, author, number, message].join(".");
}

/** Null when the text is no cursor. */
function parseCursor(cursor: string): readonly (string | number)[] | null {
  const match = /^(\d{1,16})\.([a-z2-7]{52})\.(\d{1,16})\.([0-9a-f]{32})$/.exec(cursor);
  if (match === null) return null;
  return [Number(match[1]), match[2]!, Number(match[3]), match[4]!];
}

function unknownConversation(id: ConversationId): Refusal {
  return refused("notFound", `There is no conversation "${id}" on this device`);
}

function unknownMessage(id: MessageId): Refusal {
  return refused("notFound", `There is no message "${id}" on this device`);
}
