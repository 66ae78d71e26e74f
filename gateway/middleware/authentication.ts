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

/** Where a sensor may log in with its own user and password. */
const SENSOR_READINGS = /^\/v1\/sensors\/[^/]+\/readings$/;
const BASIC = /^Basic +([A-Za-z0-9+/]{1,200}={0,2})$/i;

/** The sensor whose user and password come with the request; undefined when none do, or wrong ones. */
async function sensorOf(
  c: Context<GatewayEnv>,
  node: Pick<GatewayParts["node"], "sensors">,
): Promise<Principal | undefined> {
  const encoded = BASIC.exec(c.req.header("Authorization") ?? "")?.[1];
  if (encoded === undefined || c.req.method !== "POST" || !SENSOR_READINGS.test(c.req.path)) {
    return undefined;
  }
  let text: string;
  try {
    text = new TextDecoder().decode(Uint8Array.fromBase64(encoded));
  } catch {
    return undefined;
  }
  const colon = text.indexOf(":");
  const [user, password] = [text.slice(0, Math.max(0, colon)), text.slice(colon + 1)];
  return await node.sensors.authenticate(user, password)
    ? { subject: user, scope: "sensor" }
    : undefined;
}

/** Finds out who asks, and refuses strangers everywhere but on public paths. Readers may not change anything, and who only keeps backups here sees nothing else. */
export function authenticate(
  { tokens, node }: Pick<GatewayParts, "tokens" | "node">,
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
    const principal: Principal | undefined = c.get("principal") ?? await sensorOf(c, node);
    c.set("principal", principal);
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
