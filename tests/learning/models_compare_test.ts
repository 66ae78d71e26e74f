/** What lies between two versions of a model. */
import assert from "node:assert/strict";
import { compareModels } from "../../learning/models/compare.ts";
import { layoutOf } from "../../learning/parameters.ts";

Deno.test("a comparison measures the distance of parameters, layer by layer", () => {
  const layout = layoutOf([{ name: "a", shape: [2] }, { name: "b", shape: [1, 2] }]);
  const comparison = compareModels(
    { parameters: Float32Array.of(3, 4, 0, 1), metrics: { loss: 2 } },
    { parameters: Float32Array.of(0, 0, 0, -1), metrics: { loss: 1, accuracy: 0.5 } },
    layout,
  );
  assert.equal(comparison.equal, false);
  assert.equal(comparison.distance, Math.sqrt(29));
  assert.equal(comparison.relativeDistance, Math.sqrt(29 / 26));
  assert.equal(comparison.cosine, -1 / Math.sqrt(26));
  assert.deepEqual(comparison.tensors, [
    { name: "a", numbers: 2, normBefore: 5, normAfter: 0, distance: 5, largestChange: 4 },
    { name: "b", numbers: 2, normBefore: 1, normAfter: 1, distance: 2, largestChange: 2 },
  ]);
  assert.deepEqual(comparison.metrics, [
    { name: "accuracy", before: null, after: 0.5 },
    { name: "loss", before: 2, after: 1 },
  ]);
  const same = { parameters: Float32Array.of(1, 2, 3, 4), metrics: {} };
  assert.equal(compareModels(same, same, layout).equal, true);
  assert.throws(
    () => compareModels(same, { parameters: new Float32Array(3), metrics: {} }, layout),
    /one has 3 parameters, the layout 4/,
  );
});
