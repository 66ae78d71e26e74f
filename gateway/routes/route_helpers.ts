/** Small things every route uses. */
import { z } from "@hono/zod-openapi";
import { parseDeviceId } from "../../protocols/ids.ts";
import type { DeviceId } from "../../protocols/ids.ts";
import { invariant } from "../../platform/invariant.ts";
import { problemSchema } from "../schemas.ts";

const problemContent = { "application/problem+json": { schema: problemSchema } };

/** The problems any route may answer with, for the OpenAPI document. */
export const PROBLEMS = {
  default: { description: "A problem document (RFC 9457).", content: problemContent },
} as const;

/** A JSON response in a route's description. */
export function json<Schema extends z.ZodType>(schema: Schema, description: string) {
  return { description, content: { "application/json": { schema } } };
}

/** A required JSON request body in a route's description. */
export function jsonBody<Schema extends z.ZodType>(schema: Schema) {
  return { body: { required: true, content: { "application/json": { schema } } } } as const;
}

/** A response whose media type is not JSON, in a route's description. */
export function other(mediaType: string, description: string) {
  return { description, content: { [mediaType]: { schema: z.string() } } };
}

/**
 * Passes a finished response where a route promises typed ones. Problems may be the answer to anything; the route's
 * description has them under `default`, which its type cannot express.
 */
export function sent(response: Response): never {
  return response as never;
}

/** The device id that a schema has let through. */
export function checkedDeviceId(text: string): DeviceId {
  const id = parseDeviceId(text);
  invariant(id !== undefined, () => `the schema let "${text}" through as a device id`);
  return id;
}
