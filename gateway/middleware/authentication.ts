/** Who asks: a bearer token, or the cookie of a browser that has logged in. */
import type { Context, MiddlewareHandler } from "hono";
import { getCookie } from "hono/cookie";
import { COOKIE, type GatewayEnv, type GatewayParts } from "../environment.ts";
import { problemResponse } from "../problems.ts";
import type { Principal } from "../tokens.ts";

/** Paths that answer strangers: no data of the node is behind them. */
const PUBLIC_PATHS = new Set(["/healthz", "/login"]);
/** The first page answers strangers too, by saying how to log in. */
const FIRST_PAGE = "/";

function isPublic(path: string): boolean {
  return PUBLIC_PATHS.has(path) || path.startsWith("/assets/");
}

function tokenOf(c: Context<GatewayEnv>): string | undefined {
  const header = c.req.header("Authorization");
  if (header !== undefined) return /^Bearer +([\w.~+/=-]+)$/i.exec(header)?.[1] ?? "";
  return getCookie(c, COOKIE);
}

/** Finds out who asks, and refuses strangers everywhere but on public paths. Readers may not change anything, and who only keeps backups here sees nothing else. */
export function authenticate(
  { tokens }: Pick<GatewayParts, "tokens">,
): MiddlewareHandler<GatewayEnv> {
  return async (c, next) => {
    c.set("principal", undefined);
    const token = tokenOf(c);
    const verdict = token === undefined ? undefined : await tokens.verify(token);
    if (verdict?.type === "valid") c.set("principal", verdict.principal);
    c.set(
      "isStillAllowed",
      async () => token !== undefined && (await tokens.verify(token)).type === "valid",
    );
    const path = c.req.path;
    if (isPublic(path)) return await next();
    const principal: Principal | undefined = c.get("principal");
    if (principal === undefined) {
      if (path === FIRST_PAGE && c.req.header("Authorization") === undefined) return await next();
      const detail = verdict?.type === "invalid"
        ? verdict.reason
        : 'send "Authorization: Bearer <token>"; "submind token" makes one';
      return problemResponse("unauthenticated", detail, {
        headers: { "WWW-Authenticate": 'Bearer realm="submind"' },
      });
    }
    if (principal.scope === "backup" && !/^\/v1\/backups(\/|$)/.test(path)) {
      return problemResponse(
        "notPermitted",
        `this token has scope "backup", which is for /v1/backups and nothing else`,
      );
    }
    if (principal.scope === "read" && c.req.method !== "GET" && c.req.method !== "HEAD") {
      return problemResponse(
        "notPermitted",
        `${c.req.method} needs a token of scope "full", this one has "read"`,
      );
    }
    return await next();
  };
}
