/** A worker that signs batches with the device's key, which it is given first. It has no other task. */
/// <reference lib="deno.worker" />
import { Buffer } from "node:buffer";
import { createPrivateKey, type KeyObject, sign } from "node:crypto";
import {
  SIGNATURE_BYTES,
  type SignKey,
  type SignReply,
  type SignRequest,
  unpackMessages,
} from "./sign_batch.ts";

const scope = globalThis as unknown as DedicatedWorkerGlobalScope;
let key: KeyObject | undefined;

scope.onmessage = ({ data }: MessageEvent<SignKey | SignRequest>) => {
  if ("key" in data) {
    const der = new Uint8Array(data.key);
    key = createPrivateKey({ key: Buffer.from(data.key), format: "der", type: "pkcs8" });
    der.fill(0);
    return;
  }
  // Thrown, this ends the worker: the signer then signs by itself.
  if (key === undefined) throw new Error("Cannot sign: no key has come");
  const messages = unpackMessages(data.packed);
  const signatures = new Uint8Array(messages.length * SIGNATURE_BYTES);
  for (const [index, message] of messages.entries()) {
    signatures.set(sign(null, message, key), index * SIGNATURE_BYTES);
  }
  const reply: SignReply = { signatures: signatures.buffer };
  scope.postMessage(reply, [reply.signatures]);
};
