/** Liveness messages as bytes: canonical CBOR. The only edge of this protocol. */
import { z } from "zod";
import { type EncodableValue, encodeCanonical } from "../codec.ts";
import { publicKeyOf } from "../ids.ts";
import { decodeByName, type Decoded, deviceId, uint32 } from "../wire_schema.ts";
import {
  ACCUSERS_MAX,
  BELIEFS_MAX,
  type LivenessMessage,
  type Rumour,
  RUMOUR_STATES,
  RUMOURS_MAX,
} from "./messages.ts";

/** A full `beliefs` fits, and with its envelope into one frame of a session. */
const LIVENESS_BYTES_MAX = 510 * 1024;

const rumour = z.tuple([
  deviceId,
  z.int().min(0).max(RUMOUR_STATES.length - 1),
  z.int().min(0).max(Number.MAX_SAFE_INTEGER),
  z.array(deviceId).max(ACCUSERS_MAX),
]).transform(([subject, state, incarnation, accusers], context): Rumour => {
  const ascending = accusers.every((id, i) => i === 0 || accusers[i - 1]! < id);
  if (!ascending || (accusers.length > 0) !== (RUMOUR_STATES[state] === "suspect")) {
    context.addIssue("expected accusers, ascending, exactly where there is a suspicion");
  }
  return { subject, state: RUMOUR_STATES[state]!, incarnation, accusers };
});
const rumours = z.array(rumour).max(RUMOURS_MAX);

const schemas: { readonly [Type in LivenessMessage["type"]]: z.ZodType<LivenessMessage> } = {
  ping: z.tuple([z.literal("ping"), uint32, rumours])
    .transform(([type, sequence, rumours]) => ({ type, sequence, rumours })),
  ack: z.tuple([z.literal("ack"), uint32, rumours])
    .transform(([type, sequence, rumours]) => ({ type, sequence, rumours })),
  pingRequest: z.tuple([z.literal("pingRequest"), uint32, deviceId, rumours])
    .transform(([type, sequence, target, rumours]) => ({ type, sequence, target, rumours })),
  nack: z.tuple([z.literal("nack"), uint32, z.boolean()])
    .transform(([type, sequence, noSession]) => ({ type, sequence, noSession })),
  gossip: z.tuple([z.literal("gossip"), rumours])
    .transform(([type, rumours]) => ({ type, rumours })),
  digest: z.tuple([z.literal("digest"), uint32, uint32, rumours])
    .transform(([type, count, sum, rumours]) => ({ type, count, sum, rumours })),
  beliefs: z.tuple([z.literal("beliefs"), z.boolean(), z.array(rumour).max(BELIEFS_MAX)])
    .transform(([type, answerWanted, rumours]) => ({ type, answerWanted, rumours })),
};

/** Decodes what a peer sent; strict, bounded, never throws. */
export function decodeLivenessMessage(body: Uint8Array): Decoded<LivenessMessage> {
  return decodeByName(schemas, body, {
    limits: { bytesMax: LIVENESS_BYTES_MAX },
    what: "message",
    expected: "a liveness message",
  });
}

/** The bytes of a message. */
export function encodeLivenessMessage(message: LivenessMessage): Uint8Array {
  return encodeCanonical(toWire(message));
}

function toWire(message: LivenessMessage): EncodableValue {
  switch (message.type) {
    case "ping":
    case "ack":
      return [message.type, message.sequence, message.rumours.map(rumourToWire)];
    case "pingRequest":
      return [
        message.type,
        message.sequence,
        publicKeyOf(message.target),
        message.rumours.map(rumourToWire),
      ];
    case "nack":
      return [message.type, message.sequence, message.noSession];
    case "gossip":
      return [message.type, message.rumours.map(rumourToWire)];
    case "digest":
      return [message.type, message.count, message.sum, message.rumours.map(rumourToWire)];
    case "beliefs":
      return [message.type, message.answerWanted, message.rumours.map(rumourToWire)];
    default:
      return message satisfies never;
  }
}

function rumourToWire({ subject, state, incarnation, accusers }: Rumour): EncodableValue {
  return [
    publicKeyOf(subject),
    RUMOUR_STATES.indexOf(state),
    incarnation,
    accusers.map(publicKeyOf),
  ];
}
