/** Requests and answers about sensors, as zod schemas. */
import { z } from "@hono/zod-openapi";
import type {
  IngestResult,
  SensorCredentials,
  SensorView,
  SeriesPoint,
} from "../actors/sensor_handle.ts";
import { AT_MS_MAX, READINGS_MAX } from "../protocols/sensors/readings.ts";
import { POINTS_MAX } from "../store/readings.ts";
import { fieldNames } from "./field_names.ts";
import { identical, type Matches } from "./schema_identity.ts";

const count = () => z.int().min(0);

export const sensorNameSchema = z.string()
  .regex(
    /^[a-z0-9][a-z0-9_-]{0,47}$/,
    'expected 1 to 48 of lower-case letters, digits, "-" and "_"',
  )
  .openapi({ example: "attic" });

/** A sensor as it is asked about: others' sensors carry the beginning of the device that has them. */
export const seriesNameSchema = z.string()
  .regex(
    /^[a-z0-9][a-z0-9_-]{0,47}(@[a-z2-7]{8})?$/,
    'expected the name of a sensor, such as "attic" or "attic@a2b3c4d5"',
  )
  .openapi({ example: "attic" });

export const metricSchema = z.string()
  .regex(/^[A-Za-z0-9_.-]{1,64}$/, 'expected 1 to 64 of letters, digits, "_", "-" and "."')
  .openapi({ example: "temperature_c" });

const sampleSchema = z.record(z.string().max(64), z.union([z.number(), z.boolean()]))
  .openapi(fieldNames("By field.", { maxLength: 64 }));

/** What a sensor publishes: metrics by name, "seq" and "at" beside them. Looked at more closely by `decodePayload`. */
export const payloadSchema = z.union([
  sampleSchema,
  z.array(sampleSchema).min(1).max(READINGS_MAX),
]).openapi("Readings", { example: { temperature_c: 21.5, seq: 17 } });

export const ingestSchema = z.strictObject({ accepted: count(), duplicates: count() })
  .openapi("IngestResult");

export const sensorSchema = z.strictObject({
  sensor: z.string(),
  displayName: z.string(),
  createdAtMs: count(),
  lastReadingAtMs: count().nullable(),
  readings: count(),
  metrics: z.array(z.string()),
  revoked: z.boolean(),
}).openapi("Sensor");

export const sensorsSchema = z.strictObject({ sensors: z.array(sensorSchema) });

export const newSensorSchema = z.strictObject({
  sensor: sensorNameSchema,
  displayName: z.string().max(64).default(""),
}).openapi("NewSensor");

export const credentialsSchema = z.strictObject({
  sensor: z.string(),
  user: z.string(),
  password: z.string().openapi({ description: "Told this once." }),
  mqttTopic: z.string(),
  mqttUrl: z.string(),
  httpUrl: z.string(),
}).openapi("SensorCredentials");

export const seriesQuerySchema = z.strictObject({
  metric: metricSchema,
  fromMs: z.coerce.number().int().min(0).max(AT_MS_MAX).default(0),
  toMs: z.coerce.number().int().min(0).max(AT_MS_MAX).default(AT_MS_MAX),
  bucketMs: z.coerce.number().int().min(0).max(AT_MS_MAX).default(0)
    .openapi({ description: "Mean, least and most of each stretch this long; 0: every reading." }),
  limit: z.coerce.number().int().min(1).max(POINTS_MAX).default(1_000),
});

export const seriesSchema = z.strictObject({
  points: z.array(
    z.strictObject({
      atMs: count(),
      value: z.number(),
      least: z.number(),
      most: z.number(),
      count: count(),
    }).openapi("SeriesPoint"),
  ),
});

identical<[
  Matches<typeof sensorSchema, SensorView>,
  Matches<typeof credentialsSchema, SensorCredentials>,
  Matches<typeof ingestSchema, IngestResult>,
  Matches<typeof seriesSchema.shape.points.element, SeriesPoint>,
]>(true, true, true, true);
