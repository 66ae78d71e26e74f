/** Networks as data: their shapes, the order of their parameters, and what is refused before anything is computed. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { initialParameters } from "../../learning/engine/initial.ts";
import {
  mcmahanCnn,
  mlp2nn,
  regression,
  smallResidualNet,
  softmaxRegression,
} from "../../learning/engine/networks.ts";
import { parameterLayout } from "../../learning/engine/shapes.ts";
import type { Layer, Network } from "../../learning/network.ts";
import { parameterBytes, tensorOf } from "../../learning/parameters.ts";
import { TrainingError } from "../../learning/trainer.ts";

const SEED = Uint8Array.from({ length: 32 }, (_, i) => i);

Deno.test("the networks of the papers have as many parameters as the papers say", () => {
  assert.equal(parameterLayout(mlp2nn()).count, 199_210);
  assert.equal(parameterLayout(mcmahanCnn()).count, 1_663_370);
  assert.equal(parameterLayout(softmaxRegression({ inputs: 784, classes: 10 })).count, 7_850);
  assert.equal(parameterLayout(softmaxRegression({ inputs: 20, classes: 2 })).count, 42);
  assert.equal(
    parameterLayout(regression({ inputs: 4, hidden: [3], outputs: 2 })).count,
    15 + 8,
  );
  const residual = smallResidualNet({
    input: { rows: 28, columns: 28, channels: 1 },
    filters: 16,
    classes: 10,
  });
  assert.equal(parameterLayout(residual).count, 28_266);
});

Deno.test("tensors stand in the order of the layers, weight before bias", () => {
  const { tensors } = parameterLayout(mcmahanCnn());
  assert.deepEqual(
    tensors.map(({ name, shape }) => `${name} ${shape.join("×")}`),
    [
      "conv1.weight 5×5×1×32",
      "conv1.bias 32",
      "conv2.weight 5×5×32×64",
      "conv2.bias 64",
      "dense1.weight 3136×512",
      "dense1.bias 512",
      "dense2.weight 512×10",
      "dense2.bias 10",
    ],
  );
});

/** Largest weights of each layer, as PyTorch's kaiming_uniform_ (for ReLU) and xavier_uniform_ have them, and a digest of all parameters. */
const INITIAL = [
  {
    named: "He's",
    network: mlp2nn(),
    bounds: [0.087482, 0.173205, 0.173205],
    digest: "36d46e0262e81955f73bd9e17704b2ebe9a90a3d71da7a4e43bb7f9367b8c6f2",
  },
  {
    named: "Glorot's",
    network: mcmahanCnn(),
    bounds: [0.08528, 0.05, 0.040555, 0.107211],
    digest: "6c983a137de52fe713a26f77bc4ed99bf715473ca54d4021e80372c7cd84e701",
  },
];

for (const { named, network, bounds, digest } of INITIAL) {
  Deno.test(`initial parameters are uniform in ${named} bounds with biases of zero, and the same bits everywhere`, () => {
    const layout = parameterLayout(network);
    const parameters = initialParameters(network, SEED);
    for (const [index, { shape }] of layout.tensors.entries()) {
      const tensor = tensorOf(parameters, layout, index);
      if (shape.length === 1) {
        assert.ok(tensor.every((value) => value === 0));
        continue;
      }
      const bound = bounds[index / 2]!;
      const mean = tensor.reduce((sum, value) => sum + value, 0) / tensor.length;
      const variance = tensor.reduce((sum, value) => sum + value ** 2, 0) / tensor.length;
      // Five standard errors of the mean and of the mean square of a uniform distribution.
      assert.ok(Math.abs(mean) < 5 * bound / Math.sqrt(3 * tensor.length));
      assert.ok(
        Math.abs(variance - bound ** 2 / 3) < 5 * bound ** 2 * Math.sqrt(4 / 45 / tensor.length),
      );
      assert.ok(tensor.every((value) => Math.abs(value) <= bound * (1 + 1e-5)));
    }
    assert.equal(createHash("sha256").update(parameterBytes(parameters)).digest("hex"), digest);
    assert.notDeepEqual(initialParameters(network, SEED.map((byte) => byte ^ 1)), parameters);
  });
}

const relu: Layer = { type: "relu" };
const dense = (units: number, name = "a"): Layer => ({ type: "dense", name, units });

/** A network that would do, but for what is changed. */
function changed(change: Partial<Network>): Network {
  return {
    input: { rows: 4, columns: 4, channels: 2 },
    layers: [dense(3)],
    loss: { type: "crossEntropy", classes: 3 },
    ...change,
  };
}

const IMPOSSIBLE: readonly (readonly [string, Partial<Network>, RegExp])[] = [
  ["no rows", { input: { rows: 0, columns: 4, channels: 1 } }, /input\.rows is 0/],
  ["half a channel", { input: { rows: 4, columns: 4, channels: 0.5 } }, /input\.channels is 0\.5/],
  ["a huge input", { input: { rows: 65_536, columns: 65_536, channels: 1 } }, /at most 4194304/],
  ["no layers", { layers: [] }, /layers is empty/],
  ["too many layers", { layers: Array.from({ length: 65 }, () => relu) }, /more than 64 layers/],
  ["a name twice", { layers: [dense(3), dense(3)] }, /"a" comes twice/],
  ["a malformed name", { layers: [dense(3, "a b")] }, /"a b" is malformed/],
  ["no units", { layers: [dense(0)] }, /units of dense layer "a" is 0/],
  [
    "a convolution of size 2",
    { layers: [{ type: "conv", name: "c", size: 2 as 1, filters: 4 }, dense(3)] },
    /size of conv layer "c" is 2/,
  ],
  [
    "pooling of odd sides",
    { input: { rows: 3, columns: 4, channels: 1 }, layers: [{ type: "maxPool" }, dense(3)] },
    /maxPool gets 3×4/,
  ],
  [
    "a residual block that changes the shape",
    {
      layers: [
        { type: "residual", layers: [{ type: "conv", name: "c", size: 1, filters: 3 }] },
        dense(3),
      ],
    },
    /makes 4×4×3 of 4×4×2/,
  ],
  [
    "a residual block inside another",
    { layers: [{ type: "residual", layers: [{ type: "residual", layers: [] } as never] }] },
    /inside another/,
  ],
  ["an empty residual block", { layers: [{ type: "residual", layers: [] }] }, /has no layers/],
  ["a layer nobody knows", { layers: [{ type: "gru" } as never] }, /type "gru" is not known/],
  ["another number of classes", { layers: [dense(4)] }, /gives 1×1×4, expected 1×1×3/],
  [
    "an image at the end",
    { layers: [{ type: "conv", name: "c", size: 3, filters: 3 }] },
    /gives 4×4×3, expected 1×1×3/,
  ],
  ["nothing to learn", { layers: [relu] }, /no layer learns anything/],
  ["one class", { loss: { type: "crossEntropy", classes: 1 } }, /classes is 1/],
  [
    "more parameters than a model may have",
    { layers: [dense(60_000), dense(60_000, "b")] },
    /parameters, at most/,
  ],
];

for (const [what, change, problem] of IMPOSSIBLE) {
  Deno.test(`a network with ${what} is refused, saying what would fit`, () => {
    assert.throws(() => parameterLayout(changed(change)), (error) => {
      assert.ok(error instanceof TrainingError, String(error));
      assert.equal(error.reason, "impossible");
      assert.match(error.message, problem);
      return true;
    });
  });
}
