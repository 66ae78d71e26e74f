/**
 * Results keep their bits from version to version: a proof of a model is checked by computing the rule again, maybe on a device with another
 * release. A change here needs a new name for the rule or method, not a new hash.
 */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { aggregationSchema, createRule } from "../../learning/aggregation/rules.ts";
import { heldUpdates } from "../../learning/aggregation/update_source.ts";
import { compressionSchema, createCompressor } from "../../learning/compression/compressions.ts";
import { decodeSum, encodeForSum } from "../../learning/compression/sum_form.ts";
import { parameterBytes } from "../../learning/parameters.ts";
import { initialState } from "../../learning/strategies/server_optimiser.ts";
import { createStrategy, strategySchema } from "../../learning/strategies/strategy.ts";
import { seededRandom } from "../../platform/seeded_random.ts";
import golden from "../fixtures/learning/bits.json" with { type: "json" };

const COUNT = 10_007;
const SEED = new Uint8Array(32).fill(42);

function updates(clients: number) {
  const random = seededRandom("bits");
  return Array.from({ length: clients }, () => ({
    values: Float32Array.from({ length: COUNT }, () => (random.float() - 0.5) ** 3),
    weight: 1 + random.below(600),
  }));
}

function hashOf(...parts: readonly Uint8Array[]): string {
  const hash = createHash("sha256");
  parts.forEach((part) => hash.update(part));
  return hash.digest("hex").slice(0, 32);
}

const RULES = [
  { name: "weightedMean" },
  { name: "normClipping", norm: 3 },
  { name: "centeredClipping", radius: 3 },
  { name: "coordinateMedian" },
  { name: "trimmedMean" },
  { name: "krum" },
  { name: "multiKrum", keep: 7 },
  { name: "bulyan" },
  { name: "geometricMedian" },
];
const COMPRESSIONS = [
  { name: "eden", bits: 1 },
  { name: "eden", bits: 3 },
  { name: "eden", bits: 8 },
  { name: "stochastic", bits: 4 },
  { name: "topK" },
  { name: "randomK" },
  { name: "randomK", feedback: 0 },
];

function results(): Readonly<Record<string, string>> {
  const hashes: Record<string, string> = {};
  for (const description of RULES) {
    const result = createRule(aggregationSchema.parse(description)).aggregate(
      heldUpdates(updates(11)),
    );
    hashes[JSON.stringify(description)] = hashOf(parameterBytes(result));
  }
  const [first, second] = updates(2).map(({ values }) => values);
  for (const description of COMPRESSIONS) {
    const compressor = createCompressor(compressionSchema.parse(description));
    const bytes = compressor.encode(first!, { seed: SEED, random: seededRandom("dice") });
    const read = compressor.decode(bytes, { seed: SEED, count: COUNT });
    assert.ok(read.ok);
    hashes[JSON.stringify(description)] = hashOf(bytes, parameterBytes(read.values));
  }
  const form = { range: 1, bits: 12, seed: SEED };
  const { levels } = encodeForSum(first!, form, seededRandom("dice"));
  hashes["form for secure sums"] = hashOf(
    new Uint8Array(levels.slice().buffer),
    parameterBytes(decodeSum(levels, form, 1)!),
  );
  for (const name of ["fedAvg", "fedAvgM", "fedAdagrad", "fedAdam", "fedYogi"]) {
    const { optimiser } = createStrategy(strategySchema.parse({ name }));
    let step = { parameters: first!, state: initialState(optimiser, COUNT) };
    for (let i = 0; i < 3; i++) step = optimiser.step({ ...step, update: second! });
    hashes[name] = hashOf(parameterBytes(step.parameters), ...step.state.slots.map(parameterBytes));
  }
  return hashes;
}

Deno.test("rules, compressions and optimisers give the bits they gave before", () => {
  assert.deepEqual(results(), golden);
});
