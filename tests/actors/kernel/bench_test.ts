/** The kernel's bench runs, at its small size. */
import assert from "node:assert/strict";
import { run } from "../../../bench/micro/kernel_bench.ts";

Deno.test("the kernel bench measures every contender", async () => {
  const figures = await run({ quick: true });
  for (const name of ["kernel", "bare queue", "nact", "xstate"]) {
    const own = figures.filter((figure) => figure.name.startsWith(`${name}: tells`));
    assert.equal(own.length, 2);
    for (const { value } of own) assert.ok(value > 0);
  }
});
