/**
 * Question: what does it cost to combine a round's updates, per client and by rule, and how far is that from merely reading them? The CNN of
 * the FedAvg paper (1,663,370 numbers) and ten clients; rules and a plain read of all numbers run in turn, and the best of each counts.
 *
 * And what do rules that compare all with all (Krum, multi-Krum, Bulyan) take among hundreds, with the 2NN (199,210 numbers)? Their limit is the arithmetic of all pairs
 * over rows that stay in the first-level cache. Beside it the products of all pairs with NumPy on one thread: half as much arithmetic a pair, in twice as many pairs, by vectors that are wider
 * than WebAssembly's; distances made of them lose the digits of near updates.
 */
import { fileURLToPath } from "node:url";
import { aggregationSchema, createRule } from "../../learning/aggregation/rules.ts";
import { pairwiseDistances } from "../../learning/aggregation/pairwise_distances.ts";
import { atOnce, heldUpdates } from "../../learning/aggregation/update_source.ts";
import { withKernels } from "../../learning/aggregation/vector_kernels.ts";
import type { Parameters } from "../../learning/parameters.ts";
import { initialState } from "../../learning/strategies/server_optimiser.ts";
import { createStrategy, strategySchema } from "../../learning/strategies/strategy.ts";
import { seededRandom } from "../../platform/seeded_random.ts";
import type { Figure } from "../harness.ts";
import { askPython } from "../python_peer.ts";

const CLIENTS = 10;
/** What a plain weighted sum of one client took when libraries were compared. */
const SUM_MS_MAX = 3;
/** An old target for combining a whole round. */
const RULE_MS_MAX = 500;

const NUMPY_SCRIPT = fileURLToPath(new URL("../peers/numpy/products.py", import.meta.url));

const RULES = [
  { name: "weightedMean" },
  { name: "normClipping", norm: 1 },
  { name: "centeredClipping", radius: 1 },
  { name: "coordinateMedian" },
  { name: "trimmedMean" },
  { name: "krum" },
  { name: "multiKrum", keep: 7 },
  { name: "bulyan" },
  { name: "geometricMedian", iterations: 5, tolerance: 0 },
];

/** Milliseconds by rule and optimiser, and ratios to reading the same numbers. */
export async function run({ quick }: { readonly quick: boolean }): Promise<Figure[]> {
  const count = quick ? 20_000 : 1_663_370;
  const rounds = quick ? 1 : 7;
  const random = seededRandom("aggregation bench");
  const updates = Array.from({ length: CLIENTS }, () => ({
    values: Float32Array.from({ length: count }, () => random.float() - 0.5),
    weight: 1 + random.below(600),
  }));
  const source = heldUpdates(updates);
  const readAll = () => updates.forEach(({ values }) => read(values));
  const size = `${count.toLocaleString("en")} numbers`;

  const sum = createRule(aggregationSchema.parse({ name: "weightedMean" })).begin!(count);
  const [oneMs, oneReadMs] = best(rounds * 3, () => sum.add(updates[0]!), () => {
    read(updates[0]!.values);
  });
  const figures: Figure[] = [{
    name: "aggregation: one client added to the sum, checked",
    value: oneMs,
    unit: "ms",
    ...(quick ? {} : { limit: SUM_MS_MAX }),
    ratio: oneMs / oneReadMs,
    note: `${size}; ratio to one read of them (${oneReadMs.toFixed(2)} ms)`,
  }];
  for (const description of RULES) {
    const rule = createRule(aggregationSchema.parse(description));
    const [ms, readMs] = best(rounds, () => rule.aggregate(source), readAll);
    figures.push({
      name: `aggregation: ${rule.name} of ${CLIENTS} clients`,
      value: ms,
      unit: "ms",
      ...(quick ? {} : { limit: RULE_MS_MAX }),
      ratio: ms / readMs,
      note: `${size} each; working memory ${
        (rule.workingBytes({ clients: CLIENTS, count }) / 2 ** 20).toFixed(2)
      } MiB; ratio to one read of all (${readMs.toFixed(1)} ms)`,
    });
  }
  for (const name of ["fedAvg", "fedAvgM", "fedAdam", "fedYogi"]) {
    const { optimiser } = createStrategy(strategySchema.parse({ name }));
    const [parameters, update] = [updates[0]!.values, updates[1]!.values];
    const state = initialState(optimiser, count);
    const [ms, readMs] = best(
      rounds,
      () => optimiser.step({ state, parameters, update }),
      () => [parameters, update, ...state.slots].forEach(read),
    );
    figures.push({
      name: `aggregation: one step of ${name}`,
      value: ms,
      unit: "ms",
      ratio: ms / readMs,
      note: `ratio to one read of all it needs (${readMs.toFixed(2)} ms)`,
    });
  }
  figures.push(...await pairFigures(quick));
  return figures;
}

