/** Conversations: list, read page by page, change, and say what was seen. */
import { createRoute, z } from "@hono/zod-openapi";
import type { ConversationId, MessageId } from "../../protocols/mailbox/content.ts";
import type { GatewayHono, GatewayParts } from "../environment.ts";
import { conversationChangeOf, conversationJson, messageJson } from "../mail_json.ts";
import {
  conversationChangeSchema,
  conversationIdSchema,
  conversationSchema,
  conversationsSchema,
  markReadSchema,
  messagePageSchema,
  messageQuerySchema,
} from "../mail_schemas.ts";
import { refusalResponse } from "../problems.ts";
import { json, jsonBody, PROBLEMS, sent } from "./route_helpers.ts";

const tags = ["messages"];
const params = z.strictObject({ id: conversationIdSchema });

const listRoute = createRoute({
  method: "get",
  path: "/v1/conversations",
  tags,
  summary: "Conversations, with the last message of each",
  responses: { 200: json(conversationsSchema, "All of them."), ...PROBLEMS },
});

const getRoute = createRoute({
  method: "get",
  path: "/v1/conversations/{id}",
  tags,
  summary: "One conversation",
  request: { params },
  responses: { 200: json(conversationSchema, "The conversation."), ...PROBLEMS },
});

const messagesRoute = createRoute({
  method: "get",
  path: "/v1/conversations/{id}/messages",
  tags,
  summary: "Messages in the order of the conversation, the newest page first",
  request: { params, query: messageQuerySchema },
  responses: { 200: json(messagePageSchema, "One page, oldest first."), ...PROBLEMS },
});

const changeRoute = createRoute({
  method: "patch",
  path: "/v1/conversations/{id}",
  tags,
  summary: "Change the title or the members of a group",
  request: { params, ...jsonBody(conversationChangeSchema) },
  responses: { 200: json(conversationSchema, "As this device knows it now."), ...PROBLEMS },
});

const readRoute = createRoute({
  method: "post",
  path: "/v1/conversations/{id}/read",
  tags,
  summary: "A person has seen everything up to this message; its authors are told",
  request: { params, ...jsonBody(markReadSchema) },
  responses: { 200: json(conversationSchema, "As it is now."), ...PROBLEMS },
});

/** Adds the routes of conversations. */
export function conversationRoutes(app: GatewayHono, { node }: GatewayParts): void {
  const { mail } = node;

  app.openapi(listRoute, async (c) => {
    return c.json({ conversations: (await mail.conversations()).map(conversationJson) }, 200);
  });

  app.openapi(getRoute, async (c) => {
    const outcome = await mail.conversation(c.req.valid("param").id as ConversationId);
    if (outcome.type === "refused") return sent(refusalResponse(outcome));
    return c.json(conversationJson(outcome.value), 200);
  });

  app.openapi(messagesRoute, async (c) => {
    const { cursor, limit } = c.req.valid("query");
    const outcome = await mail.messages({
      conversation: c.req.valid("param").id as ConversationId,
      limit,
      ...(cursor === undefined ? {} : { cursor }),
    });
    if (outcome.type === "refused") return sent(refusalResponse(outcome));
    const { messages, nextCursor } = outcome.value;
    return c.json({ messages: messages.map(messageJson), nextCursor }, 200);
  });

  app.openapi(changeRoute, async (c) => {
    const outcome = await mail.changeConversation(
      c.req.valid("param").id as ConversationId,
      conversationChangeOf(c.req.valid("json")),
    );
    if (outcome.type === "refused") return sent(refusalResponse(outcome));
    return c.json(conversationJson(outcome.value), 200);
  });

  app.openapi(readRoute, async (c) => {
    const id = c.req.valid("param").id as ConversationId;
    const marked = await mail.markRead(id, c.req.valid("json").upTo as MessageId);
    if (marked.type === "refused") return sent(refusalResponse(marked));
    const outcome = await mail.conversation(id);
    if (outcome.type === "refused") return sent(refusalResponse(outcome));
    return c.json(conversationJson(outcome.value), 200);
  });
}
