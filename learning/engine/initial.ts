/**
 * The parameters a run starts with. They follow from the network and 32 bytes that the run's signed plan names, bit for bit the same on every
 * machine: ChaCha20's integers, one exact division, one correctly rounded square root.
 */
import { seededStream } from "../data/seeded_stream.ts";
import type { InitialWeights, Network } from "../network.ts";
import { type Parameters, tensorOf } from "../parameters.ts";
import { parameterLayout } from "./shapes.ts";

/** Weights as the network's `initial` says, and biases of zero. `seed` is 32 bytes. Throws a `TrainingError` when the network is impossible. */
export function initialParameters(network: Network, seed: Uint8Array): Parameters {
  const layout = parameterLayout(network);
  const parameters: Parameters = new Float32Array(layout.count);
  for (const [index, { name, shape }] of layout.tensors.entries()) {
    // A bias has one extent; it stays zero.
    if (shape.length < 2) continue;
    const random = seededStream(seed).fork(`initial ${name}`);
    const bound = boundOf(network.initial ?? "heUniform", shape);
    const tensor = tensorOf(parameters, layout, index);
    // 2^31 steps on either side of zero; the product is rounded once, to 32 bits.
    for (let i = 0; i < tensor.length; i++) {
      tensor[i] = (random.uint32() - 2 ** 31) / 2 ** 31 * bound;
    }
  }
  return parameters;
}

/** Largest size of a weight. `shape` ends with the channels that go in and those that come out; before them are the places of a filter. */
function boundOf(initial: InitialWeights, shape: readonly number[]): number {
  const [channelsIn = 1, channelsOut = 1] = shape.slice(-2);
  const places = shape.slice(0, -2).reduce((product, extent) => product * extent, 1);
  const terms = initial === "heUniform" ? channelsIn : channelsIn + channelsOut;
  return Math.sqrt(6 / (places * terms));
}
