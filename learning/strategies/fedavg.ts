/**
 * FedAvg: the next model is the mean of the clients' models. McMahan, Moore, Ramage, Hampson, Agüera y Arcas: "Communication-Efficient
 * Learning of Deep Networks from Decentralized Data", AISTATS 2017. With a server rate other than 1 it is FedSGD-like (Reddi et al. 2021).
 */
import { optimiserOf, type ServerOptimiser } from "./server_optimiser.ts";

/** x ← x + η Δ, with η = `serverRate` > 0. */
export function fedAvg(options: { readonly serverRate: number }): ServerOptimiser {
  const { serverRate } = options;
  return optimiserOf("fedAvg", 0, ({ before, update, parameters }) => {
    for (let i = 0; i < before.length; i++) parameters[i] = before[i]! + serverRate * update[i]!;
  });
}
