/** The bridge as JSON. */
import { z } from "@hono/zod-openapi";
import type { BridgeView } from "../actors/bridge/commands.ts";
import { identical, type Matches } from "./schema_identity.ts";
import { count } from "./schemas.ts";

export const bridgeSchema = z.strictObject({
  state: z.enum(["off", "connected", "disconnected"]),
  server: z.string().nullable().openapi({ example: "nats://192.168.1.7:4222" }),
  serverName: z.string().nullable(),
  roundTripMs: z.number().nullable(),
  durable: z.boolean(),
  problem: z.string().nullable(),
  failovers: count(),
  learnedServers: z.array(z.string()),
  present: count(),
  messagesSent: count(),
  messagesReceived: count(),
  bytesSent: count(),
  bytesReceived: count(),
}).openapi("Bridge");

identical<[Matches<typeof bridgeSchema, BridgeView>]>(true);
