/** What protects a gateway on loopback from the web pages its owner visits: host names, origins, and response headers. */
import type { MiddlewareHandler } from "hono";
import type { GatewayEnv } from "../environment.ts";
import { problemResponse } from "../problems.ts";

const LOOPBACK_NAMES = ["localhost", "127.0.0.1", "[::1]"];
const SAFE_METHODS = new Set(["GET", "HEAD", "OPTIONS"]);

/** Pages run only our own files; nothing inline, nothing from elsewhere. */
const PAGE_POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; " +
  "connect-src 'self'; manifest-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/** The host name of a `Host` header, lower case and without port; undefined when it is none. */
export function hostNameOf(host: string): string | undefined {
  const match = /^(\[[0-9a-f:.]+\]|[^\s:/?#@\[\]]+)(?::\d{1,5})?$/i.exec(host);
  return match?.[1]?.toLowerCase();
}

function isAddress(name: string): boolean {
  return name.startsWith("[") || /^\d{1,3}(\.\d{1,3}){3}$/.test(name);
}

/**
 * Refuses requests addressed to a host name that is not ours. A page that lets its own name point to this machine (DNS
 * rebinding) would otherwise be of our origin. Addresses cannot be rebound, so every one is let through where the
 * gateway serves more than loopback.
 */
export function onlyKnownHosts(
  { allowedHosts, secure }: { allowedHosts: readonly string[]; secure: boolean },
): MiddlewareHandler<GatewayEnv> {
  const known = new Set([...LOOPBACK_NAMES, ...allowedHosts.map((name) => name.toLowerCase())]);
  return async (c, next) => {
    const host = c.req.header("Host") ?? new URL(c.req.url).host;
    const name = hostNameOf(host);
    if (name === undefined || !(known.has(name) || (secure && isAddress(name)))) {
      return problemResponse(
        "unknownHost",
        `Host is ${JSON.stringify(host.slice(0, 100))}, expected ${[...known].join(", ")}; ` +
          "add other names to the gateway's allowed hosts",
      );
    }
    return await next();
  };
}

/**
 * Refuses changes that a browser sends on behalf of another page. `SameSite` alone is not enough: every port of
 * "localhost" is the same site.
 */
export function onlyOwnOrigin(): MiddlewareHandler<GatewayEnv> {
  return async (c, next) => {
    if (SAFE_METHODS.has(c.req.method)) return await next();
    const origin = c.req.header("Origin");
    const site = c.req.header("Sec-Fetch-Site");
    const host = c.req.header("Host") ?? new URL(c.req.url).host;
    const hasCookie = c.req.header("Cookie") !== undefined;
    const foreign = origin !== undefined
      ? !(URL.canParse(origin) && new URL(origin).host === host.toLowerCase())
      : site !== undefined
      ? site !== "same-origin" && site !== "none"
      // Neither header: no browser of today. With a cookie it is refused to be safe; programs use a bearer token.
      : hasCookie && c.req.header("Authorization") === undefined;
    if (foreign) {
      const shown = JSON.stringify((origin ?? site ?? "missing").slice(0, 100));
      return problemResponse(
        "foreignOrigin",
        `Origin is ${shown}, expected the address of this gateway`,
      );
    }
    return await next();
  };
}

/** Headers every response carries unless its route has set stricter ones. */
export function securityHeaders({ secure }: { secure: boolean }): MiddlewareHandler<GatewayEnv> {
  const defaults: Readonly<Record<string, string>> = {
    "Content-Security-Policy": PAGE_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(self), microphone=(), geolocation=()",
    "Cache-Control": "no-store",
    ...(secure ? { "Strict-Transport-Security": "max-age=31536000" } : {}),
  };
  return async (c, next) => {
    await next();
    for (const [name, value] of Object.entries(defaults)) {
      if (!c.res.headers.has(name)) c.res.headers.set(name, value);
    }
  };
}
