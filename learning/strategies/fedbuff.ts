/**
 * FedBuff: rounds without waiting. Clients train on whatever version they have; their updates gather in a buffer, and when `goal` of
 * them are in, their sum over `goal` moves the model (`learning/runs/buffered.ts`). Older bases count less. Nguyen, Malik, Zhan, Yousefpour,
 * Rabbat, Malek, Huba: "Federated Learning with Buffered Asynchronous Aggregation", AISTATS 2022, algorithm 1, staleness weight 1/√(1+τ) of
 * its section 5.
 */

export interface FedBuffOptions {
  /** K: updates per model version, 1–100,000. */
  readonly goal: number;
  /** Updates whose base is more versions behind than this are refused, 0–1,000. */
  readonly stalenessMax: number;
}

/** 1/√(1+τ): what an update counts whose base is τ versions old. */
export function stalenessWeight(staleness: number): number {
  return 1 / Math.sqrt(1 + staleness);
}
