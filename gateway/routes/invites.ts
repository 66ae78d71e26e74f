/** Invites: how another device gets in. */
import { createRoute, z } from "@hono/zod-openapi";
import type { GatewayHono, GatewayParts } from "../environment.ts";
import { refusalResponse } from "../problems.ts";
import { inviteOptionsSchema, inviteSchema, invitesSchema, opaqueIdSchema } from "../schemas.ts";
import { json, jsonBody, PROBLEMS, sent } from "./route_helpers.ts";

const tags = ["invites"];
const params = z.strictObject({ id: opaqueIdSchema });

const listRoute = createRoute({
  method: "get",
  path: "/v1/invites",
  tags,
  summary: "Invites of this device",
  responses: {
    200: json(invitesSchema, "Open and ended ones, without link and code."),
    ...PROBLEMS,
  },
});

const createInviteRoute = createRoute({
  method: "post",
  path: "/v1/invites",
  tags,
  summary: "Invite a device",
  request: jsonBody(inviteOptionsSchema),
  responses: {
    201: json(inviteSchema, "Show its link or code to the other person: no later answer has them."),
    ...PROBLEMS,
  },
});

const cancelRoute = createRoute({
  method: "delete",
  path: "/v1/invites/{id}",
  tags,
  summary: "Cancel an invite",
  request: { params },
  responses: { 204: { description: "Cancelled." }, ...PROBLEMS },
});

/** Adds the routes of invites. */
export function inviteRoutes(app: GatewayHono, { node }: GatewayParts): void {
  app.openapi(listRoute, async (c) => c.json({ invites: [...await node.invites()] }, 200));

  app.openapi(createInviteRoute, async (c) => {
    const outcome = await node.createInvite(c.req.valid("json"));
    if (outcome.type === "refused") return sent(refusalResponse(outcome));
    return c.json(outcome.value, 201);
  });

  app.openapi(cancelRoute, async (c) => {
    const outcome = await node.cancelInvite(c.req.valid("param").id);
    return outcome.type === "refused" ? sent(refusalResponse(outcome)) : c.body(null, 204);
  });
}
