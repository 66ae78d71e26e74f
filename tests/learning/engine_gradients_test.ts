/**
 * Losses and gradients of the engine against their definitions in 64-bit floats: every type of layer by itself, and small networks at random. Both
 * builds of the kernels, because which of them runs depends on the machine.
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import { Engine } from "../../learning/engine/engine.ts";
import { initialParameters } from "../../learning/engine/initial.ts";
import type { KernelBuild } from "../../learning/engine/kernels.ts";
import { mcmahanCnn, smallResidualNet } from "../../learning/engine/networks.ts";
import type { Layer, Network } from "../../learning/network.ts";
import type { Random } from "../../platform/ports.ts";
import { seededRandom } from "../../platform/seeded_random.ts";
import { differences, type ReferenceBatch, referenceLoss } from "./engine_reference.ts";

const BUILDS: readonly KernelBuild[] = ["relaxed", "plain"];
/** Of the largest derivative of a network: 32-bit sums against 64-bit ones. */
const TOLERANCE = 2e-5;

/** Compares the loss, and the derivatives by at most `compared` parameters, of one batch. */
function compare(
  network: Network,
  seed: string,
  batchSize: number,
  build: KernelBuild,
  { isBlackOrWhite = false, compared = 60 } = {},
): void {
  const random = seededRandom(seed);
  const parameters = initialParameters(network, random.bytes(32));
  // Biases, too, are something else than zero.
  for (let i = 0; i < parameters.length; i++) parameters[i]! += 0.1 * (random.float() - 0.5);
  const drawn = randomBatch(network, batchSize, random);
  const batch = isBlackOrWhite
    ? {
      ...drawn,
      inputs: drawn.inputs.map((input) => Float32Array.from(input, (value) => value > 0 ? 1 : 0)),
    }
    : drawn;
  const exampleLength = batch.inputs[0]!.length;
  const engine = new Engine(network, { batchSize, momentum: true, proximal: false, build });
  engine.load(parameters);
  const loss = engine.step(
    {
      exampleLength,
      inputs: Float32Array.from(batch.inputs.flatMap((input) => Array.from(input))),
      labels: Float32Array.from(batch.labels.flatMap((label) => Array.from(label))),
    },
    Uint32Array.from({ length: batchSize }, (_, i) => i),
    0,
    batchSize,
    { learningRate: 0.1, momentum: 0, proximal: 0 },
  ) / batchSize;
  const expected = referenceLoss(network, parameters, batch);
  assert.ok(
    Math.abs(loss - expected) <= 1e-5 * Math.max(1, expected),
    `loss is ${loss}, expected ${expected}`,
  );
  const which = parameters.length <= compared
    ? Array.from(parameters, (_, index) => index)
    : Array.from({ length: compared }, () => random.below(parameters.length));
  const gradients = engine.readGradients();
  const wanted = differences(network, parameters, batch, which);
  const largest = wanted.reduce((most, value) => Math.max(most, Math.abs(value)), 1e-3);
  for (const [i, index] of which.entries()) {
    assert.ok(
      Math.abs(gradients[index]! - wanted[i]!) <= TOLERANCE * largest,
      `derivative by parameter ${index} is ${gradients[index]}, expected ${wanted[i]}`,
    );
  }
}

function randomBatch(network: Network, count: number, random: Random): ReferenceBatch {
  const { rows, columns, channels } = network.input;
  const { loss } = network;
  const normal = () => random.float() + random.float() + random.float() - 1.5;
  return {
    inputs: Array.from(
      { length: count },
      () => Float32Array.from({ length: rows * columns * channels }, normal),
    ),
    labels: Array.from(
      { length: count },
      () =>
        loss.type === "crossEntropy"
          ? [random.below(loss.classes)]
          : Float32Array.from({ length: loss.outputs }, normal),
    ),
  };
}

const dense = (name: string, units: number): Layer => ({ type: "dense", name, units });
const conv = (name: string, size: 1 | 3 | 5, filters: number): Layer => ({
  type: "conv",
  name,
  size,
  filters,
});
const relu: Layer = { type: "relu" };
const maxPool: Layer = { type: "maxPool" };
const globalMean: Layer = { type: "globalMean" };
const residual = (...layers: Exclude<Layer, { type: "residual" }>[]): Layer => ({
  type: "residual",
  layers,
});
const image = (rows: number, columns: number, channels: number) => ({ rows, columns, channels });
const classes = (classes: number) => ({ type: "crossEntropy", classes }) as const;
const inner = (name: string, size: 1 | 3 | 5, filters: number) =>
  conv(name, size, filters) as Exclude<Layer, { type: "residual" }>;

