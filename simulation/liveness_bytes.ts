/** What messages of the liveness actor take on the wire, for a model that carries them as they are. */
import type { LivenessMessage } from "../protocols/liveness/messages.ts";

/** A public key in CBOR. */
const KEY_BYTES = 34;
/** The outer array and the name of the kind, and what is in it besides numbers and rumours; a nack has none, but a flag. */
const KIND_BYTES = {
  ping: 6,
  ack: 5,
  pingRequest: 13 + KEY_BYTES,
  nack: 6,
  gossip: 8,
  digest: 8,
  beliefs: 10,
} as const;

/** What a message takes in its encoding, bytes: reckoned, because encoding every one would take most of the time. */
export function bytesOf(message: LivenessMessage): number {
  const rumours = "rumours" in message ? message.rumours : [];
  let bytes = KIND_BYTES[message.type] + headBytes(rumours.length);
  if ("sequence" in message) bytes += headBytes(message.sequence);
  if (message.type === "digest") bytes += headBytes(message.count) + headBytes(message.sum);
  for (const { incarnation, accusers } of rumours) {
    bytes += 3 + KEY_BYTES + headBytes(incarnation) + accusers.length * KEY_BYTES;
  }
  return bytes;
}

/** The head of a CBOR item with this number in it. */
function headBytes(number: number): number {
  return number < 24 ? 1 : number < 256 ? 2 : number < 65_536 ? 3 : number < 2 ** 32 ? 5 : 9;
}
