/** Requests and answers about messages, as zod schemas. Field names are those of `actors/mail_handle.ts`; bytes are base64. */
import { z } from "@hono/zod-openapi";
import type {
  AttachmentView,
  ConversationChange,
  ConversationView,
  Delivery,
  MailStatus,
  MessagePage,
  MessageView,
  NewMessage,
} from "../actors/mail_handle.ts";
import {
  ATTACHMENTS_MAX,
  CONVERSATION_MEMBERS_MAX,
  TEXT_BYTES_MAX,
  TITLE_BYTES_MAX,
} from "../protocols/mailbox/content.ts";
import { PARCEL_LIFE_MS_MAX } from "../protocols/mailbox/parcel.ts";
import { mayBeMissing } from "./may_be_missing.ts";
import { identical, type Matches } from "./schema_identity.ts";
import { base64Schema, count, deviceIdSchema, mediaTypeSchema, text } from "./schemas.ts";

/** Longest name of an attachment, bytes of UTF-8. */
export const ATTACHMENT_NAME_BYTES_MAX = 255;

export const messageIdSchema = z.string()
  .regex(/^[0-9a-f]{32}$/, "expected 32 lower-case hex digits")
  .openapi({ description: "16 random bytes chosen by the author, hex.", example: "0".repeat(32) });

export const conversationIdSchema = z.string()
  .regex(/^[0-9a-f]{32}$/, "expected 32 lower-case hex digits")
  .openapi({ description: "Names a conversation, hex.", example: "0".repeat(32) });

export const deliveryStateSchema = z.enum([
  "queued",
  "carried",
  "delivered",
  "read",
  "expired",
  "failed",
]).openapi({ description: "How far a message has come to one recipient." });

const protectionSchema = z.enum(["box", "mls"]).openapi({
  description: "box: NaCl box. mls: RFC 9420 inside the box, with forward secrecy.",
});

export const deliverySchema = z.strictObject({
  deviceId: deviceIdSchema,
  state: deliveryStateSchema,
  atMs: z.int(),
  problem: z.string().nullable(),
}).openapi("Delivery");

export const attachmentSchema = z.strictObject({
  name: z.string(),
  mediaType: z.string(),
  bytes: count(),
  complete: z.boolean().openapi({ description: "True when all of it is here." }),
}).openapi("Attachment");

export const messageSchema = z.strictObject({
  message: messageIdSchema,
  conversation: conversationIdSchema,
  from: deviceIdSchema,
  own: z.boolean(),
  text: z.string(),
  timeMs: z.int().openapi({ description: "The author's clock: a claim." }),
  receivedAtMs: z.int(),
  expiresAtMs: z.int().nullable(),
  protection: protectionSchema,
  attachments: z.array(attachmentSchema),
  read: z.boolean(),
  deliveries: z.array(deliverySchema).openapi({
    description: "Of own messages, one per recipient; empty for others' messages.",
  }),
}).openapi("Message");

export const conversationSchema = z.strictObject({
  conversation: conversationIdSchema,
  title: z.string().openapi({ description: "Empty for direct conversations." }),
  direct: z.boolean(),
  members: z.array(deviceIdSchema),
  protection: protectionSchema,
  unread: count(),
  messages: count(),
  last: messageSchema.nullable(),
}).openapi("Conversation");
export const conversationsSchema = z.strictObject({ conversations: z.array(conversationSchema) });

export const messagePageSchema = z.strictObject({
  messages: z.array(messageSchema),
  nextCursor: z.string().nullable().openapi({ description: "Continues with older ones." }),
}).openapi("MessagePage");
export const messagesSchema = z.strictObject({ messages: z.array(messageSchema) });

const newAttachmentSchema = z.strictObject({
  name: text(ATTACHMENT_NAME_BYTES_MAX, 1),
  mediaType: mediaTypeSchema,
  body: base64Schema,
});

const titleSchema = text(TITLE_BYTES_MAX);
const devicesSchema = z.array(deviceIdSchema).min(1).max(CONVERSATION_MEMBERS_MAX);

export const newMessageSchema = z.strictObject({
  conversation: mayBeMissing(conversationIdSchema),
  to: mayBeMissing(devicesSchema).openapi({
    description: "One device: its direct conversation. Several: a new group.",
  }),
  title: mayBeMissing(titleSchema).openapi({ description: "Of a new group." }),
  text: text(TEXT_BYTES_MAX),
  attachments: mayBeMissing(z.array(newAttachmentSchema).max(ATTACHMENTS_MAX)),
  validMs: mayBeMissing(z.int().min(1_000).max(PARCEL_LIFE_MS_MAX)).openapi({
    description: "Not arrived by then: expired. Default 30 days.",
  }),
  vanishMs: mayBeMissing(z.int().min(1_000).max(366 * 86_400_000)).openapi({
    description: "Deleted on both ends this long after sending. Default never.",
  }),
}).refine(
  (message) => (message.conversation === undefined) !== (message.to === undefined),
  { message: "name either conversation or to, not both", path: ["to"] },
).refine(
  (message) => message.text !== "" || (message.attachments?.length ?? 0) > 0,
  { message: "text is empty and nothing is attached", path: ["text"] },
).openapi("NewMessage");

/** What a form sends: the same fields, attachments as files. */
export const messageFormSchema = z.strictObject({
  conversation: conversationIdSchema.optional(),
  to: z.array(deviceIdSchema).optional().openapi({ description: "Repeated." }),
  title: z.string().optional(),
  text: z.string().optional(),
  validMs: z.string().optional(),
  vanishMs: z.string().optional(),
  attachment: z.array(z.string().openapi({ format: "binary" })).optional(),
});

export const conversationChangeSchema = z.strictObject({
  title: mayBeMissing(titleSchema),
  add: mayBeMissing(devicesSchema),
  remove: mayBeMissing(devicesSchema),
}).refine((change) => Object.keys(change).length > 0, "name at least one of title, add, remove");

export const markReadSchema = z.strictObject({ upTo: messageIdSchema });

export const messageQuerySchema = z.strictObject({
  cursor: z.string().regex(/^[\x21-\x7e]{1,200}$/, "expected a nextCursor of an earlier page")
    .optional(),
  limit: z.coerce.number().int().min(1).max(200).default(50),
});
export const unreadQuerySchema = z.strictObject({
  unread: z.literal("true").openapi({ description: "Only what nobody has seen is listed here." }),
  limit: z.coerce.number().int().min(1).max(200).default(50),
});

export const mailStatusSchema = z.strictObject({
  queued: count(),
  queuedBytes: count(),
  carried: count(),
  carriedBytes: count(),
  carriedBytesMax: count(),
  waiting: count(),
  unread: count(),
}).openapi("MailStatus");

identical<[
  Matches<typeof deliverySchema, Delivery>,
  Matches<typeof attachmentSchema, AttachmentView>,
  Matches<typeof messageSchema, MessageView>,
  Matches<typeof conversationSchema, ConversationView>,
  Matches<typeof messagePageSchema, MessagePage>,
  Matches<typeof newMessageSchema, NewMessage>,
  Matches<typeof conversationChangeSchema, ConversationChange>,
  Matches<typeof mailStatusSchema, MailStatus>,
]>(true, true, true, true, true, true, true, true);
