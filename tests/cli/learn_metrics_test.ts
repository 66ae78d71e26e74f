/** A task's own metrics, wherever numbers of a run are shown. */
import assert from "node:assert/strict";
import type { RoundMetrics } from "../../actors/learning_handle.ts";
import { drawCurves } from "../../cli/learning/curve_svg.ts";
import { shownMetrics } from "../../cli/learning/figures.ts";
import { textsOf } from "../../cli/texts.ts";
import { type Answer, withFakeNode } from "./fake_world.ts";
import { metricsOf, RUN, runView } from "./learning_views.ts";

/** The first round was not measured here. */
const ROUNDS: readonly RoundMetrics[] = [1, 2, 3].map((round) => ({
  ...metricsOf(round),
  ...(round === 1 ? {} : { measured: { top3Accuracy: 0.6 + round / 10, meanAbsoluteError: 1.25 } }),
}));

const answer: Answer = ({ path }) =>
  path.endsWith("/rounds")
    ? Response.json({ rounds: ROUNDS })
    : path.startsWith(`/v1/learning/runs/${RUN.slice(0, 6)}`)
    ? Response.json(runView({ metrics: ROUNDS[2]!, state: "finished", round: 3, rounds: 3 }))
    : undefined;

Deno.test("rounds, status and watch show what the task has measured, and JSON has it by name", () =>
  withFakeNode(answer, async ({ run }) => {
    const { out } = await run(["learn", "rounds", RUN.slice(0, 6)]);
    assert.match(out, /Accuracy +Top-3 accuracy +Mean absolute error +Loss/);
    assert.match(out, /^1 +60\.0% +– +– +2 /m);
    assert.match(out, /^2 +70\.0% +80\.0% +1\.25 +1 /m);
    const { rounds } = JSON.parse(
      (await run(["learn", "rounds", RUN.slice(0, 6), "--json"])).out,
    );
    assert.deepEqual(rounds, ROUNDS);
    const german = await run(["learn", "status", RUN.slice(0, 6), "--lang", "de"]);
    assert.match(german.out, /Top-3-Genauigkeit +90,0\u00a0%/);
    assert.match(german.out, /Mittlerer absoluter Fehler +1,25/);
    const status = JSON.parse((await run(["learn", "status", RUN.slice(0, 6), "--json"])).out);
    assert.deepEqual(status.metrics.measured, ROUNDS[2]!.measured);
    const watched = await run(["learn", "watch", RUN.slice(0, 6)]);
    assert.match(
      watched.out,
      /Accuracy 80\.0% · Top-3 accuracy 90\.0% · Mean absolute error 1\.25/,
    );
  }));

Deno.test("shares of examples are drawn beside the accuracy, and a metric of a newer node stands under its name", () => {
  const texts = textsOf("en").learnRuns;
  const own = shownMetrics([...ROUNDS, { measured: { perplexity: 3 } }], texts);
  assert.deepEqual(own.map(({ label }) => label), [
    "Top-3 accuracy",
    "Mean absolute error",
    "perplexity",
  ]);
  const curves = { title: "Go", subtitle: "", rounds: ROUNDS, words: texts.plot } as const;
  const svg = drawCurves({ ...curves, own, language: "en" });
  // Three each of accuracy, loss and training loss, and two of the share.
  assert.equal(svg.match(/<circle /g)?.length, 11);
  assert.ok(svg.includes("<title>Top-3 accuracy: 3 · 90%</title>"));
  assert.ok(!svg.includes("Mean absolute error"));
});
