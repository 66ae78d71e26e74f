/** What to show of the inbox, oldest first, and what then counts as read. */
import type { ConversationView, MessageView } from "../../actors/mail_handle.ts";
import type { NodeClient } from "../client.ts";

/** Messages of one request. */
const PAGE = 200;

/** Messages of a conversation until `enough` says so or it ends, oldest first. */
async function newest(
  client: NodeClient,
  id: string,
  enough: (messages: readonly MessageView[]) => boolean,
): Promise<readonly MessageView[]> {
  let messages: readonly MessageView[] = [];
  let cursor: string | undefined;
  do {
    const page = await client.mail.messages(id, { cursor, limit: PAGE });
    messages = [...page.messages, ...messages];
    cursor = page.nextCursor ?? undefined;
  } while (cursor !== undefined && !enough(messages));
  return messages;
}

function inOrder(messages: readonly MessageView[]): readonly MessageView[] {
  // Within a conversation the node's order stays: sorting is stable and arrival never contradicts what was shown before.
  return messages.toSorted((a, b) => a.receivedAtMs - b.receivedAtMs);
}

/**
 * At most `limit` unread messages of `conversations`, the oldest: reading goes on where it ended, and nothing that was not shown
 * counts as read.
 */
export async function unreadMessages(
  client: NodeClient,
  conversations: readonly ConversationView[],
  limit: number,
): Promise<readonly MessageView[]> {
  const found: MessageView[] = [];
  for (const { conversation, unread } of conversations) {
    if (unread === 0) continue;
    const isUnread = (message: MessageView) => !message.read && !message.own;
    const all = await newest(
      client,
      conversation,
      (messages) => messages.filter(isUnread).length >= unread,
    );
    found.push(...all.filter(isUnread).slice(0, limit));
  }
  return inOrder(found).slice(0, limit);
}

/** The newest `limit` messages of `conversations`, read ones and own ones too. */
export async function newestMessages(
  client: NodeClient,
  conversations: readonly ConversationView[],
  limit: number,
): Promise<readonly MessageView[]> {
  const found: MessageView[] = [];
  for (const { conversation } of conversations) {
    const all = await newest(client, conversation, ({ length }) => length >= limit);
    found.push(...all.slice(-limit));
  }
  return inOrder(found).slice(-limit);
}

/** Tells the node that a person has seen these. */
export async function markShown(
  client: NodeClient,
  messages: readonly MessageView[],
): Promise<void> {
  const last = new Map<string, MessageView>();
  for (const message of messages) {
    if (!message.own && !message.read) last.set(message.conversation, message);
  }
  for (const { conversation, message } of last.values()) {
    await client.mail.markRead(conversation, message);
  }
}
