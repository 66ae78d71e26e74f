/** Networks as data, for tasks and benches: those of the papers we compare with, and small ones. */
import type { Layer, Network } from "../network.ts";

const MNIST_INPUT = { rows: 28, columns: 28, channels: 1 } as const;
const TEN_CLASSES = { type: "crossEntropy", classes: 10 } as const;

/** The "2NN" of McMahan et al. 2017: 784-200-200-10 with ReLU; 199,210 parameters. */
export function mlp2nn(): Network {
  return {
    input: MNIST_INPUT,
    layers: [
      { type: "dense", name: "dense1", units: 200 },
      { type: "relu" },
      { type: "dense", name: "dense2", units: 200 },
      { type: "relu" },
      { type: "dense", name: "dense3", units: 10 },
    ],
    loss: TEN_CLASSES,
  };
}

/**
 * The CNN of McMahan et al. 2017 for MNIST: two 5×5 convolutions (32 and 64 filters), each with ReLU and 2×2 max pooling, a dense layer of 512
 * with ReLU, ten classes; 1,663,370 parameters. The paper does not say what its weights start from; with Glorot's this network needs the paper's
 * number of rounds, with He's some more (docs/reproduce-mcmahan.md).
 */
export function mcmahanCnn(): Network {
  return {
    input: MNIST_INPUT,
    layers: [
      { type: "conv", name: "conv1", size: 5, filters: 32 },
      { type: "relu" },
      { type: "maxPool" },
      { type: "conv", name: "conv2", size: 5, filters: 64 },
      { type: "relu" },
      { type: "maxPool" },
      { type: "dense", name: "dense1", units: 512 },
      { type: "relu" },
      { type: "dense", name: "dense2", units: 10 },
    ],
    loss: TEN_CLASSES,
    initial: "glorotUniform",
  };
}

/**
 * One dense layer into `classes` (≥ 2): multinomial logistic regression over `inputs` numbers. With two classes it is the logistic regression of yes and no: the
 * difference of the outputs is the log-odds of class 1.
 */
export function softmaxRegression(
  { inputs, classes }: { readonly inputs: number; readonly classes: number },
): Network {
  return {
    input: vector(inputs),
    layers: [{ type: "dense", name: "dense1", units: classes }],
    loss: { type: "crossEntropy", classes },
  };
}

/** Numbers from numbers: dense layers of `hidden` units with ReLU between them, squared error. No hidden layers is linear regression. */
export function regression(
  { inputs, hidden, outputs }: {
    readonly inputs: number;
    readonly hidden: readonly number[];
    readonly outputs: number;
  },
): Network {
  return {
    input: vector(inputs),
    layers: [
      ...hidden.flatMap((units, index): Layer[] => [
        { type: "dense", name: `dense${index + 1}`, units },
        { type: "relu" },
      ]),
      { type: "dense", name: `dense${hidden.length + 1}`, units: outputs },
    ],
    loss: { type: "squaredError", outputs },
  };
}

/**
 * A small convolutional residual net for images whose sides are divisible by four: 3×3 stem, a residual block, pooling, a wider layer with
 * another block, pooling, the mean over the image, and `classes`. For 28×28×1, 16 filters and ten classes: 28,266 parameters.
 */
export function smallResidualNet(
  { input, filters, classes }: {
    readonly input: Network["input"];
    readonly filters: number;
    readonly classes: number;
  },
): Network {
  return {
    input,
    layers: [
      { type: "conv", name: "stem", size: 3, filters },
      { type: "relu" },
      residual("block1", filters),
      { type: "relu" },
      { type: "maxPool" },
      { type: "conv", name: "widen", size: 3, filters: 2 * filters },
      { type: "relu" },
      residual("block2", 2 * filters),
      { type: "relu" },
      { type: "maxPool" },
      { type: "globalMean" },
      { type: "dense", name: "dense1", units: classes },
    ],
    loss: { type: "crossEntropy", classes },
  };
}

/** Two 3×3 convolutions with ReLU between them, around which the input goes. */
function residual(name: string, filters: number): Layer {
  return {
    type: "residual",
    layers: [
      { type: "conv", name: `${name}a`, size: 3, filters },
      { type: "relu" },
      { type: "conv", name: `${name}b`, size: 3, filters },
    ],
  };
}

function vector(inputs: number): Network["input"] {
  return { rows: 1, columns: 1, channels: inputs };
}
