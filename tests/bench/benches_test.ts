/** Every bench runs, at its small size, so that none of them rots. What they measure here claims nothing. */
import assert from "node:assert/strict";
import { BENCHES } from "../../bench/list.ts";
import { natsServer } from "../lab/nats_server.ts";
import { skipped } from "../skipped.ts";

/** Need a network namespace of their own or have a test beside what they measure. */
const ELSEWHERE: ReadonlySet<string> = new Set([
  "discovery",
  "kernel",
  "messagePaths",
  "nat",
  "faults",
]);

/** Measure a nats-server. */
const ON_NATS: ReadonlySet<string> = new Set(["broker", "relay", "learningCrowd"]);
const nats = await natsServer();
const withoutNats = skipped("benches of NATS", nats.ok ? null : nats.reason);

for (const [name, load] of Object.entries(BENCHES)) {
  if (ELSEWHERE.has(name)) continue;
  Deno.test({
    name: `the ${name} bench measures`,
    ignore: ON_NATS.has(name) && withoutNats,
    // Libraries under the benches keep sockets and threads of their own for the life of the process.
    sanitizeOps: false,
    sanitizeResources: false,
    async fn() {
      const figures = await (await load()).run({ quick: true });
      assert.ok(figures.length > 0);
      assert.equal(new Set(figures.map((figure) => figure.name)).size, figures.length);
      for (const { name, value, limit, ratio } of figures) {
        for (const number of [value, limit ?? 0, ratio ?? 0]) {
          assert.ok(Number.isFinite(number) && number >= 0, `${name}: ${number}`);
        }
      }
    },
  });
}
