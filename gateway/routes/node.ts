/** The node itself: status, interest, verification, backup, health and metrics. */
import { createRoute, z } from "@hono/zod-openapi";
import type { Interest } from "../../actors/handle.ts";
import type { GatewayHono, GatewayParts } from "../environment.ts";
import { problemResponse, refusalResponse } from "../problems.ts";
import { progressStream } from "../progress_stream.ts";
import { backupSchema, interestAnswerSchema, leaveMeshSchema, statusSchema } from "../schemas.ts";
import { json, jsonBody, other, PROBLEMS, sent } from "./route_helpers.ts";

const tags = ["node"];
const NDJSON = "application/x-ndjson";

const statusRoute = createRoute({
  method: "get",
  path: "/v1/status",
  tags,
  summary: "What this node is and holds",
  responses: { 200: json(statusSchema, "Now."), ...PROBLEMS },
});

const interestRoute = createRoute({
  method: "get",
  path: "/v1/interest",
  tags,
  summary: "Which payloads this device keeps",
  responses: { 200: json(interestAnswerSchema, "Null keeps everything."), ...PROBLEMS },
});

const setInterestRoute = createRoute({
  method: "put",
  path: "/v1/interest",
  tags,
  summary: "Choose which payloads this device keeps",
  request: jsonBody(interestAnswerSchema),
  responses: { 200: json(interestAnswerSchema, "As it is now."), ...PROBLEMS },
});

const verifyRoute = createRoute({
  method: "post",
  path: "/v1/verify",
  tags,
  summary: "Recompute every hash",
  description: 'Lines of JSON: {"type":"progress","done":…,"total":…} and at the end ' +
    '{"type":"done","damage":[…]} or {"type":"failed","message":…}.',
  responses: { 200: other(NDJSON, "Progress and result."), ...PROBLEMS },
});

const backupRoute = createRoute({
  method: "post",
  path: "/v1/backup",
  tags,
  summary: "Write a consistent copy of everything while in use",
  description: "Lines of JSON as for /v1/verify. The directory must not exist yet.",
  request: jsonBody(backupSchema),
  responses: { 200: other(NDJSON, "Progress and result."), ...PROBLEMS },
});

const leaveRoute = createRoute({
  method: "post",
  path: "/v1/mesh/leave",
  tags,
  summary: "Leave a mesh whose only member this device is",
  description:
    "The answer comes first, then the node starts anew, without a mesh. What it knew of the old one is kept " +
    "in its data folder.",
  request: jsonBody(leaveMeshSchema),
  responses: { 202: json(leaveMeshSchema, "It is leaving."), ...PROBLEMS },
});

const healthRoute = createRoute({
  method: "get",
  path: "/healthz",
  tags,
  summary: "Whether the node answers; needs no token",
  security: [],
  responses: { 200: json(z.strictObject({ status: z.literal("ok") }), "It does."), ...PROBLEMS },
});

const metricsRoute = createRoute({
  method: "get",
  path: "/metrics",
  tags,
  summary: "Prometheus metrics",
  responses: { 200: other("text/plain", "Text exposition format."), ...PROBLEMS },
});

function isAbsolutePath(path: string): boolean {
  return path.startsWith("/") || /^[A-Za-z]:[\\/]/.test(path) || path.startsWith("\\\\");
}

function interestJson(interest: Interest | null) {
  return {
    interest: interest === null ? null : { ...interest, topics: [...interest.topics] },
  };
}

/** Adds the routes of the node itself. */
export function nodeRoutes(
  app: GatewayHono,
  { node, metrics, log, leaveMesh }: GatewayParts,
): void {
  // Both read the whole store: one at a time is as fast as two.
  let running: string | null = null;

  app.openapi(statusRoute, async (c) => {
    const status = await node.status();
    return c.json({
      ...status,
      rendezvousAddresses: [...status.rendezvousAddresses],
      damage: [...status.damage],
    }, 200);
  });

  app.openapi(interestRoute, async (c) => c.json(interestJson(await node.interest()), 200));

  app.openapi(setInterestRoute, async (c) => {
    const outcome = await node.setInterest(c.req.valid("json").interest);
    if (outcome.type === "refused") return sent(refusalResponse(outcome));
    return c.json(interestJson(outcome.value), 200);
  });

  async function runAlone(
    name: string,
    task: Parameters<typeof progressStream>[0]["task"],
  ): Promise<Response> {
    if (running !== null) {
      return problemResponse("conflict", `cannot start ${name}: ${running} is running`);
    }
    running = name;
    return await progressStream({
      task: (onProgress) =>
        task(onProgress).finally(() => {
          running = null;
        }),
      onError: (error) => log.write("error", `${name} failed`, { error: String(error) }),
    });
  }

  app.openapi(verifyRoute, async () =>
    sent(
      await runAlone("verify", async (onProgress) => {
        const damage = await node.verifyStore(onProgress);
        return { type: "done", value: { damage } };
      }),
    ));

  app.openapi(backupRoute, async (c) => {
    const { directory } = c.req.valid("json");
    if (!isAbsolutePath(directory)) {
      const detail = `directory is ${JSON.stringify(directory)}, expected an absolute path`;
      return sent(problemResponse("invalid", detail));
    }
    return sent(
      await runAlone("backup", async (onProgress) => {
        const outcome = await node.backup(directory, onProgress);
        return outcome.type === "refused" ? outcome : { type: "done", value: {} };
      }),
    );
  });

  app.openapi(leaveRoute, async (c) => {
    const { bring } = c.req.valid("json");
    if (leaveMesh === undefined) {
      const detail = "Cannot leave the mesh: the program that runs this node does not offer it";
      return sent(problemResponse("unavailable", detail));
    }
    const outcome = await leaveMesh({ bring });
    if (outcome.type === "refused") return sent(refusalResponse(outcome));
    return c.json({ bring }, 202);
  });

  app.openapi(healthRoute, (c) => c.json({ status: "ok" as const }, 200));

  app.openapi(metricsRoute, async () => {
    const { text, contentType } = await metrics.render();
    return sent(new Response(text, { headers: { "Content-Type": contentType } }));
  });
}
