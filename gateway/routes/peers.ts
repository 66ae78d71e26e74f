/** Devices and how we reach them. */
import { createRoute } from "@hono/zod-openapi";
import type { GatewayHono, GatewayParts } from "../environment.ts";
import { refusalResponse } from "../problems.ts";
import { addPeerSchema, livenessSchema, peersSchema } from "../schemas.ts";
import { json, jsonBody, PROBLEMS, sent } from "./route_helpers.ts";

const tags = ["peers"];

const listRoute = createRoute({
  method: "get",
  path: "/v1/peers",
  tags,
  summary: "Devices seen or known, with their connection",
  responses: { 200: json(peersSchema, "All of them."), ...PROBLEMS },
});

const addRoute = createRoute({
  method: "post",
  path: "/v1/peers",
  tags,
  summary: "Add an address to try where multicast does not reach",
  request: jsonBody(addPeerSchema),
  responses: { 204: { description: "Kept across restarts." }, ...PROBLEMS },
});

const livenessRoute = createRoute({
  method: "get",
  path: "/v1/liveness",
  tags,
  summary: "Which members are believed to be there",
  responses: {
    200: json(livenessSchema, "Every member, and the times with which they are watched."),
    ...PROBLEMS,
  },
});

/** Adds the routes of peers. */
export function peerRoutes(app: GatewayHono, { node }: GatewayParts): void {
  app.openapi(listRoute, async (c) => {
    const peers = await node.peers();
    return c.json({ peers: peers.map((p) => ({ ...p, addresses: [...p.addresses] })) }, 200);
  });

  app.openapi(livenessRoute, async (c) => {
    const { members, ...figures } = await node.liveness();
    return c.json({ members: [...members], ...figures }, 200);
  });

  app.openapi(addRoute, async (c) => {
    const outcome = await node.addStaticPeer(c.req.valid("json").address);
    return outcome.type === "refused" ? sent(refusalResponse(outcome)) : c.body(null, 204);
  });
}
