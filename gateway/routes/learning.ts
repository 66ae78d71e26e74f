/** Federated learning: tasks, runs and their rounds, versions of models, and the privacy this device has spent. */
import { createRoute, z } from "@hono/zod-openapi";
import type { Outcome } from "../../actors/handle.ts";
import type { NewRun } from "../../actors/learning_handle.ts";
import type { GatewayHono, GatewayParts } from "../environment.ts";
import {
  budgetSchema,
  comparisonSchema,
  modelSchema,
  modelsSchema,
  newBudgetSchema,
  newRunSchema,
  roundsSchema,
  runSchema,
  runsSchema,
  shortIdSchema,
  tasksSchema,
  verificationSchema,
} from "../learning_schemas.ts";
import { refusalResponse } from "../problems.ts";
import type { Json } from "../schema_identity.ts";
import { idempotencyKeySchema } from "../schemas.ts";
import { json, jsonBody, other, PROBLEMS, sent } from "./route_helpers.ts";

const tags = ["learning"];
const runParams = z.strictObject({ run: shortIdSchema });
const versionParams = z.strictObject({ version: shortIdSchema });

const tasksRoute = createRoute({
  method: "get",
  path: "/v1/learning/tasks",
  tags,
  summary: "What this device can learn, and whether it has examples for it",
  responses: {
    200: json(tasksSchema, "What is there is counted anew once a minute."),
    ...PROBLEMS,
  },
});

const startRoute = createRoute({
  method: "post",
  path: "/v1/learning/runs",
  tags,
  summary: "Start a run, and join it",
  description:
    "Publishes the run's plan to the mesh; other devices join it themselves. What is impossible is refused before that, and the " +
    "answer says what would be possible. How it goes on is told by the events `runChanged`, `roundProgress`, `trainingProgress` and `roundFinished`.",
  request: {
    headers: z.object({ "Idempotency-Key": idempotencyKeySchema.optional() }),
    ...jsonBody(newRunSchema),
  },
  responses: { 201: json(runSchema, "Published, durable on this device."), ...PROBLEMS },
});

const runsRoute = createRoute({
  method: "get",
  path: "/v1/learning/runs",
  tags,
  summary: "Runs of the mesh, newest first",
  responses: { 200: json(runsSchema, "Joined here or not."), ...PROBLEMS },
});

const runRoute = createRoute({
  method: "get",
  path: "/v1/learning/runs/{run}",
  tags,
  summary: "One run",
  request: { params: runParams },
  responses: { 200: json(runSchema, "As this device knows it."), ...PROBLEMS },
});

const changeRoute = <Change extends "join" | "leave" | "stop">(change: Change, summary: string) =>
  createRoute({
    method: "post",
    path: `/v1/learning/runs/{run}/${change}` as const,
    tags,
    summary,
    request: { params: runParams },
    responses: { 200: json(runSchema, "As it is now."), ...PROBLEMS },
  });
const joinRoute = changeRoute("join", "Take part in a run");
const leaveRoute = changeRoute("leave", "Take part no longer; what was learned stays");
const stopRoute = changeRoute("stop", "End a run for everybody; for who started it and for owners");

const roundsRoute = createRoute({
  method: "get",
  path: "/v1/learning/runs/{run}/rounds",
  tags,
  summary: "Numbers of every round, oldest first",
  request: { params: runParams },
  responses: { 200: json(roundsSchema, "Accuracy and loss as measured here."), ...PROBLEMS },
});

const modelsRoute = createRoute({
  method: "get",
  path: "/v1/learning/models",
  tags,
  summary: "Versions of models, newest first",
  request: { query: z.strictObject({ run: shortIdSchema.optional() }) },
  responses: { 200: json(modelsSchema, "At most 1,000 of each run."), ...PROBLEMS },
});

const modelRoute = createRoute({
  method: "get",
  path: "/v1/learning/models/{version}",
  tags,
  summary: "One version",
  request: { params: versionParams },
  responses: { 200: json(modelSchema, "The version."), ...PROBLEMS },
});

const compareRoute = createRoute({
  method: "get",
  path: "/v1/learning/models/{version}/compare/{other}",
  tags,
  summary: "How far two versions lie apart, layer by layer",
  request: { params: z.strictObject({ version: shortIdSchema, other: shortIdSchema }) },
  responses: { 200: json(comparisonSchema, "From the first to the second."), ...PROBLEMS },
});

const rollBackRoute = createRoute({
  method: "post",
  path: "/v1/learning/models/{version}/rollback",
  tags,
  summary: "Make this the version to use",
  request: { params: versionParams },
  responses: { 200: json(modelSchema, "It is current now."), ...PROBLEMS },
});

const verifyRoute = createRoute({
  method: "get",
  path: "/v1/learning/models/{version}/verify",
  tags,
  summary: "Make a version again from what its round released, and check who signed",
  request: { params: versionParams },
  responses: { 200: json(verificationSchema, "What was checked."), ...PROBLEMS },
});

