/** A worker that makes the keys of masks and applies masks to parts of vectors, one after another. */
/// <reference lib="deno.worker" />
import { maskKeys } from "../learning/secure/mask_keys.ts";
import { applyMasks } from "../learning/secure/mask_work.ts";
import type { MaskReply, MaskRequest } from "./mask_messages.ts";
import { nodeMaskStream } from "./mask_stream.ts";
import { nodeCrypto } from "./node_crypto.ts";

const scope = globalThis as unknown as DedicatedWorkerGlobalScope;
const masks = nodeMaskStream();
const crypto = nodeCrypto({ workersMax: 0 });

scope.onmessage = ({ data }: MessageEvent<MaskRequest>) => {
  const { type, part } = data;
  if (type === "keys") {
    const reply: MaskReply = { type, part, jobs: maskKeys(crypto, data.orders) };
    return scope.postMessage(reply);
  }
  const { words, jobs, counter } = data;
  applyMasks(words, jobs, masks, counter);
  const reply: MaskReply = { type, part, words };
  scope.postMessage(reply, [words.buffer]);
};
