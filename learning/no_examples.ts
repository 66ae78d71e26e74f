/** A source of examples that has none: for devices that take part in no learning of their own data. */
import type { ExampleSource } from "./task.ts";

export const NO_EXAMPLES: ExampleSource = {
  readFile: () => Promise.resolve(undefined),
  blocks: async function* () {},
  series: () => Promise.resolve([]),
  readings: () => Promise.resolve([]),
};
