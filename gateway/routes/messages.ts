/** Messages: send, read, their attachments, and what waits. */
import { createRoute, z } from "@hono/zod-openapi";
import type { Context } from "hono";
import type { NewMessage } from "../../actors/mail_handle.ts";
import { ATTACHMENT_BYTES_MAX, ATTACHMENTS_MAX } from "../../protocols/mailbox/content.ts";
import type { MessageId } from "../../protocols/mailbox/content.ts";
import { attachmentHeaders } from "../body_headers.ts";
import { parseRange } from "../byte_range.ts";
import type { GatewayEnv, GatewayHono, GatewayParts } from "../environment.ts";
import { messageJson, messageOfForm, newMessageOf } from "../mail_json.ts";
import {
  ATTACHMENT_NAME_BYTES_MAX,
  mailStatusSchema,
  messageFormSchema,
  messageIdSchema,
  messageSchema,
  messagesSchema,
  newMessageSchema,
  unreadQuerySchema,
} from "../mail_schemas.ts";
import { invalidResponse, problemResponse, refusalResponse } from "../problems.ts";
import { idempotencyKeySchema, mediaTypeSchema, text } from "../schemas.ts";
import { json, other, PROBLEMS, sent } from "./route_helpers.ts";

const tags = ["messages"];
const idParams = z.strictObject({ id: messageIdSchema });

const sendRoute = createRoute({
  method: "post",
  path: "/v1/messages",
  tags,
  summary: "Send a message",
  description:
    "To a conversation, to one device (its direct conversation) or to several (a new group). JSON with attachments as " +
    "base64, or a form with files named `attachment`. Answered when durable on this device; how far it has come is told by " +
    "`deliveries` and by the event `deliveryChanged`.",
  request: {
    headers: z.object({ "Idempotency-Key": idempotencyKeySchema.optional() }),
    body: {
      required: true,
      content: {
        "application/json": { schema: newMessageSchema },
        "multipart/form-data": { schema: messageFormSchema },
      },
    },
  },
  responses: { 201: json(messageSchema, "Durable on this device."), ...PROBLEMS },
});

const unreadRoute = createRoute({
  method: "get",
  path: "/v1/messages",
  tags,
  summary: "The newest messages that nobody has seen, oldest first",
  request: { query: unreadQuerySchema },
  responses: { 200: json(messagesSchema, "Of all conversations."), ...PROBLEMS },
});

const getRoute = createRoute({
  method: "get",
  path: "/v1/messages/{id}",
  tags,
  summary: "One message",
  request: { params: idParams },
  responses: { 200: json(messageSchema, "The message."), ...PROBLEMS },
});

const attachmentRoute = createRoute({
  method: "get",
  path: "/v1/messages/{id}/attachments/{index}",
  tags,
  summary: "A whole attachment, decrypted",
  description:
    "Sandboxed as bodies of blocks are: what others sent can never run as a page of this gateway. One byte range may be " +
    "asked for.",
  request: {
    params: z.strictObject({
      id: messageIdSchema,
      index: z.coerce.number().int().min(0).max(ATTACHMENTS_MAX - 1)
        .openapi({
          description: "Its place among the message's attachments, from 0.",
          param: { required: true },
        }),
    }),
    headers: z.object({ Range: z.string().optional() }),
  },
  responses: {
    200: other("application/octet-stream", "The attachment."),
    206: other("application/octet-stream", "The part that Range named."),
    304: { description: "The client has it." },
    ...PROBLEMS,
  },
});

const statusRoute = createRoute({
  method: "get",
  path: "/v1/mail/status",
  tags,
  summary: "What waits on this device, in both directions",
  responses: { 200: json(mailStatusSchema, "Now."), ...PROBLEMS },
});

type Found = { readonly message: NewMessage } | { readonly problem: Response };

function invalid(error: z.ZodError): Found {
  return { problem: invalidResponse(error.issues as never, "") };
}

async function jsonMessage(c: Context<GatewayEnv>): Promise<Found> {
  let value: unknown;
  try {
    value = await c.req.json();
  } catch {
    return { problem: problemResponse("invalid", "the body is not JSON") };
  }
  const parsed = newMessageSchema.safeParse(value);
  return parsed.success ? { message: newMessageOf(parsed.data) } : invalid(parsed.error);
}

/** What the files of a form must be; their bytes are not turned into text for it. */
const filesSchema = z.array(
  z.object({ name: text(ATTACHMENT_NAME_BYTES_MAX, 1), mediaType: mediaTypeSchema }),
).max(ATTACHMENTS_MAX);

