/** Commands of the mailboxes actor: own messages out and in, others' parcels kept for them. */
import type { ConversationId, MessageId } from "../../protocols/mailbox/content.ts";
import type { MailboxMessage } from "../../protocols/mailbox/messages.ts";
import type { Outcome } from "../handle.ts";
import type { Ref } from "../kernel/actor.ts";
import type {
  ConversationChange,
  ConversationView,
  MailStatus,
  MessageView,
  NewMessage,
} from "../mail_handle.ts";
import type { PeerMessage } from "../sessions/commands.ts";

export type MailboxesCommand =
  /** Encrypts, stores and sends; answers when the message is durable here. */
  | {
    readonly type: "sendMessage";
    readonly message: NewMessage;
    readonly idempotencyKey: string | null;
    readonly replyTo: Ref<Outcome<MessageView>>;
  }
  | {
    readonly type: "markRead";
    readonly conversation: ConversationId;
    readonly upTo: MessageId;
    readonly replyTo: Ref<Outcome<null>>;
  }
  | {
    readonly type: "changeConversation";
    readonly conversation: ConversationId;
    readonly change: ConversationChange;
    readonly replyTo: Ref<Outcome<ConversationView>>;
  }
  | { readonly type: "getMailStatus"; readonly replyTo: Ref<MailStatus> }
  | PeerMessage<MailboxMessage>;
