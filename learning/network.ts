/**
 * A neural network as data: what the training engine can run and what a run's signed plan names. A task chooses layers; the engine never
 * knows tasks. Images are in NHWC order (batch, rows, columns, channels), sequences and vectors are images of one row.
 */

/** One layer. `name` becomes the prefix of its tensors. */
export type Layer =
  /** y = x W + b; W is [inputs, units]; b is zero at start. Flattens its input. */
  | { readonly type: "dense"; readonly name: string; readonly units: number }
  /** Square convolution with bias, stride 1, zero padding that keeps rows and columns ("same"). W is [size, size, channelsIn, filters]. */
  | {
    readonly type: "conv";
    readonly name: string;
    readonly size: 1 | 3 | 5;
    readonly filters: number;
  }
  | { readonly type: "relu" }
  /** Largest of each 2×2 window, stride 2; rows and columns must be even. */
  | { readonly type: "maxPool" }
  /** Mean over rows and columns: one number per channel. */
  | { readonly type: "globalMean" }
  /** y = x + f(x), where f is the inner layers and keeps the shape of its input. No residual block inside another. */
  | {
    readonly type: "residual";
    readonly layers: readonly Exclude<Layer, { readonly type: "residual" }>[];
  };

/** What the last layer's output is compared with. */
export type Loss =
  /** Softmax and cross-entropy over `classes`; labels are class numbers; mean over the batch, in nats. */
  | { readonly type: "crossEntropy"; readonly classes: number }
  /** Mean squared error over `outputs` numbers per example; labels are numbers. */
  | { readonly type: "squaredError"; readonly outputs: number };

/**
 * What weights are before the first step: uniform in ±√(6 / n), with n the numbers that go into one output (He et al. 2015, "Delving Deep into
 * Rectifiers", eq. 10), or n those and the outputs that one input goes into (Glorot and Bengio 2010, "Understanding the difficulty of training
 * deep feedforward neural networks", eq. 16).
 */
export const INITIAL_WEIGHTS = ["heUniform", "glorotUniform"] as const;
export type InitialWeights = typeof INITIAL_WEIGHTS[number];

/** A whole network. */
export interface Network {
  readonly input: { readonly rows: number; readonly columns: number; readonly channels: number };
  /** 1–64. */
  readonly layers: readonly Layer[];
  readonly loss: Loss;
  /** "heUniform" when absent. */
  readonly initial?: InitialWeights;
}
