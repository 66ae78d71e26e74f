/** A worker that verifies batches of Ed25519 signatures by the same rule as the main thread. It has no other task. */
/// <reference lib="deno.worker" />
import { type BatchReply, type BatchRequest, unpackBatch } from "./crypto_batch.ts";
import { ed25519Verifier } from "./crypto_verify.ts";

const verify = ed25519Verifier({ cachedKeysMax: 1_024 });
const scope = globalThis as unknown as DedicatedWorkerGlobalScope;

scope.onmessage = (event: MessageEvent<BatchRequest>) => {
  const signed = unpackBatch(event.data.packed);
  const verdicts = new Uint8Array(signed.length);
  for (const [index, one] of signed.entries()) verdicts[index] = verify(one) ? 1 : 0;
  const reply: BatchReply = { verdicts: verdicts.buffer };
  scope.postMessage(reply, [reply.verdicts]);
};
