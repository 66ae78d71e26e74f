/** Several steps of SGD lead to where PyTorch's autograd leads in 64-bit floats (tests/oracles/learning_engine_fixture.py). */
import assert from "node:assert/strict";
import { Engine } from "../../learning/engine/engine.ts";
import type { Network } from "../../learning/network.ts";
import fixture from "../fixtures/learning/engine.json" with { type: "json" };

/** Of the largest parameter. */
const TOLERANCE = 1e-5;

for (const one of fixture) {
  for (const build of ["relaxed", "plain"] as const) {
    Deno.test(`${one.name}: steps lead to where PyTorch's lead (${build} kernels)`, () => {
      const network = one.network as Network;
      const { rows, columns, channels } = network.input;
      const examples = {
        exampleLength: rows * columns * channels,
        inputs: floats(one.inputs),
        labels: floats(one.labels),
      };
      const { learningRate, momentum, proximal } = one;
      const engine = new Engine(network, {
        batchSize: Math.max(...one.batches.map(({ length }) => length)),
        momentum: momentum > 0,
        proximal: proximal > 0,
        build,
      });
      engine.load(floats(one.parameters));
      for (const [step, batch] of one.batches.entries()) {
        const order = Uint32Array.from(batch);
        const options = { learningRate, momentum, proximal };
        const loss = engine.step(examples, order, 0, batch.length, options) / batch.length;
        near(loss, one.losses[step]!, Math.max(1, one.losses[step]!), `loss of step ${step}`);
      }
      const [ended, expected] = [engine.read(), floats(one.ended)];
      assert.equal(ended.length, expected.length);
      const largest = expected.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
      for (const [i, value] of expected.entries()) {
        near(ended[i]!, value, largest, `parameter ${i}`);
      }
    });
  }
}

function near(value: number, expected: number, unit: number, what: string): void {
  assert.ok(
    Math.abs(value - expected) <= TOLERANCE * unit,
    `${what} is ${value}, expected ${expected}`,
  );
}

function floats(base64: string): Float32Array<ArrayBuffer> {
  return new Float32Array(Uint8Array.fromBase64(base64).buffer);
}
