/** Members of the mesh. */
import { createRoute, z } from "@hono/zod-openapi";
import type { MemberView, Outcome } from "../../actors/handle.ts";
import type { GatewayHono, GatewayParts } from "../environment.ts";
import { refusalResponse } from "../problems.ts";
import { deviceIdSchema, memberChangeSchema, memberSchema, membersSchema } from "../schemas.ts";
import { checkedDeviceId, json, jsonBody, PROBLEMS, sent } from "./route_helpers.ts";

const tags = ["members"];
const params = z.strictObject({ id: deviceIdSchema });

const listRoute = createRoute({
  method: "get",
  path: "/v1/members",
  tags,
  summary: "Members, revoked ones too",
  responses: { 200: json(membersSchema, "All of them."), ...PROBLEMS },
});

const changeRoute = createRoute({
  method: "patch",
  path: "/v1/members/{id}",
  tags,
  summary: "Change a member's name, role, permissions or trust",
  request: { params, ...jsonBody(memberChangeSchema) },
  responses: { 200: json(memberSchema, "The member as it is now."), ...PROBLEMS },
});

const revokeRoute = createRoute({
  method: "post",
  path: "/v1/members/{id}/revoke",
  tags,
  summary: "Revoke a member for good",
  request: { params },
  responses: { 200: json(memberSchema, "The member as it is now."), ...PROBLEMS },
});

function memberJson(member: MemberView): z.output<typeof memberSchema> {
  return { ...member, permissions: [...member.permissions] };
}

/** Adds the routes of members. */
export function memberRoutes(app: GatewayHono, { node }: GatewayParts): void {
  app.openapi(listRoute, async (c) => {
    return c.json({ members: (await node.members()).map(memberJson) }, 200);
  });

  app.openapi(changeRoute, async (c) => {
    const id = checkedDeviceId(c.req.valid("param").id);
    const outcome: Outcome<MemberView> = await node.updateMember(id, c.req.valid("json"));
    if (outcome.type === "refused") return sent(refusalResponse(outcome));
    return c.json(memberJson(outcome.value), 200);
  });

  app.openapi(revokeRoute, async (c) => {
    const outcome = await node.revokeMember(checkedDeviceId(c.req.valid("param").id));
    if (outcome.type === "refused") return sent(refusalResponse(outcome));
    return c.json(memberJson(outcome.value), 200);
  });
}
