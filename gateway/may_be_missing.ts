/** Fields that a JSON object need not have. */
import type { z } from "@hono/zod-openapi";

/**
 * A field that is missing or has a value. As `exactOptional` of zod, which the OpenAPI document takes for required: it asks a schema whether that takes
 * undefined. JSON has no undefined, so that a field of it that is there has a value.
 */
export function mayBeMissing<T extends z.ZodType>(schema: T): z.ZodExactOptional<T> {
  return schema.optional() as unknown as z.ZodExactOptional<T>;
}
