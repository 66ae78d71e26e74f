/** A model between rounds: its parameters, what the server's optimiser remembers, and what the next round is tuned to. */
import type { Parameters } from "../parameters.ts";
import type { OptimiserState } from "../strategies/server_optimiser.ts";

export interface ModelState {
  readonly parameters: Parameters;
  readonly optimiser: OptimiserState;
  /** `RoundForm.tuning` of the round that follows; absent before the first, and in runs whose rounds are alike. */
  readonly tuning?: number;
}
