/** A worker that trains and evaluates, one job after another. It never gives way within a job: it is stopped by a number in shared memory. */
/// <reference lib="deno.worker" />
import { InlineTrainer } from "../learning/engine/inline_trainer.ts";
import { type EvaluationJob, TrainingError, type TrainingJob } from "../learning/trainer.ts";
import type { TrainingReply, TrainingRequest } from "./training_messages.ts";

const PROGRESS_MS = 100;

const scope = globalThis as unknown as DedicatedWorkerGlobalScope;
let stop: Int32Array<SharedArrayBuffer> | undefined;
let aborting = new AbortController();
let toldMs = -Infinity;

const trainer = new InlineTrainer({
  pause() {
    if (stop !== undefined && Atomics.load(stop, 0) !== 0) aborting.abort();
    return undefined;
  },
  isProgressDue() {
    const nowMs = performance.now();
    if (nowMs - toldMs < PROGRESS_MS) return false;
    toldMs = nowMs;
    return true;
  },
});

scope.onmessage = async ({ data }: MessageEvent<TrainingRequest>) => {
  stop = data.stop;
  aborting = new AbortController();
  toldMs = performance.now();
  const { signal } = aborting;
  try {
    // The engine only reads examples; it does not mind that they are shared.
    if (data.type === "evaluate") {
      const outcome = await trainer.evaluate(data.job as unknown as EvaluationJob, { signal });
      reply({ type: "outcome", outcome });
      return;
    }
    const outcome = await trainer.train(data.job as unknown as TrainingJob, {
      signal,
      onProgress: (done, total) => reply({ type: "progress", done, total }),
    });
    reply({ type: "outcome", outcome }, [outcome.parameters.buffer]);
  } catch (error) {
    // Anything else ends the worker, and whoever asked learns it from that.
    if (!(error instanceof TrainingError)) throw error;
    reply({ type: "failed", reason: error.reason, message: error.message });
  }
};

function reply(message: TrainingReply, transfer: Transferable[] = []): void {
  scope.postMessage(message, transfer);
}
