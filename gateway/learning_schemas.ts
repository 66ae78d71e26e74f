/** Requests and answers about federated learning, as zod schemas. */
import { z } from "@hono/zod-openapi";
import type { RoundMetrics, RunState } from "../actors/learning_handle.ts";
import type { RoundPhase } from "../protocols/rounds/messages.ts";
import { identical, type Matches } from "./schema_identity.ts";
import { deviceIdSchema } from "./schemas.ts";

const count = () => z.int().min(0);

export const runStateSchema = z.enum(["open", "running", "finished", "stopped"]);
export const roundPhaseSchema = z.enum([
  "waiting",
  "calling",
  "training",
  "collecting",
  "unmasking",
  "publishing",
  "finished",
]);

export const roundMetricsSchema = z.strictObject({
  round: z.int().min(1),
  atMs: z.number(),
  durationMs: count(),
  coordinator: deviceIdSchema,
  called: count(),
  ready: count(),
  counted: count(),
  dropped: count(),
  refused: count(),
  accuracy: z.number().min(0).max(1).nullable(),
  loss: z.number().nullable(),
  trainingLoss: z.number().nullable(),
  updateBytes: count(),
  parameterBytes: count(),
  epsilon: z.number().nullable(),
}).openapi("RoundMetrics");

identical<[
  Matches<typeof runStateSchema, RunState>,
  Matches<typeof roundPhaseSchema, RoundPhase>,
  Matches<typeof roundMetricsSchema, RoundMetrics>,
]>(true, true, true);
