/** Networks that are exported for the oracle, with parameters that any program can make again. */
import { mcmahanCnn, mlp2nn, smallResidualNet } from "../../learning/engine/networks.ts";
import { initialParameters } from "../../learning/engine/initial.ts";
import type { Network } from "../../learning/network.ts";
import type { Parameters } from "../../learning/parameters.ts";

const CLASSES = { type: "crossEntropy", classes: 10 } as const;

/** Every kind of layer, in every order in which numbers have to be turned around. */
export const EXPORTED: Readonly<Record<string, Network>> = {
  "2nn": mlp2nn(),
  cnn: mcmahanCnn(),
  residual: smallResidualNet({
    input: { rows: 28, columns: 28, channels: 1 },
    filters: 8,
    classes: 10,
  }),
  mixed: {
    input: { rows: 28, columns: 28, channels: 1 },
    layers: [
      { type: "maxPool" },
      {
        type: "residual",
        layers: [{ type: "conv", name: "inner", size: 5, filters: 1 }, { type: "relu" }],
      },
      { type: "conv", name: "wide", size: 1, filters: 3 },
      { type: "dense", name: "narrow", units: 12 },
      { type: "conv", name: "after", size: 3, filters: 7 },
      {
        type: "residual",
        layers: [{ type: "relu" }, { type: "dense", name: "within", units: 7 }],
      },
      { type: "dense", name: "last", units: 10 },
    ],
    loss: CLASSES,
  },
};

/** Initial parameters, with biases that are not zero so that they are seen. */
export function parametersFor(network: Network): Parameters {
  const parameters = initialParameters(network, new Uint8Array(32).fill(4));
  for (let i = 0; i < parameters.length; i++) {
    if (parameters[i] === 0) parameters[i] = Math.fround(((i * 7_919) % 97) / 970 - 0.05);
  }
  return parameters;
}
