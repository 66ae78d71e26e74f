/** Requests and answers about federated learning, as zod schemas. */
import { z } from "@hono/zod-openapi";
import type {
  BudgetView,
  ModelComparison,
  ModelView,
  RoundMetrics,
  RunState,
  RunView,
  TaskView,
  Verification,
} from "../actors/learning_handle.ts";
import { ROUNDS_MAX, TITLE_CHARACTERS_MAX } from "../learning/runs/plan_codec.ts";
import {
  GRID_AXES_MAX,
  GRID_SIDE_MAX,
  PARTICIPANTS_MAX,
  type RoundPhase,
} from "../protocols/rounds/messages.ts";
import { fieldNames } from "./field_names.ts";
import { mayBeMissing } from "./may_be_missing.ts";
import { identical, type Matches } from "./schema_identity.ts";
import { base64Schema, blockIdSchema, count, deviceIdSchema, text } from "./schemas.ts";

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

const NAME = /^[a-zA-Z0-9]{1,32}$/;
const nameSchema = z.string().regex(NAME, "expected 1-32 letters and digits");
const byName = fieldNames("By name.", { pattern: NAME.source });
const measuredSchema = z.record(nameSchema, z.number()).openapi({
  ...byName,
  description: "The task's own metrics, by name.",
  example: { top3Accuracy: 0.61 },
});

const compressionCostSchema = z.strictObject({
  ratio: z.number(),
  error: z.number().min(0).nullable(),
}).openapi("CompressionCost", {
  description:
    "Bytes of the parameters over those of an update on the wire, and the squared error of this device's own updates over their square: of a round, or of all rounds.",
});

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
  measured: mayBeMissing(measuredSchema),
  trainingLoss: z.number().nullable(),
  updateBytes: count(),
  parameterBytes: count(),
  compression: mayBeMissing(compressionCostSchema),
  epsilon: z.number().nullable(),
}).openapi("RoundMetrics");

const hashSchema = z.string().regex(/^[0-9a-f]{64}$/, "expected 64 lower-case hex digits")
  .openapi({ description: "SHA-256 of the parameters, hex.", example: "0".repeat(64) });

/** A run or version as it is asked about: a unique beginning is enough. */
export const shortIdSchema = z.string()
  .regex(/^[0-9a-f]{6,64}$/, "expected 6 to 64 lower-case hex digits")
  .openapi({ description: "A unique beginning of at least 6 digits.", example: "0a1b2c3d" });

const bothLanguages = z.strictObject({ en: z.string(), de: z.string() });
export const taskSchema = z.strictObject({
  task: z.string(),
  title: bothLanguages,
  description: bothLanguages,
  parameters: count(),
  available: z.boolean(),
  reason: z.string().nullable(),
  trainingExamples: count(),
  testExamples: count(),
}).openapi("LearningTask");
export const tasksSchema = z.strictObject({ tasks: z.array(taskSchema) });

const choiceSchema = z.strictObject({
  name: nameSchema,
  numbers: z.record(nameSchema, z.number()).openapi(byName),
}).openapi("Choice", { example: { name: "trimmedMean", numbers: { share: 0.2 } } });
const optionsSchema = z.record(nameSchema, z.union([text(256), z.number(), z.boolean()]))
  .openapi(byName);
const aggregationKindSchema = z.enum([
  "secure",
  "secureGroups",
  "twoServers",
  "paillier",
  "clear",
  "grid",
]);
const shareKindSchema = z.enum(["iid", "shards", "dirichlet"]);
const milliseconds = () => z.int().min(10).max(7 * 86_400_000);
const participants = () => z.int().min(1).max(PARTICIPANTS_MAX);
const encodingSchema = z.strictObject({
  range: z.number(),
  bits: z.int(),
  examplesPerWeight: mayBeMissing(z.int()),
});
const localFields = {
  epochs: z.int().min(1).max(1_000),
  batchSize: z.int().min(1).max(1_024),
  learningRate: z.number().positive().max(100),
  momentum: z.number().min(0).max(0.999).nullable(),
  proximal: z.number().min(0).max(1e6).nullable(),
};
const deadlineFields = {
  readyMs: milliseconds(),
  trainMs: milliseconds(),
  phaseMs: milliseconds(),
};

