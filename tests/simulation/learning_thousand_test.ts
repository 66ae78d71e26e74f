/** Rounds of crowds in virtual time; the thousand of them that tests/long plays, and a crowd that is quick. */
import assert from "node:assert/strict";
import { playThousand } from "./learning_thousand.ts";

const CLEAR = { type: "clear", rule: { name: "weightedMean", numbers: {} } } as const;
const SECURE = { type: "secure", encoding: { range: 4, bits: 16 } } as const;

for (const aggregation of [CLEAR, SECURE]) {
  Deno.test(`a crowd that comes and goes learns (${aggregation.type}), and goes on when its coordinator is lost`, async () => {
    const { crowd, upToDate, there, departures } = await playThousand({
      devices: 30,
      rounds: 5,
      aggregation,
    });
    assert.deepEqual(crowd.results.map(({ result }) => result.round), [1, 2, 3, 4, 5]);
    assert.notEqual(crowd.results.at(-1)!.author, crowd.members[0]!.id);
    assert.ok(departures > 0);
    assert.equal(upToDate, there);
  });
}

Deno.test("equal seeds give equal crowds", async () => {
  const options = { devices: 20, rounds: 2, aggregation: CLEAR };
  const [one, other] = [await playThousand(options), await playThousand(options)];
  assert.equal(one.trace, other.trace);
  assert.deepEqual(
    one.crowd.results.map(({ block }) => block),
    other.crowd.results.map(({ block }) => block),
  );
});