const NETWORKS: Readonly<Record<string, Network>> = {
  "a dense layer": { input: image(1, 1, 7), layers: [dense("a", 3)], loss: classes(3) },
  "a dense layer of a thousand inputs and many classes": {
    input: image(1, 1, 1_030),
    layers: [dense("a", 37)],
    loss: classes(37),
  },
  "dense layers": {
    input: image(2, 3, 2),
    layers: [dense("a", 13), relu, dense("b", 9), relu, dense("c", 4)],
    loss: classes(4),
  },
  "squared error": {
    input: image(1, 5, 1),
    layers: [dense("a", 6), relu, dense("b", 3)],
    loss: { type: "squaredError", outputs: 3 },
  },
  "a 1×1 convolution": {
    input: image(3, 4, 3),
    layers: [conv("a", 1, 5), relu, conv("b", 1, 6), dense("c", 3)],
    loss: classes(3),
  },
  "3×3 convolutions": {
    input: image(5, 4, 2),
    layers: [conv("a", 3, 5), relu, conv("b", 3, 10), relu, dense("c", 3)],
    loss: classes(3),
  },
  "5×5 convolutions": {
    input: image(6, 7, 1),
    layers: [conv("a", 5, 3), relu, conv("b", 5, 9), relu, dense("c", 3)],
    loss: classes(3),
  },
  "a 5×5 convolution of an image that is smaller than the filter": {
    input: image(2, 1, 1),
    layers: [conv("a", 5, 3), conv("b", 5, 2), dense("c", 2)],
    loss: classes(2),
  },
  "max pooling": {
    input: image(6, 4, 2),
    layers: [conv("a", 3, 4), maxPool, dense("c", 3)],
    loss: classes(3),
  },
  "the mean over an image": {
    input: image(4, 3, 2),
    layers: [conv("a", 3, 7), globalMean],
    loss: classes(7),
  },
  "a residual block": {
    input: image(4, 4, 1),
    layers: [
      conv("a", 3, 5),
      residual(inner("b", 3, 6), { type: "relu" }, inner("c", 1, 5)),
      dense("d", 3),
    ],
    loss: classes(3),
  },
  "residual blocks that begin and end with ReLU, one after another": {
    input: image(4, 4, 1),
    layers: [
      conv("a", 3, 5),
      residual({ type: "relu" }, inner("b", 3, 5), { type: "relu" }),
      residual({ type: "relu" }, inner("c", 3, 5)),
      relu,
      maxPool,
      globalMean,
      dense("d", 3),
    ],
    loss: classes(3),
  },
  "a residual block of nothing that learns": {
    input: image(2, 2, 3),
    layers: [conv("a", 3, 3), residual({ type: "relu" }), dense("d", 3)],
    loss: classes(3),
  },
  "layers that learn nothing at its beginning": {
    input: image(4, 4, 3),
    layers: [relu, maxPool, residual(inner("a", 3, 3)), relu, globalMean, dense("b", 2)],
    loss: classes(2),
  },
};

/** Slow to differentiate by the reference: few parameters are compared. */
const WIDE_NETWORKS: Readonly<Record<string, Network>> = {
  "5×5 convolutions between many channels, by Winograd's way": {
    input: image(8, 4, 1),
    layers: [
      conv("a", 5, 18),
      relu,
      conv("b", 5, 26),
      relu,
      maxPool,
      conv("c", 5, 17),
      dense("d", 3),
    ],
    loss: classes(3),
  },
  "a residual block by Winograd's way, which begins with its inputs": {
    input: image(4, 6, 16),
    layers: [
      residual(inner("a", 5, 24), { type: "relu" }, inner("b", 5, 16)),
      globalMean,
      dense("c", 2),
    ],
    loss: classes(2),
  },
};

for (const [what, network] of Object.entries(WIDE_NETWORKS)) {
  for (const build of BUILDS) {
    Deno.test(`the gradients of a network with ${what} are right (${build} kernels)`, () => {
      compare(network, what, 2, build, { compared: 16 });
    });
  }
}

for (const [what, network] of Object.entries(NETWORKS)) {
  for (const build of BUILDS) {
    Deno.test(`the gradients of a network with ${what} are right (${build} kernels)`, () => {
      for (const batchSize of [1, 4, 7]) compare(network, what, batchSize, build);
    });
  }
}

Deno.test("where several numbers of a window are the largest, one of them counts", () => {
  // Equal pixels stay equal through a 1×1 convolution, whatever its weights are.
  const network: Network = {
    input: image(4, 6, 1),
    layers: [conv("a", 1, 5), maxPool, dense("b", 3)],
    loss: classes(3),
  };
  for (const build of BUILDS) compare(network, "ties", 9, build, { isBlackOrWhite: true });
});

Deno.test("the gradients of the small residual net are right", () => {
  const network = smallResidualNet({ input: image(8, 8, 3), filters: 6, classes: 4 });
  compare(network, "small residual net", 3, "relaxed");
});

Deno.test("the loss of McMahan's CNN is that of the definition", () => {
  const network = mcmahanCnn();
  const random = seededRandom("cnn");
  const parameters = initialParameters(network, random.bytes(32));
  const batch = randomBatch(network, 1, random);
  const engine = new Engine(network, { batchSize: 1, momentum: false, proximal: false });
  engine.load(parameters);
  const { loss } = engine.evaluate(
    {
      exampleLength: 784,
      inputs: batch.inputs[0] as Float32Array,
      labels: Uint8Array.from(batch.labels[0]!),
    },
    Uint32Array.of(0),
    0,
    1,
  );
  const expected = referenceLoss(network, parameters, batch);
  assert.ok(Math.abs(loss - expected) < 1e-5, `loss is ${loss}, expected ${expected}`);
});

