/**
 * FedYogi: like FedAdam, but the second moment changes by an amount that does not depend on itself, so a sudden large update does not
 * throw the rates away. Reddi, Charles, Zaheer, Garrett, Rush, Konečný, Kumar, McMahan: "Adaptive Federated Optimization", ICLR 2021,
 * algorithm 2, starting from m = v = 0.
 */
import type { AdaptiveNumbers } from "./fedadam.ts";
import { optimiserOf, type ServerOptimiser } from "./server_optimiser.ts";

/** m ← β₁ m + (1 − β₁) Δ, v ← v − (1 − β₂) Δ² sign(v − Δ²), x ← x + η m / (√v + τ). */
export function fedYogi(numbers: AdaptiveNumbers): ServerOptimiser {
  const { serverRate, momentum, memory, adaptivity } = numbers;
  return optimiserOf("fedYogi", 2, ({ before, update, held: heldSlots, parameters, slots }) => {
    const [means, squares] = [heldSlots[0]!, heldSlots[1]!];
    const [nextMeans, nextSquares] = [slots[0]!, slots[1]!];
    for (let i = 0; i < before.length; i++) {
      const d = update[i]!;
      const square = d * d;
      const m = momentum * means[i]! + (1 - momentum) * d;
      const held = squares[i]!;
      const change = (1 - memory) * square;
      const v = held > square ? held - change : held < square ? held + change : held;
      nextMeans[i] = m;
      nextSquares[i] = v;
      parameters[i] = before[i]! + serverRate * m / (Math.sqrt(v) + adaptivity);
    }
  });
}
