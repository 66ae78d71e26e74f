/** Blocks: list, add, read, and their bodies. */
import { createRoute, z } from "@hono/zod-openapi";
import type { Context } from "hono";
import type { BlockDraft } from "../../protocols/blocks/block.ts";
import type { BlockId, DeviceId } from "../../protocols/ids.ts";
import type { BlockQuery } from "../../store/store.ts";
import { blockSummaryJson, blockViewJson, draftOf } from "../block_json.ts";
import { bodyHeaders } from "../body_headers.ts";
import { parseRange, slicedStream } from "../byte_range.ts";
import type { GatewayEnv, GatewayHono, GatewayParts } from "../environment.ts";
import { invalidResponse, problemResponse, refusalResponse } from "../problems.ts";
import {
  addBlocksSchema,
  addedBlocksSchema,
  blockIdSchema,
  blockPageSchema,
  blockQuerySchema,
  blockViewSchema,
  draftSchema,
  idempotencyKeySchema,
  mediaTypeSchema,
  rawUploadQuerySchema,
} from "../schemas.ts";
import { json, other, PROBLEMS, sent } from "./route_helpers.ts";

const tags = ["blocks"];
const idParams = z.strictObject({ id: blockIdSchema });

const listRoute = createRoute({
  method: "get",
  path: "/v1/blocks",
  tags,
  summary: "Blocks, newest first",
  request: { query: blockQuerySchema },
  responses: { 200: json(blockPageSchema, "One page."), ...PROBLEMS },
});

const addRoute = createRoute({
  method: "post",
  path: "/v1/blocks",
  tags,
  summary: "Add blocks",
  description:
    "JSON: one draft, or up to 100 as `blocks`, stored together. Raw: with `topic` in the " +
    "query the request body is the block's body and Content-Type its media type. Answered when durable.",
  request: {
    query: rawUploadQuerySchema.partial(),
    headers: z.object({ "Idempotency-Key": idempotencyKeySchema.optional() }),
    body: {
      required: true,
      content: {
        "application/json": { schema: addBlocksSchema },
        "application/octet-stream": { schema: z.string().openapi({ format: "binary" }) },
      },
    },
  },
  responses: { 201: json(addedBlocksSchema, "Durable, in the order given."), ...PROBLEMS },
});

const getRoute = createRoute({
  method: "get",
  path: "/v1/blocks/{id}",
  tags,
  summary: "One block",
  request: { params: idParams },
  responses: { 200: json(blockViewSchema, "The block."), ...PROBLEMS },
});

const bodyRoute = createRoute({
  method: "get",
  path: "/v1/blocks/{id}/body",
  tags,
  summary: "The whole body of a block",
  description:
    "Sandboxed: what others stored can never run as a page of this gateway. Only plain text, pictures, " +
    "sound and film are shown in a browser, everything else is downloaded. One byte range may be asked for.",
  request: { params: idParams, headers: z.object({ Range: z.string().optional() }) },
  responses: {
    200: other("application/octet-stream", "The body."),
    206: other("application/octet-stream", "The part that Range named."),
    304: { description: "The client has it." },
    ...PROBLEMS,
  },
});

type Drafts = { readonly drafts: readonly BlockDraft[] } | { readonly problem: Response };

function refused(error: z.ZodError, prefix: string): Drafts {
  return { problem: invalidResponse(error.issues as never, prefix) };
}

async function jsonDrafts(c: Context<GatewayEnv>): Promise<Drafts> {
  let value: unknown;
  try {
    value = await c.req.json();
  } catch {
    return { problem: problemResponse("invalid", "the body is not JSON") };
  }
  // Parsed by the branch it means, so that the problem names a field and not "one of these did not fit".
  if (typeof value === "object" && value !== null && "blocks" in value) {
    const schema = z.strictObject({ blocks: z.array(draftSchema).min(1).max(100) });
    const parsed = schema.safeParse(value);
    if (!parsed.success) return refused(parsed.error, "");
    return { drafts: parsed.data.blocks.map(draftOf) };
  }
  const parsed = draftSchema.safeParse(value);
  return parsed.success ? { drafts: [draftOf(parsed.data)] } : refused(parsed.error, "");
}

function queryOf(c: Context<GatewayEnv>): Record<string, string | string[]> {
  return Object.fromEntries(
    Object.entries(c.req.queries()).map(([key, values]) => [
      key,
      values.length === 1 ? values[0] ?? "" : values,
    ]),
  );
}

/** The media type of a raw upload without its parameters; bodies are kept as they come, so text must be UTF-8. */
function uploadMediaType(contentType: string | undefined): string | Response {
  if (contentType === undefined || contentType === "") return "application/octet-stream";
  const [type = "", ...parameters] = contentType.split(";").map((part) => part.trim());
  const charset = parameters.find((part) => /^charset=/i.test(part))?.slice(8).replaceAll('"', "");
  const parsed = mediaTypeSchema.safeParse(type);
  if (!parsed.success) {
    return problemResponse(
      "unsupportedMediaType",
      `Content-Type is ${JSON.stringify(type.slice(0, 127))}, expected a media type`,
    );
  }
  if (charset !== undefined && !/^(utf-8|us-ascii)$/i.test(charset)) {
    return problemResponse(
      "unsupportedMediaType",
      `charset is ${JSON.stringify(charset.slice(0, 40))}, expected utf-8`,
    );
  }
  return parsed.data.toLowerCase();
}

