/**
 * FedAdagrad: each coordinate's rate falls with what it has moved so far. Reddi, Charles, Zaheer, Garrett, Rush, Konečný, Kumar, McMahan:
 * "Adaptive Federated Optimization", ICLR 2021, algorithm 2; without momentum (β₁ = 0) and starting from v = 0.
 */
import { optimiserOf, type ServerOptimiser } from "./server_optimiser.ts";

/** v ← v + Δ², x ← x + η Δ / (√v + τ); η = `serverRate` > 0, τ = `adaptivity` > 0. */
export function fedAdagrad(
  options: { readonly serverRate: number; readonly adaptivity: number },
): ServerOptimiser {
  const { serverRate, adaptivity } = options;
  return optimiserOf("fedAdagrad", 1, ({ before, update, held, parameters, slots }) => {
    const [squares, next] = [held[0]!, slots[0]!];
    for (let i = 0; i < before.length; i++) {
      const d = update[i]!;
      const v = squares[i]! + d * d;
      next[i] = v;
      parameters[i] = before[i]! + serverRate * d / (Math.sqrt(v) + adaptivity);
    }
  });
}
