/** Full-text search. */
import { createRoute } from "@hono/zod-openapi";
import type { GatewayHono, GatewayParts } from "../environment.ts";
import { searchPageSchema, searchQuerySchema } from "../schemas.ts";
import { json, PROBLEMS } from "./route_helpers.ts";

const route = createRoute({
  method: "get",
  path: "/v1/search",
  tags: ["search"],
  summary: "Find blocks by their text",
  description: 'Words, "quoted phrases", -excluded words and prefix*. Never a syntax error.',
  request: { query: searchQuerySchema },
  responses: { 200: json(searchPageSchema, "Best first."), ...PROBLEMS },
});

/** Adds the route of search. */
export function searchRoutes(app: GatewayHono, { node }: GatewayParts): void {
  app.openapi(route, async (c) => {
    const { text, topic, limit, offset } = c.req.valid("query");
    const page = await node.search({
      text,
      limit,
      offset,
      ...(topic === undefined ? {} : { topic }),
    });
    return c.json({ hits: [...page.hits], total: page.total }, 200);
  });
}
