/** Requests and answers about messages, as zod schemas. */
import { z } from "@hono/zod-openapi";

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
