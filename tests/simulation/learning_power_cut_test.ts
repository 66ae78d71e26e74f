/** All devices of a run without noise lose power at once, in the middle of a secure sum, again and again: the run comes to its end. */
import assert from "node:assert/strict";
import { nodeEvents } from "../../actors/events.ts";
import { Cluster } from "../../simulation/cluster.ts";
import { playLearning } from "../../simulation/scenarios/learning.ts";

const ROUNDS = 14;
const CUTS = 6;
/** Signing and revealing take about so long after the vectors are in, virtual ms. */
const SUM_MS = 60;
/** All must learn again within, virtual ms. */
const BACK_MS = 120_000;

Deno.test("a run goes on after power cuts that hit all of its devices while they sign and reveal", async () => {
  const cluster = new Cluster({ seed: "power cuts" });
  const { world, random } = cluster;
  const problems = await playLearning(cluster, 4, {
    together: true,
    plan: { rounds: ROUNDS },
    async faults(nodes) {
      let isSumming = false;
      const watch = () => {
        for (const node of nodes) {
          node.running.system.subscribe(nodeEvents, (event) => {
            if (event.type !== "roundProgress" || event.round < 3) return;
            isSumming ||= event.phase === "collecting" || event.phase === "unmasking";
          });
        }
      };
      watch();
      for (let cut = 0; cut < CUTS; cut++) {
        isSumming = false;
        assert.ok(await world.until(() => isSumming, BACK_MS, 1), `nobody learns after cut ${cut}`);
        await world.advance(random.below(SUM_MS));
        for (const node of nodes) node.crash(false);
        await world.advance(500);
        for (const node of nodes) await node.start();
        watch();
      }
    },
  });
  assert.deepEqual(problems, []);
});
