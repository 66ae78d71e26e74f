/** A few coloured pictures that a line can part, and the networks of the task for them: what our engine and PyTorch are compared on. */
import { initialParameters } from "../../learning/engine/initial.ts";
import type { Dataset } from "../../learning/trainer.ts";
import { mnistTask } from "../../learning/tasks/mnist.ts";

const SHAPE = { rows: 32, columns: 32, channels: 3, classes: 4 };
const PICTURES = 16;

/** Steps of each comparison; a step takes all pictures, so that their order plays no part. */
export const STEPS = 3;

/** Learning rates that neither side leaps with. */
export const RATES = { softmax: 0.01, "2nn": 0.01, cnn: 0.05, residual: 0.005 } as const;
export type Model = keyof typeof RATES;

/** Three classes by their colour, the fourth by a pattern; channels last, as in IDX files. */
export function colourPictures(): Dataset {
  const { rows, columns, channels, classes } = SHAPE;
  const exampleLength = rows * columns * channels;
  const inputs = new Uint8Array(PICTURES * exampleLength);
  const labels = Uint8Array.from({ length: PICTURES }, (_, i) => i % classes);
  let state = 12_345;
  for (let i = 0; i < inputs.length; i++) {
    const label = labels[Math.floor(i / exampleLength)]!;
    const [channel, column] = [i % channels, Math.floor(i / channels) % columns];
    const row = Math.floor(i / (channels * columns)) % rows;
    const isBright = label === 3 ? (row + column) % 8 < 4 : channel === label;
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    inputs[i] = (isBright ? 150 : 60) + Math.floor(60 * state / 2 ** 32) + 5 * channel;
  }
  return { exampleLength, count: PICTURES, inputs, labels };
}

/** A network for these pictures with what it begins with. */
export function colourNetwork(model: Model) {
  const network = mnistTask.network({ model, ...SHAPE });
  return { network, initial: initialParameters(network, new Uint8Array(32).fill(7)) };
}