/** What may be said when a run starts; everything else has the task's defaults. */
export const newRunSchema = z.strictObject({
  task: z.string().regex(/^[a-z][a-z0-9-]{0,31}$/, "expected the name of a task"),
  title: text(256, 1).max(TITLE_CHARACTERS_MAX).optional(),
  options: optionsSchema.optional(),
  rounds: z.int().min(1).max(ROUNDS_MAX).optional(),
  participants: z.strictObject({
    least: participants(),
    most: participants(),
    fraction: z.number().positive().max(1),
  }).partial().optional(),
  local: z.strictObject(localFields).partial().optional(),
  strategy: choiceSchema.optional(),
  aggregation: aggregationKindSchema.optional(),
  rule: choiceSchema.optional(),
  grid: z.strictObject({
    dimensions: z.int().min(1).max(GRID_AXES_MAX),
    side: z.int().min(2).max(GRID_SIDE_MAX),
  }).partial().optional(),
  compression: choiceSchema.optional(),
  privacy: z.strictObject({
    epsilon: z.number().positive().max(1e6),
    delta: z.number().positive().max(0.1).optional(),
    clip: z.number().positive().max(1e6),
    clipQuantile: z.number().min(0.01).max(0.99).optional(),
    noiseMultiplier: z.number().positive().max(1e6).optional(),
  }).optional(),
  deadlines: z.strictObject(deadlineFields).partial().optional(),
  share: z.strictObject({
    kind: shareKindSchema,
    alpha: z.number().positive().max(1e6).optional(),
  }).optional(),
  startFrom: shortIdSchema.optional(),
  wait: z.boolean().optional().openapi({
    description:
      "More devices or examples will come: begin also where the members of now cannot play the run.",
  }),
}).openapi("NewRun", { example: { task: "mnist", rounds: 50 } });

const planSchema = z.strictObject({
  version: z.literal(1),
  title: z.string(),
  task: z.string(),
  options: optionsSchema,
  networkHash: hashSchema,
  seed: base64Schema,
  startFrom: hashSchema.nullable(),
  rounds: count(),
  participation: z.strictObject({
    least: count(),
    most: count(),
    fraction: z.number(),
    overSelection: z.number(),
  }),
  local: z.strictObject(localFields),
  strategy: choiceSchema,
  aggregation: z.discriminatedUnion("type", [
    z.strictObject({ type: z.literal("clear"), rule: choiceSchema }),
    z.strictObject({ type: z.literal("secure"), encoding: encodingSchema }),
    z.strictObject({ type: z.literal("twoServers"), encoding: encodingSchema }),
    z.strictObject({
      type: z.literal("paillier"),
      encoding: encodingSchema,
      keyBits: z.union([z.literal(2_048), z.literal(3_072)]),
    }),
    z.strictObject({
      type: z.literal("secureGroups"),
      encoding: encodingSchema,
      groupSize: count(),
      rule: choiceSchema,
    }),
    z.strictObject({
      type: z.literal("grid"),
      dimensions: count(),
      side: count(),
      rule: choiceSchema,
    }),
  ]),
  // A union, because what `nullable` makes of a schema with an example of its own refuses null in the OpenAPI document.
  compression: z.union([choiceSchema, z.null()]),
  privacy: z.strictObject({
    clip: z.number(),
    noiseMultiplier: z.number(),
    noise: z.enum(["distributed", "central"]),
    delta: z.number(),
    dropout: z.number(),
    epsilonMax: z.number(),
    adaptive: mayBeMissing(z.strictObject({
      quantile: z.number(),
      rate: z.number(),
      countDeviation: z.number(),
      least: z.number(),
      most: z.number(),
    })),
  }).nullable(),
  deadlines: z.strictObject(deadlineFields),
  proofOfWorkBits: count(),
  share: z.strictObject({
    kind: shareKindSchema,
    alpha: z.number().nullable(),
    devices: z.array(deviceIdSchema),
  }).nullable(),
}).openapi("RunPlan");

