/**
 * What is inside a parcel's box, and inside an MLS application message: only the two ends (or the group) see it. The outer sender is
 * proved by the box, the inner one by MLS. Encoded canonically by `content_wire.ts`.
 */
import type { ContentHash, DeviceId } from "../ids.ts";

/** 32 lower-case hex digits (16 bytes). Direct conversations: derived from the two ids (`directConversation`); groups: drawn by their founder. */
export type ConversationId = string & { readonly __brand: "ConversationId" };
/** 32 lower-case hex digits (16 random bytes), chosen by the author of a message. */
export type MessageId = string & { readonly __brand: "MessageId" };

/** How a message was protected. `box`: NaCl box alone. `mls`: RFC 9420 inside the box, with forward secrecy and post-compromise security. */
export type Protection = "box" | "mls";

/** A file that goes with a message: encrypted once with its own key, sent as `part`s beside the message. */
export interface AttachmentReference {
  readonly name: string;
  readonly mediaType: string;
  /** Plain size, bytes. */
  readonly bytes: number;
  /** SHA-256 of the whole ciphertext: names the parts that belong together. */
  readonly blob: ContentHash;
  /** ChaCha20-Poly1305 key, 32 bytes. */
  readonly key: Uint8Array;
  readonly parts: number;
}

/** A message of a person or program. */
export interface MessageContent {
  readonly type: "message";
  readonly conversation: ConversationId;
  readonly message: MessageId;
  /** 1 for the author's first message in this conversation, then without gaps: shown in this order. */
  readonly number: number;
  /** Lamport clock of the conversation: larger than that of every message its author had seen. Order: (clock, author, number). */
  readonly clock: number;
  readonly timeMs: number;
  /** Not shown any more, and deleted, after this wall time, ms; null: kept. */
  readonly expiresAtMs: number | null;
  /** At most `TEXT_BYTES_MAX` bytes of UTF-8. */
  readonly text: string;
  readonly attachments: readonly AttachmentReference[];
}

/** Sent back by the recipient's device: `delivered` when durable there, `read` when a person has seen it. */
export interface ReceiptContent {
  readonly type: "receipt";
  readonly conversation: ConversationId;
  readonly state: "delivered" | "read";
  readonly messages: readonly MessageId[];
}

/** One piece of an attachment's ciphertext. */
export interface PartContent {
  readonly type: "part";
  readonly blob: ContentHash;
  readonly index: number;
  readonly count: number;
  readonly bytes: Uint8Array;
}

/**
 * Who should be in a conversation: what a member asks of its leader. In conversations of before there were signed statements it is also how
 * the leader itself tells the others.
 */
export interface ConversationContent {
  readonly type: "conversation";
  readonly conversation: ConversationId;
  /** Grows with every change. */
  readonly version: number;
  readonly title: string;
  /** Ascending; 2 to `CONVERSATION_MEMBERS_MAX`. */
  readonly members: readonly DeviceId[];
  /** The only one who commits to the group; the next one is the lowest id that is still admitted. */
  readonly leader: DeviceId;
}

/** A leader's word about a conversation as it was signed: anybody may pass it on (`statements.ts`). */
export interface SignedStatement {
  /** Canonical CBOR, at most `STATEMENT_BYTES_MAX`. */
  readonly body: Uint8Array;
  /** Ed25519 by the leader that the body names, 64 bytes. */
  readonly signature: Uint8Array;
}

/** Who is in a conversation, with the evidence: its founder's newest word, and that of every leader who took over since, in that order. */
export interface StatementsContent {
  readonly type: "statements";
  readonly conversation: ConversationId;
  /** 1 to `STATEMENTS_MAX`. */
  readonly statements: readonly SignedStatement[];
}

/** Something of the conversation's MLS group. `application` holds an encoded `MessageContent`. */
export interface GroupContent {
  readonly type: "group";
  readonly conversation: ConversationId;
  /** `rejoin`: the sender has lost its state (restored from a backup, welcome missed) and asks the leader to be added anew. */
  readonly kind: "welcome" | "commit" | "application" | "proposal" | "rejoin";
  /** Epoch it was made in (for a welcome: the one it leads to). */
  readonly epoch: number;
  readonly bytes: Uint8Array;
}

export type Content =
  | MessageContent
  | ReceiptContent
  | PartContent
  | ConversationContent
  | StatementsContent
  | GroupContent;

/** Longest text, bytes of UTF-8. */
export const TEXT_BYTES_MAX = 64 * 1024;
/** Attachments of one message, at most. */
export const ATTACHMENTS_MAX = 16;
/** Largest attachment, bytes. */
export const ATTACHMENT_BYTES_MAX = 64 * 1024 * 1024;
/** Ciphertext in one part, bytes. */
export const PART_BYTES = 256 * 1024;
/** Devices in one conversation, at most. */
export const CONVERSATION_MEMBERS_MAX = 64;
/** Leaders that may follow each other in one conversation, at most: each of them had to leave the mesh first. */
export const STATEMENTS_MAX = 32;
/** Longest body of a statement, bytes: with 64 members and the longest title it takes 2,425. */
export const STATEMENT_BYTES_MAX = 2_560;
/** Longest title, bytes. */
export const TITLE_BYTES_MAX = 128;
/** Messages in one receipt, at most. */
export const RECEIPT_MESSAGES_MAX = 256;
