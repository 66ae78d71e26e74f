/** Pairings under way: joining with an invite, and comparing words. */
import { createRoute, z } from "@hono/zod-openapi";
import type { PairingView } from "../../actors/handle.ts";
import type { GatewayHono, GatewayParts } from "../environment.ts";
import { refusalResponse } from "../problems.ts";
import {
  acceptInviteSchema,
  confirmSchema,
  opaqueIdSchema,
  pairingSchema,
  pairingsSchema,
} from "../schemas.ts";
import { json, jsonBody, PROBLEMS, sent } from "./route_helpers.ts";

const tags = ["pairings"];

const listRoute = createRoute({
  method: "get",
  path: "/v1/pairings",
  tags,
  summary: "Pairings under way and just ended",
  responses: { 200: json(pairingsSchema, "All of them."), ...PROBLEMS },
});

const acceptRoute = createRoute({
  method: "post",
  path: "/v1/pairings",
  tags,
  summary: "Join with a link or a typed code",
  request: jsonBody(acceptInviteSchema),
  responses: { 201: json(pairingSchema, "Both people compare its words next."), ...PROBLEMS },
});

const confirmRoute = createRoute({
  method: "post",
  path: "/v1/pairings/{id}/confirm",
  tags,
  summary: "Say whether the words are the same on both devices",
  request: { params: z.strictObject({ id: opaqueIdSchema }), ...jsonBody(confirmSchema) },
  responses: { 200: json(pairingSchema, "The pairing as it is now."), ...PROBLEMS },
});

function pairingJson(pairing: PairingView): z.output<typeof pairingSchema> {
  return { ...pairing, words: [...pairing.words] };
}

/** Adds the routes of pairings. */
export function pairingRoutes(app: GatewayHono, { node }: GatewayParts): void {
  app.openapi(
    listRoute,
    async (c) => c.json({ pairings: (await node.pairings()).map(pairingJson) }, 200),
  );

  app.openapi(acceptRoute, async (c) => {
    const outcome = await node.acceptInvite(c.req.valid("json").linkOrCode);
    if (outcome.type === "refused") return sent(refusalResponse(outcome));
    return c.json(pairingJson(outcome.value), 201);
  });

  app.openapi(confirmRoute, async (c) => {
    const { wordsMatch } = c.req.valid("json");
    const outcome = await node.confirmPairing(c.req.valid("param").id, wordsMatch);
    if (outcome.type === "refused") return sent(refusalResponse(outcome));
    return c.json(pairingJson(outcome.value), 200);
  });
}
