/**
 * The parameters a run starts with. They follow from the network and 32 bytes that the run's signed plan names, bit for bit the same on every
 * machine: ChaCha20's integers, one exact division, one correctly rounded square root.
 */
import { seededStream } from "../data/seeded_stream.ts";
import type { Network } from "../network.ts";
import { type Parameters, tensorOf } from "../parameters.ts";
import { parameterLayout } from "./shapes.ts";

/**
 * He-uniform weights, U(−√(6/n), √(6/n)) with n the numbers that go into one output (He et al. 2015, "Delving Deep into Rectifiers", eq. 10),
 * and biases of zero. `seed` is 32 bytes. Throws a `TrainingError` when the network is impossible.
 */
export function initialParameters(network: Network, seed: Uint8Array): Parameters {
  const layout = parameterLayout(network);
  const parameters: Parameters = new Float32Array(layout.count);
  for (const [index, { name, shape }] of layout.tensors.entries()) {
    // A bias has one extent; it stays zero.
    if (shape.length < 2) continue;
    const random = seededStream(seed).fork(`initial ${name}`);
    const inputs = shape.slice(0, -1).reduce((product, extent) => product * extent, 1);
    const bound = Math.sqrt(6 / inputs);
    const tensor = tensorOf(parameters, layout, index);
    // 2^31 steps on either side of zero; the product is rounded once, to 32 bits.
    for (let i = 0; i < tensor.length; i++) {
      tensor[i] = (random.uint32() - 2 ** 31) / 2 ** 31 * bound;
    }
  }
  return parameters;
}
