/** The connection to a broker. */
import { createRoute } from "@hono/zod-openapi";
import { bridgeSchema } from "../bridge_schema.ts";
import type { GatewayHono, GatewayParts } from "../environment.ts";
import { json, PROBLEMS } from "./route_helpers.ts";

const bridgeRoute = createRoute({
  method: "get",
  path: "/v1/bridge",
  tags: ["peers"],
  summary: "The connection to a broker, and what goes over it",
  responses: {
    200: json(bridgeSchema, "Which server is in use, how far it is, who is heard over it."),
    ...PROBLEMS,
  },
});

/** Adds the route of the bridge. */
export function bridgeRoutes(app: GatewayHono, { node }: GatewayParts): void {
  app.openapi(bridgeRoute, async (c) => {
    const view = await node.bridge();
    return c.json({ ...view, learnedServers: [...view.learnedServers] }, 200);
  });
}
