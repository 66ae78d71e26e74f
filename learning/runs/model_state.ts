/** A model between rounds: its parameters, and what the server's optimiser remembers. */
import type { Parameters } from "../parameters.ts";
import type { OptimiserState } from "../strategies/server_optimiser.ts";

export interface ModelState {
  readonly parameters: Parameters;
  readonly optimiser: OptimiserState;
}
