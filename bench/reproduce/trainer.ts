/** Where experiments train: on as many threads as were asked for, which changes no result. */
import { InlineTrainer } from "../../learning/engine/inline_trainer.ts";
import type { Trainer } from "../../learning/trainer.ts";
import { WorkerTrainer } from "../../platform/worker_trainer.ts";

/** A trainer with this many threads, ≥ 1. */
export function createTrainer(workers: number): Trainer {
  // One thread needs no second one beside it.
  return workers === 1 ? new InlineTrainer() : new WorkerTrainer({ workersMax: workers });
}
