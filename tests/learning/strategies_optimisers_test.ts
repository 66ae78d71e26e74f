/** Server optimisers: Flower's numbers, resuming without a different bit, and what cannot be stepped. */
import assert from "node:assert/strict";
import fc from "fast-check";
import type { Parameters } from "../../learning/parameters.ts";
import {
  optimiserStateBytes,
  optimiserStateFrom,
} from "../../learning/strategies/optimiser_state_bytes.ts";
import { initialState } from "../../learning/strategies/server_optimiser.ts";
import {
  createStrategy,
  STRATEGY_NUMBERS,
  strategyOf,
  strategyProblem,
  strategySchema,
} from "../../learning/strategies/strategy.ts";
import { seededRandom } from "../../platform/seeded_random.ts";
import { toChoice } from "../../learning/strategies/choice.ts";
import { createRule } from "../../learning/aggregation/rules.ts";
import { heldUpdates } from "../../learning/aggregation/update_source.ts";
import fixtures from "../fixtures/learning/strategies.json" with { type: "json" };

const NAMES = Object.keys(STRATEGY_NUMBERS);

function difference(model: readonly number[], start: Parameters): Parameters {
  return Float32Array.from(model, (value, i) => value - start[i]!);
}

for (const { name, options, start, steps } of fixtures.optimisers) {
  Deno.test(`${name} goes the way Flower's goes, round after round`, () => {
    const { optimiser } = createStrategy(strategySchema.parse({ name, ...options }));
    let parameters: Parameters = Float32Array.from(start);
    let state = initialState(optimiser, start.length);
    for (const { models, weights, result } of steps) {
      const updates = models.map((model, i) => ({
        values: difference(model, parameters),
        weight: weights[i]!,
      }));
      const update = createRule({ name: "weightedMean" }).aggregate(heldUpdates(updates));
      ({ parameters, state } = optimiser.step({ state, parameters, update }));
      parameters.forEach((value, i) => {
        assert.ok(Math.abs(value - result[i]!) <= 2e-5, `${value}, expected ${result[i]}`);
      });
    }
    assert.equal(state.step, steps.length);
  });
}

Deno.test("FedAdagrad from .1 with clients at .2 and 1.0, rate .1 and τ .5 arrives at .15", () => {
  const { optimiser } = createStrategy(
    strategySchema.parse({ name: "fedAdagrad", serverRate: 0.1, adaptivity: 0.5 }),
  );
  const parameters = Float32Array.of(0.1);
  const updates = [0.2, 1].map((model) => ({ values: difference([model], parameters), weight: 1 }));
  const update = createRule({ name: "weightedMean" }).aggregate(heldUpdates(updates));
  const next = optimiser.step({ state: initialState(optimiser, 1), parameters, update });
  assert.ok(Math.abs(next.parameters[0]! - 0.15) < 1e-7);
});

Deno.test("FedAvg with rate 1 arrives at the mean of the clients' models", () => {
  const { optimiser } = createStrategy(strategySchema.parse({ name: "fedAvg" }));
  const parameters = Float32Array.of(1, -2);
  const updates = [[2, 0], [4, 8]].map((model, i) => ({
    values: difference(model, parameters),
    weight: 1 + 2 * i,
  }));
  const update = createRule({ name: "weightedMean" }).aggregate(heldUpdates(updates));
  const next = optimiser.step({ state: initialState(optimiser, 2), parameters, update });
  assert.deepEqual([...next.parameters], [3.5, 6]);
});

Deno.test("a run resumed from stored state has the same bits as one that was never interrupted", () => {
  fc.assert(
    fc.property(
      fc.constantFrom(...NAMES),
      fc.nat(),
      fc.nat({ max: 8 }),
      (name, seed, crashAfter) => {
        const { optimiser } = createStrategy(strategySchema.parse({ name }));
        const random = seededRandom(seed);
        const draw = () => Float32Array.from({ length: 11 }, () => random.float() * 4 - 2);
        const updates = Array.from({ length: 9 }, draw);
        const start = draw();
        const walk = (crash: boolean) => {
          let [parameters, state] = [start, initialState(optimiser, 11)];
          updates.forEach((update, i) => {
            ({ parameters, state } = optimiser.step({ state, parameters, update }));
            if (crash && i === crashAfter) {
              state = optimiserStateFrom(optimiserStateBytes(state, 11), optimiser, 11)!;
            }
          });
          return { parameters, state };
        };
        assert.deepEqual(walk(true), walk(false));
      },
    ),
    { numRuns: 50 },
  );
});

