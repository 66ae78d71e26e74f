/**
 * The mail of a device as rows: conversations, messages, what is on its way, what is carried for others, keys of groups. One repository with
 * typed tables, because a step of the mailboxes changes several of them and is one transaction (`commit`): a message, the state of its
 * group and the parcels that carry it become durable together, before anything leaves the device.
 *
 * The tables are described once, in `mail_tables.ts`; both adapters and the schema of the database follow from the description.
 */
import type { ContentHash, DeviceId } from "../protocols/ids.ts";
import type {
  Content,
  ConversationId,
  MessageId,
  Protection,
} from "../protocols/mailbox/content.ts";
import type { ParcelId } from "../protocols/mailbox/parcel.ts";

/** See `Delivery` of the node handle. */
export type StoredDeliveryState =
  | "queued"
  | "carried"
  | "delivered"
  | "read"
  | "expired"
  | "failed";

/** One conversation. */
export interface ConversationRow {
  readonly conversation: ConversationId;
  readonly title: string;
  /** 1 for the direct conversation of two devices. */
  readonly direct: number;
  readonly version: number;
  /** JSON list of device ids, ascending. */
  readonly members: string;
  readonly leader: DeviceId;
  /** Which admission of the leader its statement is of; 0 where nothing is signed. */
  readonly incarnation: number;
  /**
   * The signed statements that this follows from, encoded (`protocols/mailbox/statements.ts`), and behind the one of this `version` those that
   * do not count yet by the registry; null: a direct or an older conversation.
   */
  readonly statements: Uint8Array | null;
  /** Largest clock seen. */
  readonly clock: number;
  /** Number of our last message. */
  readonly ownNumber: number;
  readonly changedAtMs: number;
}

/** Our MLS state of a conversation's group. */
export interface GroupRow {
  readonly conversation: ConversationId;
  readonly epoch: number;
  /** JSON list of device ids in the group, ascending. */
  readonly members: string;
  readonly state: Uint8Array;
  /** Messages since our keys were renewed. */
  readonly messages: number;
  readonly renewedAtMs: number;
}

/** One message, own or others'. */
export interface MessageRow {
  readonly author: DeviceId;
  readonly message: MessageId;
  readonly conversation: ConversationId;
  readonly number: number;
  readonly clock: number;
  readonly timeMs: number;
  readonly receivedAtMs: number;
  readonly expiresAtMs: number | null;
  /** 1 when this device wrote it. */
  readonly own: number;
  readonly protection: Protection;
  /** 1 when a person has seen it. */
  readonly read: number;
  readonly text: string;
  /** Canonical CBOR of the attachments' references; null when it has none. */
  readonly attachments: Uint8Array | null;
}

/** How far one of our messages has come to one recipient. */
export interface DeliveryRow {
  readonly message: MessageId;
  readonly device: DeviceId;
  readonly conversation: ConversationId;
  readonly state: StoredDeliveryState;
  readonly atMs: number;
  readonly problem: string | null;
  /** After this wall time it is `expired`. */
  readonly expiresAtMs: number;
  /** Parcels made for it so far. */
  readonly attempts: number;
  /** When the next parcel is made if the recipient has said nothing, wall ms; null while a parcel is on its way, and at the end. */
  readonly nextAtMs: number | null;
}

/** A parcel of ours that its recipient has not taken. */
export interface OutgoingRow {
  readonly id: ParcelId;
  readonly recipient: DeviceId;
  readonly number: number;
  readonly content: Content["type"];
  /** The message it is about, for deliveries; null for everything else. */
  readonly message: MessageId | null;
  readonly conversation: ConversationId | null;
  readonly expiresAtMs: number;
  readonly bytes: number;
  readonly parcel: Uint8Array;
}

/** A parcel that has come: it is never taken twice. */
export interface ReceivedRow {
  readonly id: ParcelId;
  readonly expiresAtMs: number;
}

/** What comes next from a sender's numbering. */
export interface StreamRow {
  readonly sender: DeviceId;
  /** 16 hex digits. */
  readonly series: string;
  readonly next: number;
  readonly atMs: number;
}

/** Our numbering to one recipient. */
export interface SendingRow {
  readonly recipient: DeviceId;
  readonly series: string;
  readonly next: number;
}