Deno.test("the gradients of networks at random are right", () => {
  const side = fc.integer({ min: 1, max: 6 });
  const filters = fc.integer({ min: 1, max: 18 });
  const size = fc.constantFrom(1 as const, 3 as const, 5 as const);
  const piece = fc.oneof(
    fc.record({ type: fc.constant("conv" as const), size, filters }),
    fc.record({ type: fc.constant("dense" as const), units: fc.integer({ min: 1, max: 30 }) }),
    fc.constantFrom(
      { type: "relu" as const },
      { type: "maxPool" as const },
      { type: "globalMean" as const },
      { type: "residual" as const, size: 3 as const },
    ),
  );
  const property = fc.property(
    fc.record({ rows: side, columns: side, channels: fc.integer({ min: 1, max: 10 }) }),
    fc.array(piece, { maxLength: 6 }),
    fc.integer({ min: 2, max: 11 }),
    fc.integer({ min: 1, max: 12 }),
    fc.constantFrom(...BUILDS),
    (input, pieces, count, batchSize, build) => {
      const { layers, extent } = fitting(input, pieces);
      layers.push(dense("last", count));
      const network: Network = { input, layers, loss: classes(count) };
      compare(network, JSON.stringify([extent, pieces]), batchSize, build);
    },
  );
  fc.assert(property, { numRuns: 40, seed: 4 });
});

type Piece =
  | { readonly type: "conv"; readonly size: 1 | 3 | 5; readonly filters: number }
  | { readonly type: "dense"; readonly units: number }
  | { readonly type: "relu" | "maxPool" | "globalMean" }
  | { readonly type: "residual"; readonly size: 3 };

/** Layers of those pieces that fit one after another; pooling of odd sides is left out. */
function fitting(input: Network["input"], pieces: readonly Piece[]) {
  let extent: { rows: number; columns: number; channels: number } = { ...input };
  const layers: Layer[] = [];
  for (const [index, piece] of pieces.entries()) {
    const name = `l${index}`;
    switch (piece.type) {
      case "conv":
        layers.push({ ...piece, name });
        extent = { ...extent, channels: piece.filters };
        break;
      case "dense":
        layers.push({ ...piece, name });
        extent = { rows: 1, columns: 1, channels: piece.units };
        break;
      case "maxPool":
        if (extent.rows % 2 !== 0 || extent.columns % 2 !== 0) break;
        layers.push({ type: "maxPool" });
        extent = { ...extent, rows: extent.rows / 2, columns: extent.columns / 2 };
        break;
      case "residual":
        layers.push(
          residual(
            inner(`${name}a`, piece.size, 4),
            { type: "relu" },
            inner(`${name}b`, piece.size, extent.channels),
          ),
        );
        break;
      case "globalMean":
        extent = { ...extent, rows: 1, columns: 1 };
        layers.push({ type: piece.type });
        break;
      case "relu":
        layers.push({ type: piece.type });
        break;
    }
  }
  return { layers, extent };
}

Deno.test("a step over more examples than there is room for sums the gradients of its parts", () => {
  const network: Network = {
    input: image(128, 128, 16),
    layers: [conv("a", 1, 3), globalMean],
    loss: classes(3),
  };
  const random = seededRandom("room");
  const parameters = initialParameters(network, random.bytes(32));
  const [count, exampleLength] = [40, 128 * 128 * 16];
  const examples = {
    exampleLength,
    inputs: Float32Array.from({ length: count * exampleLength }, (_, i) => (i * 7919 % 101) / 50),
    labels: Uint8Array.from({ length: count }, () => random.below(3)),
  };
  const order = Uint32Array.from({ length: count }, (_, i) => i);
  const options = { learningRate: 0.5, momentum: 0, proximal: 0 };
  const engine = new Engine(network, { batchSize: count, momentum: false, proximal: false });
  engine.load(parameters);
  const loss = engine.step(examples, order, 0, count, options);
  const half = new Engine(network, { batchSize: count / 2, momentum: true, proximal: false });
  const halves = [0, count / 2].map((from) => {
    half.load(parameters);
    const loss = half.step(examples, order, from, from + count / 2, options);
    return { loss, gradients: half.readGradients() };
  });
  assert.ok(Math.abs(loss - halves[0]!.loss - halves[1]!.loss) < 1e-4);
  const stepped = engine.read();
  for (const [i, value] of parameters.entries()) {
    const expected = value - 0.25 * (halves[0]!.gradients[i]! + halves[1]!.gradients[i]!);
    assert.ok(Math.abs(stepped[i]! - expected) < 1e-6, `${i}: ${stepped[i]}, ${expected}`);
  }
});
