/** Commands of the mailboxes actor: own messages out and in, others' parcels kept for them. */
import type { KeepOutcome, KeptMessage } from "../../platform/broker.ts";
import type { DeviceId } from "../../protocols/ids.ts";
import type { ConversationId, MessageId } from "../../protocols/mailbox/content.ts";
import type { MailboxMessage } from "../../protocols/mailbox/messages.ts";
import type { ParcelId } from "../../protocols/mailbox/parcel.ts";
import type { Block } from "../../protocols/blocks/block.ts";
import type { Outcome } from "../handle.ts";
import type { Ref, TaskOutcome } from "../kernel/actor.ts";
import type {
  ConversationChange,
  ConversationView,
  MailStatus,
  MessageView,
  NewMessage,
} from "../mail_handle.ts";
import type { MembershipChanged } from "../members/commands.ts";
import type { PeerMessage, PeerSessionEvent } from "../sessions/commands.ts";
import type { BlocksCommitted } from "../storage/commands.ts";
import type { OwnKeys } from "./keys.ts";
import type { LoadedMail } from "./load.ts";
import type { StepFacts } from "./step.ts";

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
  | PeerMessage<MailboxMessage>
  | Private;

/** What only the actor sends to itself: events, ends of tasks, timers. */
type Private =
  | { readonly type: "sessionChanged"; readonly event: PeerSessionEvent }
  | { readonly type: "membershipChanged"; readonly event: MembershipChanged }
  | { readonly type: "blocksCommitted"; readonly event: BlocksCommitted }
  | { readonly type: "loaded"; readonly outcome: TaskOutcome<LoadedMail> }
  | { readonly type: "loadDue" }
  | { readonly type: "stepDone"; readonly outcome: TaskOutcome<StepFacts> }
  | { readonly type: "stepDue" }
  /** What could wait for a step with others has waited long enough. */
  | { readonly type: "patienceOver" }
  | { readonly type: "tendDue" }
  /** The bytes of parcels that are handed to a peer or the broker now. */
  | {
    readonly type: "parcelsRead";
    readonly to: DeviceId | "broker";
    readonly outcome: TaskOutcome<readonly ReadParcel[]>;
  }
  | { readonly type: "ownKeysMade"; readonly outcome: TaskOutcome<OwnKeys> }
  | { readonly type: "keysPublished"; readonly outcome: Outcome<readonly Block[]> }
  | { readonly type: "mailCollected"; readonly kept: KeptMessage }
  | { readonly type: "brokerKept"; readonly id: ParcelId; readonly outcome: KeepOutcome }
  | {
    readonly type: "statusRead";
    readonly replyTo: Ref<MailStatus>;
    readonly outcome: TaskOutcome<{ readonly waiting: number; readonly unread: number }>;
  };

/** A parcel as it is in the store; null when it is not there any more. */
export interface ReadParcel {
  readonly id: ParcelId;
  readonly parcel: Uint8Array | null;
}
