/** What a test asks of the gateway's answers. */
import assert from "node:assert/strict";
import type { z } from "@hono/zod-openapi";
import * as schemas from "../../gateway/schemas.ts";

/** The JSON of a response that must have this status and be exactly as its schema says. */
export async function answer<Schema extends z.ZodType>(
  response: Response,
  status: number,
  schema: Schema,
): Promise<z.output<Schema>> {
  const value = await response.json();
  assert.equal(response.status, status, JSON.stringify(value));
  return schema.parse(value);
}

/** The problem of a response that must have this status and reason. */
export async function problem(response: Response, status: number, reason: string) {
  const value = await response.json();
  assert.equal(response.status, status, JSON.stringify(value));
  assert.equal(response.headers.get("Content-Type"), "application/problem+json");
  assert.equal(value.reason, reason);
  assert.equal(value.status, status);
  return schemas.problemSchema.parse(value);
}

/** What a request that brings JSON is made of. */
export const post = (json: unknown) => ({ method: "POST", json });