async function rawDraft(c: Context<GatewayEnv>): Promise<Drafts> {
  const parsed = rawUploadQuerySchema.safeParse(queryOf(c));
  if (!parsed.success) return refused(parsed.error, "query");
  const { kind, topic, tags, target, parents } = parsed.data;
  const mediaType = uploadMediaType(c.req.header("Content-Type"));
  if (mediaType instanceof Response) return { problem: mediaType };
  const needsTarget = kind === "supersede" || kind === "tombstone";
  if (needsTarget !== (target !== undefined)) {
    const detail = "query.target is needed for supersede and tombstone, and only there";
    return { problem: problemResponse("invalid", detail) };
  }
  const draft: BlockDraft = {
    kind,
    topic,
    tags: tags ?? [],
    mediaType,
    body: new Uint8Array(await c.req.arrayBuffer()),
    // The schema has checked the form of these ids.
    target: (target ?? null) as BlockId | null,
    parents: (parents ?? []) as BlockId[],
  };
  return { drafts: [draft] };
}

function isJson(c: Context<GatewayEnv>): boolean {
  return /^application\/json\s*(;|$)/i.test(c.req.header("Content-Type") ?? "");
}

async function draftsOf(c: Context<GatewayEnv>): Promise<Drafts> {
  if (Object.hasOwn(c.req.queries(), "topic")) return await rawDraft(c);
  if (Object.keys(c.req.queries()).length > 0) {
    const detail = "query.topic is missing; without it the query must be empty and the body JSON";
    return { problem: problemResponse("invalid", detail) };
  }
  if (isJson(c)) return await jsonDrafts(c);
  return {
    problem: problemResponse(
      "unsupportedMediaType",
      "send application/json, or any other body with ?topic=… to store it as it is",
    ),
  };
}

/** The part that is asked for. A part of another version (`If-Range`) would be useless: then all of it is sent. */
function rangeOf(
  c: Context<GatewayEnv>,
  { bytes, etag }: { readonly bytes: number; readonly etag: string },
) {
  const condition = c.req.header("If-Range");
  if (condition !== undefined && condition !== etag) return undefined;
  return parseRange(c.req.header("Range"), bytes);
}

/** Adds the routes of blocks. */
export function blockRoutes(app: GatewayHono, { node }: GatewayParts): void {
  app.openapi(listRoute, async (c) => {
    // Absent fields, not undefined ones; the schema has checked the form of the ids.
    const query = Object.fromEntries(
      Object.entries(c.req.valid("query")).filter(([, value]) => value !== undefined),
    ) as unknown as BlockQuery & { author?: DeviceId };
    const page = await node.blocks(query);
    return c.json({ blocks: page.blocks.map(blockSummaryJson), nextCursor: page.nextCursor }, 200);
  });

  app.openAPIRegistry.registerPath(addRoute);
  app.post("/v1/blocks", async (c) => {
    const header = c.req.header("Idempotency-Key");
    const key = idempotencyKeySchema.optional().safeParse(header);
    if (!key.success) return invalidResponse(key.error.issues as never, "header.Idempotency-Key");
    const found = await draftsOf(c);
    if ("problem" in found) return found.problem;
    const outcome = await node.addBlocks(found.drafts, key.data);
    if (outcome.type === "refused") return refusalResponse(outcome);
    return c.json({ blocks: outcome.value.map(({ id, sequence }) => ({ id, sequence })) }, 201);
  });

  app.openapi(getRoute, async (c) => {
    const outcome = await node.block(c.req.valid("param").id as BlockId);
    if (outcome.type === "refused") return sent(refusalResponse(outcome));
    return c.json(blockViewJson(outcome.value), 200);
  });

  app.openapi(bodyRoute, async (c) => {
    const id = c.req.valid("param").id as BlockId;
    const found = await node.block(id);
    if (found.type === "refused") return sent(refusalResponse(found));
    const headers = bodyHeaders(found.value.block);
    if (c.req.header("If-None-Match") === headers.ETag) {
      return sent(new Response(null, { status: 304, headers }));
    }
    const { bodyBytes } = found.value.block.header;
    const range = rangeOf(c, { bytes: bodyBytes, etag: headers.ETag });
    if (range === "unsatisfiable") {
      const detail = `Range is ${c.req.header("Range")}, the body has ${bodyBytes} bytes`;
      const unsatisfied = { "Content-Range": `bytes */${bodyBytes}` };
      return sent(problemResponse("rangeNotSatisfiable", detail, { headers: unsatisfied }));
    }
    const body = await node.body(id);
    if (body.type === "refused") return sent(refusalResponse(body));
    if (range === undefined) return sent(new Response(body.value, { headers }));
    const { first, last } = range;
    const partHeaders = {
      ...headers,
      "Content-Length": String(last - first + 1),
      "Content-Range": `bytes ${first}-${last}/${bodyBytes}`,
    };
    return sent(
      new Response(slicedStream(body.value, range), { status: 206, headers: partHeaders }),
    );
  });
}
