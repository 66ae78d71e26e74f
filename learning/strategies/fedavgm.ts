/**
 * FedAvgM: FedAvg with momentum on the server. Hsu, Qi, Brown: "Measuring the Effects of Non-Identical Data Distribution for Federated
 * Visual Classification", 2019 (arXiv 1909.06335), section 4.
 */
import { optimiserOf, type ServerOptimiser } from "./server_optimiser.ts";

/** v ← β v + Δ, x ← x + η v; β = `momentum` in [0, 1), η = `serverRate` > 0. */
export function fedAvgM(
  options: { readonly serverRate: number; readonly momentum: number },
): ServerOptimiser {
  const { serverRate, momentum } = options;
  return optimiserOf("fedAvgM", 1, ({ before, update, held, parameters, slots }) => {
    const [velocity, next] = [held[0]!, slots[0]!];
    for (let i = 0; i < before.length; i++) {
      const v = momentum * velocity[i]! + update[i]!;
      next[i] = v;
      parameters[i] = before[i]! + serverRate * v;
    }
  });
}
