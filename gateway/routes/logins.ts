/** New login links for the person at this machine. */
import { createRoute, z } from "@hono/zod-openapi";
import type { GatewayHono, GatewayParts } from "../environment.ts";
import { LOGIN_CODE_VALID_MS } from "../login_codes.ts";
import { problemResponse } from "../problems.ts";
import { OWNER } from "../tokens.ts";
import { json, PROBLEMS, sent } from "./route_helpers.ts";

const route = createRoute({
  method: "post",
  path: "/v1/login-codes",
  tags: ["node"],
  summary: "A link that logs a browser in, once",
  description: "For tokens of the owner only: a browser that logs in acts as the owner.",
  responses: {
    201: json(
      z.strictObject({
        path: z.string().openapi({ example: "/login?code=…" }),
        validMs: z.int(),
      }),
      "Open the path at this gateway's address.",
    ),
    ...PROBLEMS,
  },
});

/** Adds the route of login codes. */
export function loginRoutes(app: GatewayHono, { logins }: GatewayParts): void {
  app.openapi(route, (c) => {
    if (c.get("principal")?.subject !== OWNER) {
      return sent(problemResponse("notPermitted", "only the owner's token makes login links"));
    }
    return c.json({ path: `/login?code=${logins.create()}`, validMs: LOGIN_CODE_VALID_MS }, 201);
  });
}
