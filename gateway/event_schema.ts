/** The events of the node as a zod schema, so that the OpenAPI document describes what `/v1/events` sends. */
import { z } from "@hono/zod-openapi";
import type { NodeEvent } from "../actors/events.ts";
import { roundMetricsSchema, roundPhaseSchema, runStateSchema } from "./learning_schemas.ts";
import { conversationIdSchema, deliveryStateSchema, messageIdSchema } from "./mail_schemas.ts";
import { identical, type Matches } from "./schema_identity.ts";
import {
  blockIdSchema,
  blockKindSchema,
  deviceIdSchema,
  pairingPhaseSchema,
  pathKindSchema,
} from "./schemas.ts";

const damageFields = { table: z.string(), key: z.string() };

const eventSchema = z.discriminatedUnion("type", [
  z.strictObject({
    type: z.literal("blockStored"),
    id: blockIdSchema,
    author: deviceIdSchema,
    sequence: z.int().min(1),
    kind: blockKindSchema,
    topic: z.string(),
    bodyBytes: z.int().min(0),
    receivedFrom: deviceIdSchema.nullable().openapi({ description: "Null: made on this device." }),
  }),
  z.strictObject({ type: z.literal("bodyCompleted"), id: blockIdSchema }),
  z.strictObject({
    type: z.literal("equivocationFound"),
    author: deviceIdSchema,
    sequence: z.int().min(1),
  }),
  z.strictObject({ type: z.literal("damageFound"), ...damageFields, problem: z.string() }),
  z.strictObject({ type: z.literal("damageRepaired"), ...damageFields }),
  z.strictObject({
    type: z.literal("peerSighted"),
    deviceId: deviceIdSchema,
    displayName: z.string(),
    addresses: z.array(z.string()),
  }),
  z.strictObject({
    type: z.literal("peerGone"),
    deviceId: deviceIdSchema,
    reason: z.enum(["goodbye", "expired"]),
  }),
  z.strictObject({
    type: z.literal("discoveryAvailability"),
    multicast: z.boolean(),
    reason: z.string(),
  }),
  z.strictObject({
    type: z.literal("sessionUp"),
    deviceId: deviceIdSchema,
    path: pathKindSchema,
    resumed: z.boolean(),
    connectMs: z.number(),
  }),
  z.strictObject({ type: z.literal("sessionDown"), deviceId: deviceIdSchema, reason: z.string() }),
  z.strictObject({ type: z.literal("inSyncWith"), deviceId: deviceIdSchema }),
  z.strictObject({ type: z.literal("meshJoined"), mesh: blockIdSchema, founded: z.boolean() }),
  z.strictObject({
    type: z.literal("memberChanged"),
    deviceId: deviceIdSchema,
    change: z.enum(["added", "updated", "revoked"]),
  }),
  z.strictObject({
    type: z.literal("pairingChanged"),
    pairingId: z.string(),
    phase: pairingPhaseSchema,
  }),
  z.strictObject({
    type: z.literal("messageReceived"),
    message: messageIdSchema,
    conversation: conversationIdSchema,
    from: deviceIdSchema,
  }),
  z.strictObject({
    type: z.literal("deliveryChanged"),
    message: messageIdSchema,
    conversation: conversationIdSchema,
    to: deviceIdSchema,
    state: deliveryStateSchema,
  }),
  z.strictObject({ type: z.literal("conversationChanged"), conversation: conversationIdSchema }),
  z.strictObject({ type: z.literal("bridgeChanged"), connected: z.boolean(), detail: z.string() }),
  z.strictObject({
    type: z.literal("livenessChanged"),
    deviceId: deviceIdSchema,
    state: z.enum(["unknown", "alive", "suspect", "dead", "left"]),
  }),
  z.strictObject({
    type: z.literal("pathChanged"),
    deviceId: deviceIdSchema,
    from: pathKindSchema,
    path: pathKindSchema,
    relayed: z.boolean(),
  }),
  z.strictObject({ type: z.literal("readingsStored"), sensor: z.string(), count: z.int().min(1) }),
  z.strictObject({
    type: z.literal("runChanged"),
    run: blockIdSchema,
    state: runStateSchema,
  }),
  z.strictObject({
    type: z.literal("roundProgress"),
    run: blockIdSchema,
    round: z.int().min(1),
    phase: roundPhaseSchema,
    ready: z.int().min(0),
    submitted: z.int().min(0),
    fetched: z.int().min(0),
  }),
  z.strictObject({
    type: z.literal("trainingProgress"),
    run: blockIdSchema,
    round: z.int().min(1),
    done: z.int().min(0),
    total: z.int().min(0),
  }),
  z.strictObject({
    type: z.literal("roundFinished"),
    run: blockIdSchema,
    metrics: roundMetricsSchema,
  }),
  z.strictObject({ type: z.literal("warning"), source: z.string(), message: z.string() }),
]);

/** Every event of the node, and the gateway's own word that some were missed. */
export const nodeEventSchema = z.union([
  eventSchema,
  z.strictObject({ type: z.literal("resync") })
    .openapi({ description: "Some events were missed: read the state anew." }),
]).openapi("NodeEvent");

identical<[Matches<typeof eventSchema, NodeEvent>]>(true);
