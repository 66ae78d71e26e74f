/** The tables of the mail, described once: adapters and statements follow from it, and `migrations.ts` makes them. */
import type { MailTable, MailTables } from "./mail.ts";

/** What a column holds. */
export type ColumnType = "text" | "integer" | "blob" | "text?" | "integer?" | "blob?";

/** One table: its columns, which of them are the key, and which queries have an index. */
export interface MailTableDescription {
  readonly columns: Readonly<Record<string, ColumnType>>;
  readonly key: readonly string[];
  readonly indexes: readonly (readonly string[])[];
}

type Description<Row> = {
  readonly columns: { readonly [Column in keyof Row & string]: ColumnType };
  readonly key: readonly (keyof Row & string)[];
  readonly indexes: readonly (readonly (keyof Row & string)[])[];
};

/** The tables. A released description is never changed: a migration step adds what is new. */
export const MAIL_TABLES: { readonly [Table in MailTable]: Description<MailTables[Table]> } = {
  conversations: {
    columns: {
      conversation: "text",
      title: "text",
      direct: "integer",
      version: "integer",
      members: "text",
      leader: "text",
      clock: "integer",
      ownNumber: "integer",
      changedAtMs: "integer",
      incarnation: "integer",
      statements: "blob?",
    },
    key: ["conversation"],
    indexes: [],
  },
  groups: {
    columns: {
      conversation: "text",
      epoch: "integer",
      members: "text",
      state: "blob",
      messages: "integer",
      renewedAtMs: "integer",
    },
    key: ["conversation"],
    indexes: [],
  },
  messages: {
    columns: {
      author: "text",
      message: "text",
      conversation: "text",
      number: "integer",
      clock: "integer",
      timeMs: "integer",
      receivedAtMs: "integer",
      expiresAtMs: "integer?",
      own: "integer",
      protection: "text",
      read: "integer",
      text: "text",
      attachments: "blob?",
    },
    key: ["author", "message"],
    indexes: [
      ["conversation", "clock", "author", "number", "message"],
      ["conversation", "read"],
      ["read", "receivedAtMs"],
      ["message"],
      ["author", "read"],
      ["expiresAtMs"],
    ],
  },
  deliveries: {
    columns: {
      message: "text",
      device: "text",
      conversation: "text",
      state: "text",
      atMs: "integer",
      problem: "text?",
      expiresAtMs: "integer",
      attempts: "integer",
      nextAtMs: "integer?",
    },
    key: ["message", "device"],
    indexes: [["nextAtMs"], ["device", "attempts"]],
  },
  outgoing: {
    columns: {
      id: "text",
      recipient: "text",
      number: "integer",
      content: "text",
      message: "text?",
      conversation: "text?",
      expiresAtMs: "integer",
      bytes: "integer",
      parcel: "blob",
    },
    key: ["id"],
    indexes: [["message", "recipient"], ["recipient", "number"], ["expiresAtMs"]],
  },
  received: {
    columns: { id: "text", expiresAtMs: "integer" },
    key: ["id"],
    indexes: [["expiresAtMs"]],
  },
  streams: {
    columns: { sender: "text", series: "text", next: "integer", atMs: "integer" },
    key: ["sender", "series"],
    indexes: [],
  },
  sending: {
    columns: { recipient: "text", series: "text", next: "integer" },
    key: ["recipient"],
    indexes: [],
  },
  waiting: {
    columns: {
      id: "text",
      sender: "text",
      series: "text",
      number: "integer",
      reason: "text",
      conversation: "text?",
      untilMs: "integer",
      bytes: "integer",
      parcel: "blob",
    },
    key: ["id"],
    indexes: [["sender", "series", "number"], ["conversation"], ["untilMs"]],
  },
  carried: {
    columns: {
      id: "text",
      sender: "text",
      recipient: "text",
      expiresAtMs: "integer",
      atMs: "integer",
      bytes: "integer",
      parcel: "blob",
    },
    key: ["id"],
    indexes: [["recipient"], ["sender"], ["expiresAtMs"]],
  },
  parts: {
    columns: {
      blob: "text",
      part: "integer",
      author: "text",
      message: "text",
      bytes: "integer",
      ciphertext: "blob",
    },
    // Several may name one blob: what one author sends is apart from what others do.
    key: ["author", "blob", "part"],
    indexes: [["message"], ["author"]],
  },
  keyPackages: {
    columns: {
      hash: "text",
      publicPackage: "blob",
      privatePackage: "blob",
      createdAtMs: "integer",
      lasting: "integer",
      used: "integer",
    },
    key: ["hash"],
    indexes: [],
  },
  requests: {
    columns: { request: "text", asked: "text", message: "text", atMs: "integer" },
    key: ["request"],
    indexes: [["atMs"]],
  },
};

/** Names of the tables, in the order in which they are made. */
export const MAIL_TABLE_NAMES: readonly MailTable[] = Object.keys(MAIL_TABLES) as MailTable[];