const openedTotalSchema = z.strictObject({
  round: count(),
  attempt: count(),
  coordinator: deviceIdSchema,
  roster: hashSchema,
  survivors: z.string(),
  inputsRoot: hashSchema,
  product: hashSchema,
  signature: z.string(),
}).openapi("OpenedTotal", {
  description:
    "What a coordinator signed when it last asked this device, as the second party, for a total.",
});

export const runSchema = z.strictObject({
  run: blockIdSchema,
  title: z.string(),
  task: z.string(),
  startedBy: deviceIdSchema,
  startedAtMs: z.number(),
  state: runStateSchema,
  joined: z.boolean(),
  round: count(),
  rounds: count(),
  phase: roundPhaseSchema,
  coordinator: deviceIdSchema.nullable(),
  term: count(),
  devices: count(),
  waitingFor: z.string().nullable(),
  plan: planSchema,
  version: hashSchema.nullable(),
  metrics: roundMetricsSchema.nullable(),
  epsilonSpent: z.number().nullable(),
  compression: mayBeMissing(compressionCostSchema),
  opened: mayBeMissing(openedTotalSchema),
}).openapi("Run");
export const runsSchema = z.strictObject({ runs: z.array(runSchema) });
export const roundsSchema = z.strictObject({ rounds: z.array(roundMetricsSchema) });

const figuresSchema = roundMetricsSchema.pick({ accuracy: true, loss: true, measured: true });
export const modelSchema = z.strictObject({
  version: hashSchema,
  block: blockIdSchema.nullable(),
  parent: hashSchema.nullable(),
  run: blockIdSchema,
  task: z.string(),
  round: count(),
  createdAtMs: z.number(),
  coordinator: deviceIdSchema,
  participants: count(),
  bytes: count(),
  here: z.boolean(),
  current: z.boolean(),
  verified: z.enum(["valid", "invalid", "unchecked"]),
  metrics: figuresSchema,
}).openapi("Model");
export const modelsSchema = z.strictObject({ models: z.array(modelSchema) });

export const comparisonSchema = z.strictObject({
  a: hashSchema,
  b: hashSchema,
  l2: z.number(),
  cosine: z.number(),
  layers: z.array(z.strictObject({ name: z.string(), l2: z.number(), relative: z.number() })),
  metrics: z.strictObject({ a: figuresSchema, b: figuresSchema }),
}).openapi("ModelComparison");

export const verificationSchema = z.strictObject({
  version: hashSchema,
  valid: z.boolean(),
  checks: z.array(
    z.strictObject({ check: z.string(), ok: z.boolean(), detail: z.string() }),
  ),
  durationMs: count(),
}).openapi("Verification");

export const budgetSchema = z.strictObject({
  epsilonLifetimeMax: z.number(),
  delta: z.number(),
  epsilonSpent: z.number(),
  runs: z.array(z.strictObject({
    run: blockIdSchema,
    title: z.string(),
    rounds: count(),
    epsilon: z.number(),
    epsilonMax: z.number(),
  })),
}).openapi("PrivacyBudget");
export const newBudgetSchema = z.strictObject({
  epsilonLifetimeMax: z.number().positive().max(1e6),
});

identical<[
  Matches<typeof runStateSchema, RunState>,
  Matches<typeof roundPhaseSchema, RoundPhase>,
  Matches<typeof roundMetricsSchema, RoundMetrics>,
  Matches<typeof taskSchema, TaskView>,
  Matches<typeof runSchema, RunView>,
  Matches<typeof modelSchema, ModelView>,
  Matches<typeof comparisonSchema, ModelComparison>,
  Matches<typeof verificationSchema, Verification>,
  Matches<typeof budgetSchema, BudgetView>,
]>(true, true, true, true, true, true, true, true, true);
