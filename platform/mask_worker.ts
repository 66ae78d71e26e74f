/** A worker that applies masks to parts of vectors, one after another. */
/// <reference lib="deno.worker" />
import { applyMasks } from "../learning/secure/mask_work.ts";
import type { MaskReply, MaskRequest } from "./mask_messages.ts";
import { nodeMaskStream } from "./mask_stream.ts";

const scope = globalThis as unknown as DedicatedWorkerGlobalScope;
const masks = nodeMaskStream();

scope.onmessage = ({ data }: MessageEvent<MaskRequest>) => {
  const { part, words, jobs, counter } = data;
  applyMasks(words, jobs, masks, counter);
  const reply: MaskReply = { part, words };
  scope.postMessage(reply, [words.buffer]);
};
