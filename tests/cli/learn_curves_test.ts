import assert from "node:assert/strict";
import fc from "fast-check";
import { figure, percent } from "../../cli/learning/figures.ts";
import { drawCurves } from "../../cli/learning/curve_svg.ts";
import { sparkline } from "../../cli/learning/sparkline.ts";
import { textsOf } from "../../cli/texts.ts";
import type { RoundMetrics } from "../../actors/learning_handle.ts";
import type { DeviceId } from "../../protocols/ids.ts";
import type { CommandContext } from "../../cli/command.ts";

const words = textsOf("en").learnRuns.plot;

const metrics = (
  round: number,
  values: Partial<Pick<RoundMetrics, "accuracy" | "loss" | "trainingLoss">>,
): RoundMetrics => ({
  round,
  atMs: 0,
  durationMs: 0,
  coordinator: "d" as DeviceId,
  called: 1,
  ready: 1,
  counted: 1,
  dropped: 0,
  refused: 0,
  accuracy: null,
  loss: null,
  trainingLoss: null,
  updateBytes: 0,
  parameterBytes: 0,
  epsilon: null,
  ...values,
});

Deno.test("a sparkline rises as the values do, and is never wider than asked", () => {
  assert.equal(sparkline([0, 0.5, 1], { width: 10, range: [0, 1] }), "▁▅█");
  assert.equal(sparkline([3, null, 9], { width: 10 }), "▁ █");
  assert.equal(sparkline([5, 5], { width: 10 }), "██");
  assert.equal(sparkline([], { width: 10 }), "");
  const value = fc.option(fc.double(), { nil: null });
  fc.assert(fc.property(fc.array(value), fc.integer({ min: 1, max: 80 }), (values, width) => {
    const line = sparkline(values, { width });
    assert.equal([...line].length, Math.min(width, values.length));
    assert.match(line, /^[ ▁▂▃▄▅▆▇█]*$/);
  }));
});

Deno.test("a plot has a point for each round, its axes and their words, and the curve rises where accuracy does", () => {
  const rounds = [1, 2, 3, 4, 5].map((round) =>
    metrics(round, { accuracy: round / 10, loss: 3 / round, trainingLoss: 2 / round })
  );
  const svg = drawCurves({
    title: "Digits",
    subtitle: "fedAvg",
    rounds,
    words,
    own: [],
    language: "en",
  });
  assert.equal(svg.match(/<circle /g)?.length, 15);
  for (
    const said of [">Round<", ">Accuracy<", ">Loss<", ">100%<", "training loss of this device"]
  ) {
    assert.ok(svg.includes(said), said);
  }
  const [path = ""] = /M[\d. ]+(L[\d. ]+){4}/.exec(svg) ?? [];
  const heights = [...path.matchAll(/[\d.]+ ([\d.]+)/g)].map(([, y]) => Number(y));
  assert.deepEqual(heights, heights.toSorted((a, b) => b - a));
});

Deno.test("a plot holds whatever title there is, and rounds without figures", () => {
  const value = fc.option(fc.double(), { nil: null });
  fc.assert(fc.property(
    fc.string({ unit: "binary" }),
    fc.array(fc.record({ accuracy: value, loss: value, trainingLoss: value }), { minLength: 1 }),
    (title, list) => {
      const rounds = list.map((values, index) => metrics(index + 1, values));
      const svg = drawCurves({ title, subtitle: title, rounds, words, own: [], language: "de" });
      assert.doesNotMatch(svg, /NaN|Infinity/);
      assert.equal(svg.match(/<(?!\/)/g)?.length, svg.match(/<\/|\/>/g)?.length);
    },
  ));
});

Deno.test("figures are said in the language of the person", () => {
  const german = { language: "de" } as CommandContext;
  assert.equal(figure(1234.5678, german), "1.235");
  assert.equal(percent(0.934, german), "93,4\u00a0%");
  assert.equal(percent(null, german), "–");
});
