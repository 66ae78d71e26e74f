/** Messages as the node's views see them. Part of `NodeHandle`; field names are the same here, in JSON, in the CLI and in the docs. */
import type { DeviceId } from "../protocols/ids.ts";
import type { ConversationId, MessageId, Protection } from "../protocols/mailbox/content.ts";
import type { Outcome } from "./handle.ts";

/** How far a message has come to one recipient. */
export type DeliveryState =
  /** Durable here, on no other device yet. */
  | "queued"
  /** A carrier (another device or the broker) keeps a sealed copy. */
  | "carried"
  /** Durable on the recipient's device. */
  | "delivered"
  | "read"
  /** Its time was over before it arrived. */
  | "expired"
  /** It can never arrive; `problem` says why. */
  | "failed";

export interface Delivery {
  readonly deviceId: DeviceId;
  readonly state: DeliveryState;
  readonly atMs: number;
  readonly problem: string | null;
}

export interface AttachmentView {
  readonly name: string;
  readonly mediaType: string;
  readonly bytes: number;
  /** True when all of it is here. */
  readonly complete: boolean;
}

export interface MessageView {
  readonly message: MessageId;
  readonly conversation: ConversationId;
  readonly from: DeviceId;
  /** True when this device wrote it. */
  readonly own: boolean;
  readonly text: string;
  readonly timeMs: number;
  /** When it became durable here. */
  readonly receivedAtMs: number;
  readonly expiresAtMs: number | null;
  readonly protection: Protection;
  readonly attachments: readonly AttachmentView[];
  /** A person has seen it (own messages: true). */
  readonly read: boolean;
  /** Of own messages, one per recipient; empty for others' messages. */
  readonly deliveries: readonly Delivery[];
}

export interface ConversationView {
  readonly conversation: ConversationId;
  /** Empty for direct conversations: views show the other device's name. */
  readonly title: string;
  readonly direct: boolean;
  readonly members: readonly DeviceId[];
  /** How the next message will be protected. */
  readonly protection: Protection;
  readonly unread: number;
  readonly messages: number;
  readonly last: MessageView | null;
}

export interface MessagePage {
  /** In the order of the conversation, oldest first, ending with the newest before the cursor. */
  readonly messages: readonly MessageView[];
  /** Continues with what came before; null at the beginning. */
  readonly nextCursor: string | null;
}

export interface NewMessage {
  /** An existing conversation; or `to`: one device (its direct conversation) or several (a new group). */
  readonly conversation?: ConversationId;
  readonly to?: readonly DeviceId[];
  /** Of a new group. */
  readonly title?: string;
  readonly text: string;
  readonly attachments?: readonly {
    readonly name: string;
    readonly mediaType: string;
    readonly body: Uint8Array;
  }[];
  /** 1,000 – 30 days; default 30 days. Not arrived by then: `expired`, by the author's clock and by the recipient's, whichever is first. */
  readonly validMs?: number;
  /** Deleted on both ends this long after sending, ms; default never. */
  readonly vanishMs?: number;
}

export interface ConversationChange {
  readonly title?: string;
  readonly add?: readonly DeviceId[];
  readonly remove?: readonly DeviceId[];
}

/** What waits on this device, in both directions. */
export interface MailStatus {
  /** Own parcels that have not reached their recipient. */
  readonly queued: number;
  readonly queuedBytes: number;
  /** Others' parcels kept here. */
  readonly carried: number;
  readonly carriedBytes: number;
  readonly carriedBytesMax: number;
  /** Arrived, but something before them is missing. */
  readonly waiting: number;
  readonly unread: number;
}

export interface MailHandle {
  /** Resolves when the message is durable here. The same key (≤ 64 characters) within 24 h gives the first answer again. */
  send(message: NewMessage, idempotencyKey?: string): Promise<Outcome<MessageView>>;
  conversations(): Promise<readonly ConversationView[]>;
  conversation(id: ConversationId): Promise<Outcome<ConversationView>>;
  messages(
    query: {
      readonly conversation: ConversationId;
      readonly cursor?: string;
      /** 1–200. */
      readonly limit: number;
    },
  ): Promise<Outcome<MessagePage>>;
  message(id: MessageId): Promise<Outcome<MessageView>>;
  /** Newest messages of all conversations that nobody has seen, oldest first, at most `limit` (1–200). */
  unread(limit: number): Promise<readonly MessageView[]>;
  /** A person has seen everything up to this message; its authors are told. */
  markRead(conversation: ConversationId, upTo: MessageId): Promise<Outcome<null>>;
  /** Changes a group: title, members. Only its members may; the leader carries it out. */
  changeConversation(
    id: ConversationId,
    change: ConversationChange,
  ): Promise<Outcome<ConversationView>>;
  /** A whole attachment, decrypted; refuses with `unavailable` while parts are missing. */
  attachment(
    message: MessageId,
    index: number,
  ): Promise<Outcome<AttachmentView & { readonly body: Uint8Array }>>;
  status(): Promise<MailStatus>;
}
