/** Everything about two homes that takes minutes: every pair of routers, and ten thousand messages under fire. */
import assert from "node:assert/strict";
import { runFaults } from "../lab/nat_faults.ts";
import { isGood, measureNatPairs, NAT_PAIRS } from "../lab/nat_matrix.ts";
import { whyNoNatWorld } from "../lab/nat_world.ts";
import { withFolder } from "../lab/mesh_steps.ts";
import { skipped } from "../skipped.ts";

const ignore = skipped("two homes, at length", await whyNoNatWorld());
const say = (text: string) => console.error(text);

Deno.test({
  name: "every pair of routers connects, and directly wherever theory allows",
  ignore,
  fn: () =>
    withFolder(async (folder) => {
      const results = await measureNatPairs({
        pairs: NAT_PAIRS,
        folder,
        onProgress: say,
        onResult: () => {},
      });
      assert.deepEqual(results.filter((result) => !isGood(result)), []);
    }),
});

for (const seed of ["1", "2"]) {
  Deno.test({
    name: `ten thousand messages survive whatever is killed (deno task lab faults --seed ${seed})`,
    ignore,
    fn: () =>
      withFolder(async (folder) => {
        const { messages, lost, duplicated, ordered } = await runFaults({
          seed,
          messages: 10_000,
          folder,
          onProgress: say,
        });
        assert.deepEqual(
          { messages, lost, duplicated, ordered },
          { messages: 10_000, lost: 0, duplicated: 0, ordered: true },
        );
      }),
  });
}
