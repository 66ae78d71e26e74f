/**
 * FedAdam: Adam on the server. Reddi, Charles, Zaheer, Garrett, Rush, Konečný, Kumar, McMahan: "Adaptive Federated Optimization", ICLR 2021,
 * algorithm 2: no bias correction, starting from m = v = 0.
 */
import { optimiserOf, type ServerOptimiser } from "./server_optimiser.ts";

/** Numbers of FedAdam and FedYogi. */
export interface AdaptiveNumbers {
  /** η > 0. */
  readonly serverRate: number;
  /** β₁ in [0, 1). */
  readonly momentum: number;
  /** β₂ in [0, 1). */
  readonly memory: number;
  /** τ > 0. */
  readonly adaptivity: number;
}

/** m ← β₁ m + (1 − β₁) Δ, v ← β₂ v + (1 − β₂) Δ², x ← x + η m / (√v + τ). */
export function fedAdam(numbers: AdaptiveNumbers): ServerOptimiser {
  const { serverRate, momentum, memory, adaptivity } = numbers;
  return optimiserOf("fedAdam", 2, ({ before, update, held, parameters, slots }) => {
    const [means, squares] = [held[0]!, held[1]!];
    const [nextMeans, nextSquares] = [slots[0]!, slots[1]!];
    for (let i = 0; i < before.length; i++) {
      const d = update[i]!;
      const m = momentum * means[i]! + (1 - momentum) * d;
      const v = memory * squares[i]! + (1 - memory) * d * d;
      nextMeans[i] = m;
      nextSquares[i] = v;
      parameters[i] = before[i]! + serverRate * m / (Math.sqrt(v) + adaptivity);
    }
  });
}
