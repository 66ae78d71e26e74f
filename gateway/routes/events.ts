/** Everything that happens, live, as server-sent events. */
import { createRoute, z } from "@hono/zod-openapi";
import type { GatewayHono, GatewayParts } from "../environment.ts";
import { problemResponse } from "../problems.ts";
import { nodeEventSchema } from "../event_schema.ts";
import { PROBLEMS, sent } from "./route_helpers.ts";

const lastEventIdSchema = z.string().regex(
  /^[0-9a-f]{8}-\d{1,15}$/,
  "expected the id of an event of this API",
);

const route = createRoute({
  method: "get",
  path: "/v1/events",
  tags: ["events"],
  summary: "What happens, live",
  description:
    "Server-sent events: `event` is the type of a NodeEvent, `data` the event as JSON, `id` a " +
    "position to resume from with `Last-Event-ID`. After `resync` something was missed: read the state anew. " +
    "A reader that does not read is dropped, and so is one whose token has ended.",
  request: {
    query: z.strictObject({ lastEventId: lastEventIdSchema.optional() }),
    headers: z.object({ "Last-Event-ID": z.string().max(64).optional() }),
  },
  responses: {
    200: {
      description: "Endless. The schema is that of `data`.",
      content: { "text/event-stream": { schema: nodeEventSchema } },
    },
    ...PROBLEMS,
  },
});

/** Adds the route of events. */
export function eventRoutes(app: GatewayHono, { events }: GatewayParts): void {
  app.openapi(route, (c) => {
    const stated = c.req.header("Last-Event-ID") || c.req.valid("query").lastEventId;
    const stream = events.open({ lastEventId: stated, isStillAllowed: c.get("isStillAllowed") });
    if (stream === undefined) {
      return sent(problemResponse("busy", "too many event streams are open; close one"));
    }
    return sent(
      new Response(stream, {
        headers: { "Content-Type": "text/event-stream", "X-Accel-Buffering": "no" },
      }),
    );
  });
}
