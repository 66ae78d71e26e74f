/** Sensors: their credentials, readings over HTTP, and time series. */
import { createRoute, z } from "@hono/zod-openapi";
import type { NewReading } from "../../actors/sensor_handle.ts";
import { decodePayload } from "../../protocols/sensors/payload.ts";
import type { GatewayHono, GatewayParts } from "../environment.ts";
import { problemResponse, refusalResponse } from "../problems.ts";
import {
  credentialsSchema,
  ingestSchema,
  newSensorSchema,
  payloadSchema,
  sensorNameSchema,
  sensorSchema,
  sensorsSchema,
  seriesNameSchema,
  seriesQuerySchema,
  seriesSchema,
} from "../sensor_schemas.ts";
import { json, jsonBody, PROBLEMS, sent } from "./route_helpers.ts";

const tags = ["sensors"];
const params = z.strictObject({ sensor: sensorNameSchema });

const listRoute = createRoute({
  method: "get",
  path: "/v1/sensors",
  tags,
  summary: "Sensors of this device, and those of other devices whose readings are here",
  responses: { 200: json(sensorsSchema, "By name."), ...PROBLEMS },
});

const addRoute = createRoute({
  method: "post",
  path: "/v1/sensors",
  tags,
  summary: "Let a sensor in",
  request: jsonBody(newSensorSchema),
  responses: { 201: json(credentialsSchema, "With its password, told this once."), ...PROBLEMS },
});

const revokeRoute = createRoute({
  method: "delete",
  path: "/v1/sensors/{sensor}",
  tags,
  summary: "Withdraw the credentials of a sensor; its readings stay",
  request: { params },
  responses: { 200: json(sensorSchema, "As it is now."), ...PROBLEMS },
});

const ingestRoute = createRoute({
  method: "post",
  path: "/v1/sensors/{sensor}/readings",
  tags,
  summary: "Readings of a sensor that speaks no MQTT",
  description: "The sensor logs in with its own user and password (HTTP Basic), or with a token. " +
    'The body is what it would publish over MQTT: an object of metrics such as `{"temperature_c": 21.5, "seq": 17}`, or a list of ' +
    "those; `seq` and `at` (ms since the epoch) tell a repetition. Answered when durable.",
  security: [{ basic: [] }, { bearer: [] }],
  request: { params, ...jsonBody(payloadSchema) },
  responses: { 200: json(ingestSchema, "Durable on this device."), ...PROBLEMS },
});

const seriesRoute = createRoute({
  method: "get",
  path: "/v1/sensors/{sensor}/series",
  tags,
  summary: "A time series",
  request: { params: z.strictObject({ sensor: seriesNameSchema }), query: seriesQuerySchema },
  responses: { 200: json(seriesSchema, "Earliest first."), ...PROBLEMS },
});

/** Adds the routes. */
export function sensorRoutes(app: GatewayHono, { node, clock }: GatewayParts): void {
  app.openapi(listRoute, async (c) => c.json({ sensors: copy(await node.sensors.sensors()) }, 200));

  app.openapi(addRoute, async (c) => {
    const outcome = await node.sensors.addSensor(c.req.valid("json"));
    return outcome.type === "refused"
      ? sent(refusalResponse(outcome))
      : c.json({ ...outcome.value }, 201);
  });

  app.openapi(revokeRoute, async (c) => {
    const outcome = await node.sensors.revokeSensor(c.req.valid("param").sensor);
    if (outcome.type === "refused") return sent(refusalResponse(outcome));
    return c.json(copy([outcome.value])[0]!, 200);
  });

  app.openapi(ingestRoute, async (c) => {
    const { sensor } = c.req.valid("param");
    const principal = c.get("principal");
    if (principal?.scope === "sensor" && principal.subject !== sensor) {
      const detail = `these credentials are for sensor "${principal.subject}"`;
      return sent(problemResponse("notPermitted", detail));
    }
    const bytes = new TextEncoder().encode(JSON.stringify(c.req.valid("json")));
    const decoded = decodePayload(bytes, { metric: null, receivedAtMs: clock.wallMs() });
    if (!decoded.ok) return sent(problemResponse("invalid", decoded.reason));
    const readings = decoded.message.map(({ sequence, ...rest }): NewReading => ({
      ...rest,
      ...(sequence === null ? {} : { sequence }),
    }));
    const outcome = await node.sensors.ingest(sensor, readings);
    return outcome.type === "refused"
      ? sent(refusalResponse(outcome))
      : c.json({ ...outcome.value }, 200);
  });

  app.openapi(seriesRoute, async (c) => {
    const { sensor } = c.req.valid("param");
    const outcome = await node.sensors.series({ sensor, ...c.req.valid("query") });
    return outcome.type === "refused"
      ? sent(refusalResponse(outcome))
      : c.json({ points: outcome.value.map((point) => ({ ...point })) }, 200);
  });
}

function copy(sensors: Awaited<ReturnType<GatewayParts["node"]["sensors"]["sensors"]>>) {
  return sensors.map((sensor) => ({ ...sensor, metrics: [...sensor.metrics] }));
}
