/**
 * Question: what does it cost to combine a round's updates, per client and by rule, and how far is that from merely reading them? The CNN of
 * the FedAvg paper (1,663,370 numbers) and ten clients; rules and a plain read of all numbers run in turn, and the best of each counts.
 */
import { aggregationSchema, createRule } from "../../learning/aggregation/rules.ts";
import { heldUpdates } from "../../learning/aggregation/update_source.ts";
import type { Parameters } from "../../learning/parameters.ts";
import { initialState } from "../../learning/strategies/server_optimiser.ts";
import { createStrategy, strategySchema } from "../../learning/strategies/strategy.ts";
import { seededRandom } from "../../platform/seeded_random.ts";
import type { Figure } from "../harness.ts";

const CLIENTS = 10;
/** What a plain weighted sum of one client took when libraries were compared. */
const SUM_MS_MAX = 3;
/** An old target for combining a whole round. */
const RULE_MS_MAX = 500;

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
export function run({ quick }: { readonly quick: boolean }): Promise<Figure[]> {
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
  return Promise.resolve(figures);
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
