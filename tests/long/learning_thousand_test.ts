/** A thousand devices in virtual time: a third is away at any time, others come and go in every phase, and the coordinator is lost. */
import assert from "node:assert/strict";
import { playThousand } from "../simulation/learning_thousand.ts";

const CROWD = 1_000;

Deno.test("a thousand simulated devices learn five rounds in the clear, a third of them away at any time", async () => {
  const aggregation = { type: "clear", rule: { name: "weightedMean", numbers: {} } } as const;
  const { crowd, upToDate, there } = await playThousand({ devices: CROWD, rounds: 5, aggregation });
  assert.deepEqual(crowd.results.map(({ result }) => result.round), [1, 2, 3, 4, 5]);
  assert.equal(upToDate, there);
});

Deno.test("a thousand simulated devices learn two rounds by secure sums, a third of them away at any time", async () => {
  const aggregation = { type: "secure", encoding: { range: 4, bits: 16 } } as const;
  const { crowd, upToDate, there } = await playThousand({ devices: CROWD, rounds: 2, aggregation });
  assert.deepEqual(crowd.results.map(({ result }) => result.round), [1, 2]);
  assert.equal(upToDate, there);
});
