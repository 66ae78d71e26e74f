/** How much one client may ask: requests a minute, per action too, and bytes a request. */
import type { MiddlewareHandler } from "hono";
import { bodyLimit } from "hono/body-limit";
import { type GatewayEnv, type GatewayParts, SMALL_BODY_BYTES_MAX } from "../environment.ts";
import { problemResponse } from "../problems.ts";
import { OWNER } from "../tokens.ts";
import { uploadBytesMax } from "../uploads.ts";
import { requestWindows, type WindowState } from "./request_windows.ts";

const WINDOW_MS = 60_000;

function headersOf(limit: number, { remaining, resetMs }: WindowState): Record<string, string> {
  return {
    "RateLimit-Limit": String(limit),
    "RateLimit-Remaining": String(remaining),
    "RateLimit-Reset": String(Math.ceil(resetMs / 1_000)),
  };
}

/**
 * Counts requests per token (per address for strangers), in all and per action, and refuses with 429 above the limit. Every
 * counted response says what is left in `RateLimit-*` headers; waiting times are in seconds.
 */
export function limitRequests(
  { clock, limits }: Pick<GatewayParts, "clock" | "limits">,
): MiddlewareHandler<GatewayEnv> {
  const windows = requestWindows({ clock, windowMs: WINDOW_MS });
  return async (c, next) => {
    const principal = c.get("principal");
    const who = principal === undefined
      ? `address ${c.env?.remoteAddress ?? "unknown"}`
      : `token ${principal.subject}`;
    const limit = principal === undefined
      ? limits.strangerRequestsPerMinute
      : principal.scope === "backup"
      ? limits.backupRequestsPerMinute
      : principal.subject === OWNER
      ? limits.ownerRequestsPerMinute
      : limits.requestsPerMinute;
    const action = `${c.req.method} ${c.req.path}`;
    const actionLimit = Object.hasOwn(limits.actionsPerMinute, action)
      ? limits.actionsPerMinute[action]
      : undefined;
    let state = windows.count(who, limit);
    let counted = limit;
    if (state.allowed && actionLimit !== undefined) {
      state = windows.count(`${who} ${action}`, actionLimit);
      counted = actionLimit;
    }
    const headers = headersOf(counted, state);
    if (!state.allowed) {
      const seconds = headers["RateLimit-Reset"] ?? "60";
      return problemResponse(
        "rateLimited",
        `${counted} requests a minute are allowed for this; try again in ${seconds} s`,
        { headers: { ...headers, "Retry-After": seconds } },
      );
    }
    await next();
    for (const [name, value] of Object.entries(headers)) c.res.headers.set(name, value);
    return;
  };
}

/** Refuses bodies above the limit before they are read: large ones only where `uploads.ts` says so. */
export function limitBodies(
  { limits }: Pick<GatewayParts, "limits">,
): MiddlewareHandler<GatewayEnv> {
  const limiters = new Map<number, MiddlewareHandler<GatewayEnv>>();
  function limiterOf(maxSize: number): MiddlewareHandler<GatewayEnv> {
    const known = limiters.get(maxSize);
    if (known !== undefined) return known;
    const made = bodyLimit({
      maxSize,
      onError: () =>
        problemResponse("tooLarge", `the request body is larger than ${maxSize} bytes`),
    });
    limiters.set(maxSize, made);
    return made;
  }
  return (c, next) => limiterOf(uploadBytesMax(c.req, limits) ?? SMALL_BODY_BYTES_MAX)(c, next);
}