/** A parcel that came too early: something before it, a key, a conversation or an epoch is missing. */
export interface WaitingRow {
  readonly id: ParcelId;
  readonly sender: DeviceId;
  readonly series: string;
  readonly number: number;
  readonly reason: "gap" | "key" | "conversation" | "epoch";
  readonly conversation: ConversationId | null;
  /** When waiting ends, wall ms. */
  readonly untilMs: number;
  readonly bytes: number;
  readonly parcel: Uint8Array;
}

/** Another's parcel that we keep for a third. */
export interface CarriedRow {
  readonly id: ParcelId;
  readonly sender: DeviceId;
  readonly recipient: DeviceId;
  readonly expiresAtMs: number;
  readonly atMs: number;
  readonly bytes: number;
  readonly parcel: Uint8Array;
}

/** One piece of an attachment's ciphertext. */
export interface PartRow {
  readonly blob: ContentHash;
  readonly part: number;
  readonly author: DeviceId;
  readonly message: MessageId;
  readonly bytes: number;
  readonly ciphertext: Uint8Array;
}

/** One of our own key packages. */
export interface KeyPackageRow {
  /** SHA-256 of the public part, hex. */
  readonly hash: string;
  readonly publicPackage: Uint8Array;
  readonly privatePackage: Uint8Array;
  readonly createdAtMs: number;
  /** 1 for the one that may be used again. */
  readonly lasting: number;
  /** 1 when a welcome used it: it is not published again. */
  readonly used: number;
}

/** An answered request of a user, by its idempotency key. */
export interface RequestRow {
  readonly request: string;
  /** What was asked, as a hash, hex. */
  readonly asked: string;
  readonly message: MessageId;
  readonly atMs: number;
}

/** Every table of the mail. */
export interface MailTables {
  readonly conversations: ConversationRow;
  readonly groups: GroupRow;
  readonly messages: MessageRow;
  readonly deliveries: DeliveryRow;
  readonly outgoing: OutgoingRow;
  readonly received: ReceivedRow;
  readonly streams: StreamRow;
  readonly sending: SendingRow;
  readonly waiting: WaitingRow;
  readonly carried: CarriedRow;
  readonly parts: PartRow;
  readonly keyPackages: KeyPackageRow;
  readonly requests: RequestRow;
}
export type MailTable = keyof MailTables;

/** One change of a commit: a row put in the place of whatever has its key, or the row of a key removed. */
export type MailChange = {
  readonly [Table in MailTable]:
    | { readonly table: Table; readonly put: MailTables[Table] }
    | { readonly table: Table; readonly remove: Partial<MailTables[Table]> };
}[MailTable];

/** Which rows, in which order, how many. */
export interface MailQuery<Table extends MailTable> {
  /** Columns that have exactly these values. */
  readonly where?: Partial<MailTables[Table]>;
  /** Only rows whose value in this column is at most this; null values never are. */
  readonly atMost?: { readonly column: keyof MailTables[Table] & string; readonly value: number };
  /** Columns by which rows are sorted, ascending. Default: the key. */
  readonly order?: readonly (keyof MailTables[Table] & string)[];
  readonly descending?: boolean;
  /** Only rows after this place in the order: values of the `order` columns. */
  readonly after?: readonly (string | number)[];
  /** 1–10,000. */
  readonly limit: number;
}

/** Rows of a query in one go, at most. */
export const MAIL_ROWS_MAX = 10_000;

export interface MailRepository {
  /** Makes all changes durable in one transaction, in the order given. */
  commit(changes: readonly MailChange[]): Promise<void>;
  /** The row with this key; undefined when there is none. */
  get<Table extends MailTable>(
    table: Table,
    key: Partial<MailTables[Table]>,
  ): Promise<MailTables[Table] | undefined>;
  list<Table extends MailTable>(
    table: Table,
    query: MailQuery<Table>,
  ): Promise<readonly MailTables[Table][]>;
  /** How many rows fit, and the sum of their column `bytes` where the table has one (else 0). */
  totals<Table extends MailTable>(
    table: Table,
    where?: Partial<MailTables[Table]>,
  ): Promise<{ readonly rows: number; readonly bytes: number }>;
}