/** All pairs of some hundred updates. */
async function pairFigures(quick: boolean): Promise<Figure[]> {
  const count = quick ? 2_000 : 199_210;
  const sizes = quick ? [16] : [256, 512];
  const rounds = quick ? 1 : 2;
  const random = seededRandom("pairs of updates");
  const drawn = Float32Array.from({ length: count }, () => random.float() - 0.5);
  const updates = Array.from({ length: Math.max(...sizes) }, (_, i) => ({
    values: drawn.map((value, k) => value * (1 + ((i * 31 + k) % 64) / 64)),
    weight: 1,
  }));
  const peer = quick ? null : await askPython<{ readonly version: string; readonly ms: number[] }>({
    script: NUMPY_SCRIPT,
    what: "NumPy",
    question: { sizes: sizes.map((clients) => [clients, count]), rounds },
  });
  const figures: Figure[] = [];
  for (const [at, clients] of sizes.entries()) {
    const source = heldUpdates(updates.slice(0, clients));
    const pairs = clients * (clients - 1) / 2;
    const [ms, bareMs] = best(
      rounds,
      () => atOnce(pairwiseDistances(source)),
      () => barePairs(BARE_NUMBERS),
    );
    const limitMs = bareMs * pairs * count / BARE_NUMBERS;
    const size = `${clients} clients, ${count.toLocaleString("en")} numbers`;
    figures.push({
      name: `aggregation: distances of all pairs, ${size}`,
      value: ms,
      unit: "ms",
      ratio: ms / limitMs,
      note: `ratio to the same arithmetic in the first-level cache (${limitMs.toFixed(0)} ms); ${
        (pairs * count / ms / 1e6).toFixed(1)
      } billion pairs of numbers a second`,
    });
    const numpyMs = peer?.ms[at];
    if (numpyMs !== undefined) {
      figures.push({
        name: `numpy: products of all pairs, ${size}`,
        value: numpyMs,
        unit: "ms",
        note: `a peer: X @ X.T of NumPy ${peer!.version}, one thread`,
      });
    }
    const faulty = Math.floor((clients - 3) / 5);
    const rule = createRule(aggregationSchema.parse({ name: "bulyan", faulty }));
    const startMs = performance.now();
    rule.aggregate(source);
    figures.push({
      name: `aggregation: bulyan, ${size}`,
      value: performance.now() - startMs,
      unit: "ms",
      note: `${faulty} may lie; distances, ${
        clients - 2 * faulty
      } choices, and the columns of those`,
    });
  }
  return figures;
}

/** Rows of 24 KiB together: the first-level cache of any machine holds them. */
const BARE_ROWS = 32;
const BARE_LENGTH = 192;
/** Pairs of numbers that `barePairs` does at least. */
const BARE_NUMBERS = 2 ** 28;

function barePairs(numbers: number): void {
  const matrix = 4 * BARE_ROWS * BARE_LENGTH;
  withKernels(matrix + 8 * BARE_ROWS ** 2, ({ memory, pairDistances }) => {
    new Uint8Array(memory, 0, matrix + 8 * BARE_ROWS ** 2).fill(0);
    const once = BARE_ROWS * (BARE_ROWS - 1) / 2 * BARE_LENGTH;
    for (let done = 0; done < numbers; done += once) {
      pairDistances(0, 4 * BARE_LENGTH, BARE_ROWS, BARE_LENGTH, matrix);
    }
  });
}

/** Best time of both, run in turn after one round to warm up: other load then hits both alike. */
function best(rounds: number, ours: () => unknown, theirs: () => void): [number, number] {
  let [oursMs, theirsMs] = [Infinity, Infinity];
  for (let round = 0; round <= rounds; round++) {
    let startMs = performance.now();
    ours();
    if (round > 0) oursMs = Math.min(oursMs, performance.now() - startMs);
    startMs = performance.now();
    theirs();
    if (round > 0) theirsMs = Math.min(theirsMs, performance.now() - startMs);
  }
  return [oursMs, theirsMs];
}

/** Reads every number once; the sum is used, so that nothing is left out. */
function read(values: Parameters): void {
  let [a, b, c, d] = [0, 0, 0, 0];
  for (let i = 0; i + 3 < values.length; i += 4) {
    a += values[i]!;
    b += values[i + 1]!;
    c += values[i + 2]!;
    d += values[i + 3]!;
  }
  if (Number.isNaN(a + b + c + d)) throw new Error("Benchmark is wrong: a number is NaN");
}