const exportRoute = createRoute({
  method: "get",
  path: "/v1/learning/models/{version}/export",
  tags,
  summary: "A version as a file for other programs",
  request: {
    params: versionParams,
    query: z.strictObject({ format: z.enum(["safetensors", "onnx"]).default("safetensors") }),
  },
  responses: { 200: other("application/octet-stream", "The file."), ...PROBLEMS },
});

const budgetRoute = createRoute({
  method: "get",
  path: "/v1/learning/budget",
  tags,
  summary: "The privacy this device has spent, and may spend in its lifetime",
  responses: { 200: json(budgetSchema, "By run."), ...PROBLEMS },
});

const setBudgetRoute = createRoute({
  method: "put",
  path: "/v1/learning/budget",
  tags,
  summary: "Change what this device may spend; never below what it has spent",
  request: jsonBody(newBudgetSchema),
  responses: { 200: json(budgetSchema, "As it is now."), ...PROBLEMS },
});

/** Adds the routes. */
export function learningRoutes(app: GatewayHono, { node }: GatewayParts): void {
  const { learning } = node;

  app.openapi(tasksRoute, async (c) => c.json({ tasks: plain(await learning.tasks()) }, 200));

  app.openapi(startRoute, async (c) => {
    const key = c.req.valid("header")["Idempotency-Key"];
    const run = { ...c.req.valid("json"), ...(key !== undefined && { idempotencyKey: key }) };
    const outcome = await learning.start(run as NewRun);
    if (outcome.type === "refused") return sent(refusalResponse(outcome));
    return c.json(plain(outcome.value), 201);
  });

  app.openapi(runsRoute, async (c) => c.json({ runs: plain(await learning.runs()) }, 200));

  app.openapi(runRoute, async (c) => {
    const outcome = await learning.run(c.req.valid("param").run);
    if (outcome.type === "refused") return sent(refusalResponse(outcome));
    return c.json(plain(outcome.value), 200);
  });

  for (
    const [route, change] of [
      [joinRoute, learning.join],
      [leaveRoute, learning.leave],
      [stopRoute, learning.stop],
    ] as const
  ) {
    app.openapi(route as typeof joinRoute, async (c) => {
      const outcome = await change(c.req.valid("param").run);
      if (outcome.type === "refused") return sent(refusalResponse(outcome));
      return c.json(plain(outcome.value), 200);
    });
  }

  app.openapi(roundsRoute, async (c) => {
    const outcome = await learning.rounds(c.req.valid("param").run);
    if (outcome.type === "refused") return sent(refusalResponse(outcome));
    return c.json({ rounds: plain(outcome.value) }, 200);
  });

  app.openapi(modelsRoute, async (c) => {
    const outcome = await learning.models(c.req.valid("query").run);
    if (outcome.type === "refused") return sent(refusalResponse(outcome));
    return c.json({ models: plain(outcome.value) }, 200);
  });

  app.openapi(modelRoute, async (c) => answer(await learning.model(c.req.valid("param").version)));
  app.openapi(
    rollBackRoute,
    async (c) => answer(await learning.rollBack(c.req.valid("param").version)),
  );
  app.openapi(
    verifyRoute,
    async (c) => answer(await learning.verify(c.req.valid("param").version)),
  );
  app.openapi(compareRoute, async (c) => {
    const { version, other } = c.req.valid("param");
    return answer(await learning.compare(version, other));
  });

  app.openapi(exportRoute, async (c) => {
    const { version } = c.req.valid("param");
    const { format } = c.req.valid("query");
    const outcome = await learning.export(version, format);
    if (outcome.type === "refused") return sent(refusalResponse(outcome));
    const headers = {
      "Content-Type": "application/octet-stream",
      "Content-Length": String(outcome.value.length),
      "Content-Disposition": `attachment; filename="${version.slice(0, 12)}.${format}"`,
    };
    return sent(new Response(outcome.value, { headers }));
  });

  app.openapi(budgetRoute, async (c) => c.json(plain(await learning.budget()), 200));

  app.openapi(
    setBudgetRoute,
    async (c) => answer(await learning.setBudget(c.req.valid("json").epsilonLifetimeMax)),
  );
}

/** The value or the refusal; its route has the schema that the value matches. */
function answer<T>(outcome: Outcome<T>): never {
  return sent(
    outcome.type === "refused" ? refusalResponse(outcome) : Response.json(plain(outcome.value)),
  );
}

/** What JSON makes of it: bytes become base64. `learning_schemas.ts` checks that the types agree. */
function plain<T>(value: T): Json<T> {
  return JSON.parse(
    JSON.stringify(value, (_key, inner) => inner instanceof Uint8Array ? inner.toBase64() : inner),
  );
}
