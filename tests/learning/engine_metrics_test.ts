/** What tasks may have measured, against the definitions written out: outputs are sorted, and labels looked for. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { InlineTrainer } from "../../learning/engine/inline_trainer.ts";
import { loadKernels, MEMORY_START } from "../../learning/engine/kernels.ts";
import { type Metric, METRICS_MAX, problemOfMetrics } from "../../learning/metrics.ts";
import { evaluateAll } from "../../learning/simulate/federation.ts";
import type { Loss, Network } from "../../learning/network.ts";
import type { EvaluationJob } from "../../learning/trainer.ts";
import { labelRank } from "./label_rank.ts";

/** A network whose outputs are its inputs, on examples with these. */
function identityJob(loss: Loss, rows: readonly (readonly number[])[], labels: Float32Array) {
  const width = loss.type === "crossEntropy" ? loss.classes : loss.outputs;
  const network: Network = {
    input: { rows: 1, columns: 1, channels: width },
    layers: [{ type: "dense", name: "same", units: width }],
    loss,
  };
  const parameters = new Float32Array(width * width + width);
  for (let i = 0; i < width; i++) parameters[i * width + i] = 1;
  const dataset = {
    exampleLength: width,
    count: rows.length,
    inputs: Float32Array.from(rows.flat()),
    labels: labels as Float32Array<ArrayBuffer>,
  };
  return { network, parameters, dataset } satisfies EvaluationJob;
}

const trainer = new InlineTrainer();

Deno.test("topAccuracy counts labels among the k largest outputs, of equal ones the first, and k = 1 is the accuracy", async () => {
  const batches = fc.integer({ min: 2, max: 11 }).chain((classes) =>
    fc.record({
      classes: fc.constant(classes),
      // Few values, so that many are equal.
      rows: fc.array(
        fc.record({
          outputs: fc.array(fc.integer({ min: -2, max: 2 }), {
            minLength: classes,
            maxLength: classes,
          }),
          label: fc.nat(classes - 1),
        }),
        { minLength: 1, maxLength: 20 },
      ),
    })
  );
  await fc.assert(
    fc.asyncProperty(batches, async ({ classes, rows }) => {
      const ks = Array.from({ length: Math.min(classes, METRICS_MAX) }, (_, i) => i + 1);
      const { accuracy, measured } = await trainer.evaluate({
        ...identityJob(
          { type: "crossEntropy", classes },
          rows.map(({ outputs }) => outputs),
          Float32Array.from(rows, ({ label }) => label),
        ),
        metrics: ks.map((k) => ({ type: "topAccuracy", k })),
      });
      const ranks = rows.map(({ outputs, label }) => labelRank(outputs, label));
      const wanted = ks.map((k) =>
        [`top${k}Accuracy`, ranks.filter((rank) => rank < k).length / rows.length] as const
      );
      assert.deepEqual(measured, Object.fromEntries(wanted));
      assert.equal(accuracy, measured!.top1Accuracy);
    }),
    { numRuns: 60 },
  );
});

Deno.test("meanAbsoluteError is the mean distance of outputs from labels", async () => {
  const row = fc.array(fc.float({ min: -1e3, max: 1e3, noNaN: true }), {
    minLength: 3,
    maxLength: 3,
  });
  const pairs = fc.array(fc.tuple(row, row), { minLength: 1, maxLength: 200 });
  await fc.assert(
    fc.asyncProperty(pairs, async (rows) => {
      const outputs = rows.map(([output]) => output);
      const labels = Float32Array.from(rows.flatMap(([, label]) => label));
      const job = identityJob({ type: "squaredError", outputs: 3 }, outputs, labels);
      const metrics: readonly Metric[] = [{ type: "meanAbsoluteError" }];
      const { measured } = await trainer.evaluate({ ...job, metrics });
      const wanted = outputs.flat().reduce((sum, output, i) =>
        sum + Math.abs(output - labels[i]!), 0) /
        labels.length;
      assert.ok(Math.abs(measured!.meanAbsoluteError! - wanted) <= 1e-6 * wanted);
    }),
    { numRuns: 40 },
  );
});

Deno.test("NaN is larger than every output, and never right itself", () => {
  const memory = new WebAssembly.Memory({ initial: 2 });
  const rows = [[NaN, 2, 1], [1, 2, NaN], [0, NaN, 5]];
  new Float32Array(memory.buffer, MEMORY_START, 9).set(rows.flat());
  const labels = MEMORY_START + 64;
  new Uint32Array(memory.buffer, labels, 3).set([1, 1, 1]);
  for (const build of ["relaxed", "plain"] as const) {
    const { countCorrect } = loadKernels(memory, build);
    const counted = [1, 2, 3].map((k) => countCorrect(MEMORY_START, 12, labels, 3, 3, k));
    assert.deepEqual(counted, [0, 2, 2], build);
  }
});

Deno.test("an evaluation in parts measures what one over everything does", async () => {
  const count = 2_500;
  const rows = Array.from({ length: count }, (_, i) => [i % 7, i % 5, i % 3, i % 11]);
  const labels = Float32Array.from({ length: count }, (_, i) => i % 4);
  const classes = identityJob({ type: "crossEntropy", classes: 4 }, rows, labels);
  const metrics: readonly Metric[] = [{ type: "topAccuracy", k: 2 }, { type: "topAccuracy", k: 3 }];
  const { network, parameters, dataset: test } = classes;
  const parts = await evaluateAll({ network, test, metrics, trainer, parallel: 2 }, parameters);
  const whole = await trainer.evaluate({ ...classes, metrics });
  assert.deepEqual(parts.measured, whole.measured);
  assert.ok(parts.measured!.top3Accuracy! > parts.measured!.top2Accuracy!);
});

Deno.test("metrics that do not go with a network are refused, and an evaluation without metrics has none", async () => {
  const loss = { type: "crossEntropy", classes: 4 } as const;
  const top = (k: number): Metric => ({ type: "topAccuracy", k });
  const all = Array.from({ length: METRICS_MAX + 1 }, (_, i) => top(i + 1));
  for (
    const [metrics, problem] of [
      [[top(0)], /k of topAccuracy is 0, expected an integer from 1 to 4/],
      [[top(5)], /is 5, expected/],
      [[top(1.5)], /is 1\.5, expected/],
      [[top(2), top(2)], /top2Accuracy is there twice/],
      [[{ type: "meanAbsoluteError" }], /goes with squaredError, the network's loss is cross/],
      [all, /there are 9 metrics, expected at most 8/],
    ] as const
  ) {
    assert.match(problemOfMetrics({ loss }, metrics)!, problem);
    const job = identityJob(loss, [[1, 2, 3, 4]], Float32Array.of(0));
    await assert.rejects(trainer.evaluate({ ...job, metrics }), problem);
  }
  const regression = { type: "squaredError", outputs: 1 } as const;
  assert.match(problemOfMetrics({ loss: regression }, [top(1)])!, /goes with crossEntropy/);
  const plain = await trainer.evaluate(identityJob(loss, [[1, 2, 3, 4]], Float32Array.of(3)));
  assert.deepEqual(Object.keys(plain), ["examples", "loss", "accuracy"]);
});