Deno.test("stepping changes neither the state nor the parameters it was given", () => {
  for (const name of NAMES) {
    const { optimiser } = createStrategy(strategySchema.parse({ name }));
    const state = initialState(optimiser, 3);
    const parameters = Float32Array.of(1, 2, 3);
    optimiser.step({ state, parameters, update: Float32Array.of(1, 1, 1) });
    assert.deepEqual([...parameters], [1, 2, 3]);
    assert.ok(state.slots.every((slot) => slot.every((value) => value === 0)));
  }
});

Deno.test("damaged state is refused: cut, lengthened, of another model, of another strategy, not finite", () => {
  const { optimiser } = createStrategy(strategySchema.parse({ name: "fedYogi" }));
  const other = createStrategy(strategySchema.parse({ name: "fedAvgM" })).optimiser;
  const bytes = optimiserStateBytes(initialState(optimiser, 4), 4);
  assert.ok(optimiserStateFrom(bytes, optimiser, 4) !== undefined);
  assert.equal(optimiserStateFrom(bytes.subarray(1), optimiser, 4), undefined);
  assert.equal(optimiserStateFrom(new Uint8Array([...bytes, 0]), optimiser, 4), undefined);
  assert.equal(optimiserStateFrom(bytes, optimiser, 5), undefined);
  assert.equal(optimiserStateFrom(bytes, other, 4), undefined);
  for (const [place, value] of [[0, 2], [1, 1], [2, 1], [8, 3], [14, 0x80], [15, 0x7f]] as const) {
    const damaged = bytes.slice();
    damaged[place] = value;
    if (place === 15) damaged[14] = 0x80;
    const read = optimiserStateFrom(damaged, optimiser, 4);
    if (place === 14) assert.ok(read !== undefined);
    else assert.equal(read, undefined, `byte ${place}`);
  }
});

Deno.test("a step that leaves the finite numbers is refused", () => {
  const { optimiser } = createStrategy(strategySchema.parse({ name: "fedAvg", serverRate: 100 }));
  const state = initialState(optimiser, 1);
  assert.throws(
    () => optimiser.step({ state, parameters: Float32Array.of(1), update: Float32Array.of(3e38) }),
    { name: "OptimiserError" },
  );
});

Deno.test("a strategy in a plan is read strictly, and absent numbers get their initial values", () => {
  assert.deepEqual(strategySchema.parse({ name: "fedYogi" }), {
    name: "fedYogi",
    serverRate: 0.01,
    momentum: 0.9,
    memory: 0.99,
    adaptivity: 0.001,
  });
  for (
    const bad of [
      { name: "fedSomething" },
      { name: "fedAvg", momentum: 0.9 },
      { name: "fedAvgM", momentum: 1 },
      { name: "fedAdam", adaptivity: 0 },
      { name: "fedAvg", serverRate: NaN },
      { name: "fedAvg", serverRate: Infinity },
      { name: "fedBuff", goal: 1.5 },
      { name: "fedAvg", aggregation: 1 },
      { name: "fedProx", proximal: -1 },
    ]
  ) assert.ok(!strategySchema.safeParse(bad).success, JSON.stringify(bad));
});

Deno.test("a plan's choice becomes a strategy and back, and a wrong number is named with its value", () => {
  const choice = { name: "fedAvgM", numbers: { serverRate: 0.5, momentum: 0.8 } };
  assert.deepEqual(toChoice(strategyOf(choice)), choice);
  assert.throws(
    () => strategyOf({ name: "fedAvgM", numbers: { momentum: 1.5 } }),
    { name: "RangeError", message: /fedAvgM.*momentum = 1.5/ },
  );
  assert.throws(() => strategyOf({ name: "fedGuess", numbers: {} }), /fedGuess/);
});

Deno.test("FedBuff runs with the mean alone, because it keeps no single updates", () => {
  const buffer = strategySchema.parse({ name: "fedBuff" });
  assert.match(strategyProblem(buffer, { name: "coordinateMedian" })!, /weightedMean/);
  assert.equal(strategyProblem(buffer, { name: "weightedMean" }), null);
});

Deno.test("only FedProx changes what clients do, and only FedBuff does not wait for them", () => {
  for (const name of NAMES) {
    const strategy = createStrategy(strategySchema.parse({ name }));
    assert.deepEqual(strategy.clients, name === "fedProx" ? { proximal: 0.01 } : {});
    assert.deepEqual(strategy.buffer, name === "fedBuff" ? { goal: 10, stalenessMax: 20 } : null);
  }
});