async function formMessage(c: Context<GatewayEnv>): Promise<Found> {
  let form: FormData;
  try {
    form = await c.req.raw.formData();
  } catch {
    return { problem: problemResponse("invalid", "the body is not a form as its type says") };
  }
  const { fields, files } = await messageOfForm(form);
  const checked = filesSchema.safeParse(files);
  if (!checked.success) {
    return { problem: invalidResponse(checked.error.issues as never, "attachment") };
  }
  // The files stand in for themselves while the fields are checked: an empty text is fine when something is attached.
  const attached = files.map(({ name, mediaType }) => ({ name, mediaType, body: "" }));
  const parsed = newMessageSchema.safeParse({
    ...fields,
    ...(attached.length === 0 ? {} : { attachments: attached }),
  });
  if (!parsed.success) return invalid(parsed.error);
  const message = newMessageOf(parsed.data);
  return { message: files.length === 0 ? message : { ...message, attachments: files } };
}

async function messageOf(c: Context<GatewayEnv>): Promise<Found> {
  const type = c.req.header("Content-Type") ?? "";
  if (/^application\/json\s*(;|$)/i.test(type)) return await jsonMessage(c);
  if (/^multipart\/form-data\s*;/i.test(type)) return await formMessage(c);
  const shown = JSON.stringify((type || "missing").slice(0, 100));
  const detail = `Content-Type is ${shown}, expected application/json or multipart/form-data`;
  return { problem: problemResponse("unsupportedMediaType", detail) };
}

function tooLarge(message: NewMessage): Response | undefined {
  const large = message.attachments?.find(({ body }) => body.length > ATTACHMENT_BYTES_MAX);
  if (large === undefined) return undefined;
  const detail = `attachment ${JSON.stringify(large.name)} has ${large.body.length} bytes, ` +
    `expected at most ${ATTACHMENT_BYTES_MAX}; add it as a block and send its id instead`;
  return problemResponse("tooLarge", detail);
}

/** Adds the routes of messages. */
export function messageRoutes(app: GatewayHono, { node }: GatewayParts): void {
  const { mail } = node;

  app.openAPIRegistry.registerPath(sendRoute);
  app.post("/v1/messages", async (c) => {
    const header = c.req.header("Idempotency-Key");
    const key = idempotencyKeySchema.optional().safeParse(header);
    if (!key.success) return invalidResponse(key.error.issues as never, "header.Idempotency-Key");
    const found = await messageOf(c);
    if ("problem" in found) return found.problem;
    const large = tooLarge(found.message);
    if (large !== undefined) return large;
    const outcome = await mail.send(found.message, key.data);
    if (outcome.type === "refused") return refusalResponse(outcome);
    return c.json(messageJson(outcome.value), 201);
  });

  app.openapi(unreadRoute, async (c) => {
    const messages = await mail.unread(c.req.valid("query").limit);
    return c.json({ messages: messages.map(messageJson) }, 200);
  });

  app.openapi(getRoute, async (c) => {
    const outcome = await mail.message(c.req.valid("param").id as MessageId);
    if (outcome.type === "refused") return sent(refusalResponse(outcome));
    return c.json(messageJson(outcome.value), 200);
  });

  app.openapi(attachmentRoute, async (c) => {
    const { id, index } = c.req.valid("param");
    const outcome = await mail.attachment(id as MessageId, index);
    if (outcome.type === "refused") return sent(refusalResponse(outcome));
    const { body } = outcome.value;
    const headers = attachmentHeaders(
      { ...outcome.value, bytes: body.length },
      { message: id, index },
    );
    if (c.req.header("If-None-Match") === headers.ETag) {
      return sent(new Response(null, { status: 304, headers }));
    }
    const condition = c.req.header("If-Range");
    const isSame = condition === undefined || condition === headers.ETag;
    const range = isSame ? parseRange(c.req.header("Range"), body.length) : undefined;
    if (range === "unsatisfiable") {
      const detail = `Range is ${c.req.header("Range")}, the attachment has ${body.length} bytes`;
      const unsatisfied = { "Content-Range": `bytes */${body.length}` };
      return sent(problemResponse("rangeNotSatisfiable", detail, { headers: unsatisfied }));
    }
    if (range === undefined) return sent(new Response(body.slice(), { headers }));
    const { first, last } = range;
    const partHeaders = {
      ...headers,
      "Content-Length": String(last - first + 1),
      "Content-Range": `bytes ${first}-${last}/${body.length}`,
    };
    return sent(
      new Response(body.slice(first, last + 1), { status: 206, headers: partHeaders }),
    );
  });

  app.openapi(statusRoute, async (c) => c.json({ ...await mail.status() }, 200));
}
