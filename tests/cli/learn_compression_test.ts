/** What compressing brings and costs, as people and machines read it. */
import assert from "node:assert/strict";
import { type Answer, withFakeNode } from "./fake_world.ts";
import { metricsOf, RUN, runView } from "./learning_views.ts";

Deno.test("a run that compresses says what that brings, and what it costs this device's own updates", () => {
  const compression = { ratio: 15.94, error: 0.13312 };
  const rounds = [1, 2, 3].map(metricsOf).map((one, i) => ({
    ...one,
    compression: { ...compression, error: i === 0 ? null : compression.error },
  }));
  const answer = (own: number | null): Answer => ({ path }) =>
    path.endsWith("/rounds")
      ? Response.json({ rounds })
      : path === `/v1/learning/runs/${RUN}`
      ? Response.json(runView({ compression: { ...compression, error: own } }))
      : undefined;
  return withFakeNode(answer(compression.error), async ({ run }) => {
    const told = async (...words: string[]) => (await run(["learn", ...words])).out;
    assert.match(
      await told("status", RUN),
      /Compression +15\.9 : 1; error of this device's updates 13\.3% on average/,
    );
    assert.match(
      await told("status", RUN, "--lang", "de"),
      /Verkleinerung +15,9 : 1; Abweichung der Beiträge dieses Geräts im Mittel 13,3\u00a0%/,
    );
    const table = await told("rounds", RUN);
    assert.match(table, /Update +Compression +Compression error/);
    assert.match(table, /31 kB +15\.9 : 1 +– .*\n.*31 kB +15\.9 : 1 +13\.3% /);
    assert.match(await told("rounds", RUN, "--lang", "de"), /Verkleinerung +Abweichung/);
    assert.deepEqual(JSON.parse(await told("status", RUN, "--json")).compression, compression);
    assert.deepEqual(JSON.parse(await told("rounds", RUN, "--json")).rounds, rounds);
  }).then(() =>
    withFakeNode(answer(null), async ({ run }) => {
      const { out } = await run(["learn", "status", RUN]);
      assert.match(out, /15\.9 : 1; this device has sent no update yet/);
    })
  );
});
