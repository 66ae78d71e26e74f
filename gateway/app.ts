/** The HTTP API and the first page as a view of a node handle. It holds no state of the node's own. */
import { OpenAPIHono } from "@hono/zod-openapi";
import { routePath } from "hono/route";
import {
  DEFAULT_LIMITS,
  type GatewayEnv,
  type GatewayHono,
  type GatewayOptions,
  type GatewayParts,
} from "./environment.ts";
import { type EventHub, eventHub } from "./event_hub.ts";
import { type LoginCodes, loginCodes } from "./login_codes.ts";
import { gatewayMetrics } from "./metrics.ts";
import { authenticate } from "./middleware/authentication.ts";
import { limitBodies, limitRequests } from "./middleware/limits.ts";
import { onlyKnownHosts, onlyOwnOrigin, securityHeaders } from "./middleware/security.ts";
import { errorResponse, invalidResponse, problemResponse } from "./problems.ts";
import { backupRoutes } from "./routes/backups.ts";
import { blockRoutes } from "./routes/blocks.ts";
import { conversationRoutes } from "./routes/conversations.ts";
import { eventRoutes } from "./routes/events.ts";
import { inviteRoutes } from "./routes/invites.ts";
import { learningRoutes } from "./routes/learning.ts";
import { loginRoutes } from "./routes/logins.ts";
import { memberRoutes } from "./routes/members.ts";
import { messageRoutes } from "./routes/messages.ts";
import { nodeRoutes } from "./routes/node.ts";
import { pageRoutes } from "./routes/pages.ts";
import { pairingRoutes } from "./routes/pairings.ts";
import { bridgeRoutes } from "./routes/bridge.ts";
import { peerRoutes } from "./routes/peers.ts";
import { searchRoutes } from "./routes/search.ts";
import { sensorRoutes } from "./routes/sensors.ts";
import { uploadBytesMax } from "./uploads.ts";

/** An app with what its owner must be able to reach. */
export interface Gateway {
  /** Answers requests; tests call it without a socket: `app.request("/healthz")`. */
  readonly app: GatewayHono;
  readonly logins: LoginCodes;
  readonly events: EventHub;
  /** Ends event streams and stops watching the node; resolves when nothing of it goes on. */
  close(): Promise<void>;
}

/** Measures every request, under the pattern of its route. */
function measured(app: GatewayHono, { clock, metrics }: GatewayParts): void {
  app.use(async (c, next) => {
    const startedMs = clock.monotonicMs();
    await next();
    const pattern = routePath(c, -1);
    metrics.observe({
      // Both come from the client; as labels they are limited to what we know.
      method: /^(GET|HEAD|POST|PUT|PATCH|DELETE)$/.test(c.req.method) ? c.req.method : "other",
      route: pattern.includes("*") ? "unknown" : pattern,
      status: c.res.status,
      seconds: (clock.monotonicMs() - startedMs) / 1_000,
    });
  });
}

/** Hono answers HEAD by what GET would say and drops the body; a stream must be told, or it would wait for its reader forever. */
function endBodiesOfHead(app: GatewayHono): void {
  app.use(async (c, next) => {
    await next();
    if (c.req.method === "HEAD") await c.res.body?.cancel();
  });
}

/**
 * Whether a body comes with a request. A server gives every POST one, if only an empty one, so what counts is what the request says.
 * HTTP/2 needs no length: there a stated type tells.
 */
function hasBody({ headers, body }: Request): boolean {
  const length = headers.get("Content-Length");
  if (length !== null) return length !== "0";
  return headers.has("Transfer-Encoding") || (body !== null && headers.has("Content-Type"));
}

/** JSON routes with a body want JSON: a form sent by some page is refused before it is looked at. */
function onlyJsonBodies(app: GatewayHono, { limits }: GatewayParts): void {
  app.use("/v1/*", async (c, next) => {
    const isUpload = uploadBytesMax(c.req, limits) !== undefined;
    const type = c.req.header("Content-Type");
    if (!isUpload && hasBody(c.req.raw) && !/^application\/json\s*(;|$)/i.test(type ?? "")) {
      return problemResponse(
        "unsupportedMediaType",
        `Content-Type is ${JSON.stringify((type ?? "missing").slice(0, 100))}, ` +
          "expected application/json",
      );
    }
    return await next();
  });
}

/** Builds the gateway of a node. Nothing listens yet: see `server.ts`. */
export function createApp(options: GatewayOptions): Gateway {
  const events = eventHub(options);
  const parts: GatewayParts = {
    ...options,
    limits: { ...DEFAULT_LIMITS, ...options.limits },
    allowedHosts: options.allowedHosts ?? [],
    secure: options.secure ?? false,
    events,
    logins: loginCodes(options),
    metrics: gatewayMetrics(options.node, events, options.relays),
  };
  const app: GatewayHono = new OpenAPIHono<GatewayEnv>({
    defaultHook: (result) => {
      if (result.success) return;
      return invalidResponse(
        result.error.issues as never,
        result.target === "json" ? "" : result.target,
      );
    },
  });

  measured(app, parts);
  endBodiesOfHead(app);
  app.use(securityHeaders(parts));
  app.use(onlyKnownHosts(parts));
  app.use(onlyOwnOrigin());
  app.use(authenticate(parts));
  app.use(limitRequests(parts));
  app.use(limitBodies(parts));
  onlyJsonBodies(app, parts);

  blockRoutes(app, parts);
  searchRoutes(app, parts);
  peerRoutes(app, parts);
  bridgeRoutes(app, parts);
  memberRoutes(app, parts);
  inviteRoutes(app, parts);
  pairingRoutes(app, parts);
  conversationRoutes(app, parts);
  messageRoutes(app, parts);
  sensorRoutes(app, parts);
  learningRoutes(app, parts);
  backupRoutes(app, parts);
  nodeRoutes(app, parts);
  eventRoutes(app, parts);
  loginRoutes(app, parts);
  pageRoutes(app, parts);

  app.openAPIRegistry.registerComponent("securitySchemes", "bearer", {
    type: "http",
    scheme: "bearer",
    bearerFormat: "JWT",
  });
  app.openAPIRegistry.registerComponent("securitySchemes", "basic", {
    type: "http",
    scheme: "basic",
    description: "User and password of a sensor, for its own readings only.",
  });
  app.doc31("/openapi.json", {
    openapi: "3.1.0",
    info: {
      title: "submind",
      version: "1",
      description: "The HTTP API of one node. Errors are problem documents (RFC 9457).",
    },
    security: [{ bearer: [] }],
  });

  app.onError((error) => {
    const response = errorResponse(error);
    if (response.status >= 500) {
      options.log.write("error", "a request failed", { error: String(error.stack ?? error) });
    }
    return response;
  });
  const close = async () => {
    parts.metrics.close();
    await events.close();
  };
  return { app, logins: parts.logins, events, close };
}
