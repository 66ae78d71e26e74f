/** A worker that does one piece of Paillier's arithmetic and says what came of it. */
/// <reference lib="deno.worker" />
import { inlinePaillierWork } from "../learning/secure/paillier_work.ts";
import type { PaillierReply, PaillierRequest } from "./paillier_messages.ts";
import { paillierPrimes } from "./paillier_primes.ts";
import { systemRandom } from "./system_random.ts";

const scope = globalThis as unknown as DedicatedWorkerGlobalScope;
const work = inlinePaillierWork({ draw: paillierPrimes, random: systemRandom() });

scope.onmessage = async ({ data }: MessageEvent<PaillierRequest>) => {
  const reply: PaillierReply = await doneOf(data).catch((error: unknown) => ({
    type: "failed",
    reason: String(error),
  }));
  scope.postMessage(reply);
};

async function doneOf(request: PaillierRequest): Promise<PaillierReply> {
  switch (request.type) {
    case "draw":
      return { type: "draw", value: await work.draw(request.keyBits) };
    case "encrypt":
      return { type: "encrypt", value: await work.encrypt(request.sum, request.values) };
    case "open":
      return { type: "open", value: await work.open(request.sum, request.total) };
  }
}
