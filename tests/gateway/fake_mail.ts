/** The messages of a node in memory: one device writes to others that never answer; tests move deliveries and let messages arrive. */
import type { NodeEvent } from "../../actors/events.ts";
import type {
  ConversationView,
  DeliveryState,
  MailHandle,
  MessageView,
} from "../../actors/mail_handle.ts";
import type { DeviceId } from "../../protocols/ids.ts";
import type { ConversationId, MessageId } from "../../protocols/mailbox/content.ts";
import { done, refused } from "./fake_outcomes.ts";

export interface FakeMail extends MailHandle {
  /** A message of `from` arrives in their direct conversation. */
  arrive(from: DeviceId, text: string, attachment?: { name: string; body: Uint8Array }): MessageId;
  deliver(message: MessageId, to: DeviceId, state: DeliveryState): void;
}

interface Kept {
  view: MessageView;
  readonly bodies: readonly Uint8Array[];
}

const START_MS = 1_795_000_000_000;

/** Mail of device `self`, which may write to `members`. */
export function fakeMail(
  { self, members, publish }: {
    readonly self: DeviceId;
    readonly members: readonly DeviceId[];
    readonly publish: (event: NodeEvent) => void;
  },
): FakeMail {
  const conversations = new Map<string, Omit<ConversationView, "unread" | "messages" | "last">>();
  const messages: Kept[] = [];
  const answers = new Map<string, MessageView>();
  let drawn = 0;
  const draw = () => (++drawn).toString(16).padStart(32, "0");

  function conversationOf(to: readonly DeviceId[], title: string): ConversationId {
    const all = [...new Set([self, ...to])].sort();
    const direct = all.length === 2;
    const found = [...conversations.values()].find((each) =>
      each.direct && direct && each.members.join() === all.join()
    );
    if (found !== undefined) return found.conversation;
    const conversation = draw() as ConversationId;
    conversations.set(conversation, {
      conversation,
      title,
      direct,
      members: all,
      protection: "mls",
    });
    return conversation;
  }

  const inside = (id: string) => messages.filter(({ view }) => view.conversation === id);

  function viewOf(id: string): ConversationView | undefined {
    const found = conversations.get(id);
    if (found === undefined) return undefined;
    const own = inside(id);
    const unread = own.filter(({ view }) => !view.read).length;
    return { ...found, unread, messages: own.length, last: own.at(-1)?.view ?? null };
  }

  function keep(view: MessageView, bodies: readonly Uint8Array[]): void {
    messages.push({ view, bodies });
    publish({ type: "conversationChanged", conversation: view.conversation });
  }

  function attachmentViews(
    list: readonly { name: string; mediaType: string; body: Uint8Array }[],
  ): MessageView["attachments"] {
    return list.map(({ name, mediaType, body }) => {
      return { name, mediaType, bytes: body.length, complete: true };
    });
  }

  return {
    send(message, idempotencyKey) {
      const earlier = idempotencyKey === undefined ? undefined : answers.get(idempotencyKey);
      if (earlier !== undefined) return done(earlier);
      for (const to of message.to ?? []) {
        if (!members.includes(to)) return refused("notFound", `no member "${to}"`);
      }
      const conversation = message.conversation ??
        conversationOf(message.to ?? [], message.title ?? "");
      const found = conversations.get(conversation);
      if (found === undefined) return refused("notFound", `no conversation "${conversation}"`);
      const timeMs = START_MS + messages.length * 1_000;
      const view: MessageView = {
        message: draw() as MessageId,
        conversation,
        from: self,
        own: true,
        text: message.text,
        timeMs,
        receivedAtMs: timeMs,
        expiresAtMs: message.vanishMs === undefined ? null : timeMs + message.vanishMs,
        protection: "mls",
        attachments: attachmentViews(message.attachments ?? []),
        read: true,
        deliveries: found.members.filter((each) => each !== self).map((deviceId) => {
          return { deviceId, state: "queued", atMs: timeMs, problem: null };
        }),
      };
      keep(view, (message.attachments ?? []).map(({ body }) => body));
      if (idempotencyKey !== undefined) answers.set(idempotencyKey, view);
      return done(view);
    },
    conversations: () => Promise.resolve([...conversations.keys()].map((id) => viewOf(id)!)),
    conversation(id) {
      const view = viewOf(id);
      return view === undefined ? refused("notFound", `no conversation "${id}"`) : done(view);
    },
    messages({ conversation, cursor, limit }) {
      if (!conversations.has(conversation)) {
        return refused("notFound", `no conversation "${conversation}"`);
      }
      if (cursor !== undefined && !/^\d+$/.test(cursor)) {
        return refused("invalid", `cursor is "${cursor}", expected one of an earlier page`);
      }
      const all = inside(conversation).map(({ view }) => view);
      const end = cursor === undefined ? all.length : Math.min(Number(cursor), all.length);
      const start = Math.max(0, end - limit);
      const nextCursor = start === 0 ? null : String(start);
      return done({ messages: all.slice(start, end), nextCursor });
    },
    message(id) {
      const kept = messages.find(({ view }) => view.message === id);
      return kept === undefined ? refused("notFound", `no message "${id}"`) : done(kept.view);
    },
    unread: (limit) =>
      Promise.resolve(
        messages.map(({ view }) => view).filter((view) => !view.read).slice(-limit),
      ),
    markRead(conversation, upTo) {
      const all = inside(conversation);
      const last = all.findIndex(({ view }) => view.message === upTo);
      if (last === -1) return refused("notFound", `no message "${upTo}" in this conversation`);
      for (const kept of all.slice(0, last + 1)) kept.view = { ...kept.view, read: true };
      publish({ type: "conversationChanged", conversation });
      return done(null);
    },
    changeConversation(id, { title, add = [], remove = [] }) {
      const found = conversations.get(id);
      if (found === undefined) return refused("notFound", `no conversation "${id}"`);
      if (found.direct) return refused("invalid", "a direct conversation cannot be changed");
      const all = new Set([...found.members, ...add]);
      for (const each of remove) all.delete(each);
      conversations.set(id, { ...found, title: title ?? found.title, members: [...all].sort() });
      publish({ type: "conversationChanged", conversation: id });
      return done(viewOf(id)!);
    },
    attachment(id, index) {
      const kept = messages.find(({ view }) => view.message === id);
      const view = kept?.view.attachments[index];
      const body = kept?.bodies[index];
      if (view === undefined || body === undefined) {
        return refused("notFound", `message "${id}" has no attachment ${index}`);
      }
      return done({ ...view, body });
    },
    status: () =>
      Promise.resolve({
        queued: messages.flatMap(({ view }) => view.deliveries)
          .filter(({ state }) => state === "queued").length,
        queuedBytes: 1_000,
        carried: 3,
        carriedBytes: 3_000,
        carriedBytesMax: 100_000,
        waiting: 0,
        unread: messages.filter(({ view }) => !view.read).length,
      }),

    arrive(from, text, attachment) {
      const conversation = conversationOf([from], "");
      const timeMs = START_MS + messages.length * 1_000;
      const attachments = attachment === undefined
        ? []
        : [{ ...attachment, mediaType: "application/octet-stream" }];
      const message = draw() as MessageId;
      const view: MessageView = {
        message,
        conversation,
        from,
        own: false,
        text,
        timeMs,
        receivedAtMs: timeMs,
        expiresAtMs: null,
        protection: "mls",
        attachments: attachmentViews(attachments),
        read: false,
        deliveries: [],
      };
      keep(view, attachments.map(({ body }) => body));
      publish({ type: "messageReceived", message, conversation, from });
      return message;
    },
    deliver(message, to, state) {
      const kept = messages.find(({ view }) => view.message === message);
      if (kept === undefined) throw new RangeError(`no message "${message}"`);
      const deliveries = kept.view.deliveries.map((each) =>
        each.deviceId === to ? { ...each, state } : each
      );
      kept.view = { ...kept.view, deliveries };
      const { conversation } = kept.view;
      publish({ type: "deliveryChanged", message, conversation, to, state });
    },
  };
}
