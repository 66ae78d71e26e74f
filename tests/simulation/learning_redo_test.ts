/**
 * Devices of a run without noise lose power while they sign, and what finishes the attempt is lost for good. After the restart each would make another update, because
 * what compression had left over is gone: with what they have kept they do the round again, all of them, and the run comes to its end.
 */
import assert from "node:assert/strict";
import { nodeEvents } from "../../actors/events.ts";
import { checkpointSetting } from "../../actors/rounds/checkpoints.ts";
import { signedSetting } from "../../actors/rounds/given_word.ts";
import { Cluster } from "../../simulation/cluster.ts";
import { playLearning } from "../../simulation/scenarios/learning.ts";

const ROUNDS = 6;
/** The first round of which something is left over is the one before. */
const FROM_ROUND = 3;
const BACK_MS = 120_000;
const CHECKPOINTS = checkpointSetting("");
const WORDS = signedSetting("");

Deno.test("a set whose checkpoint is lost does its round again with the updates that it has kept", async () => {
  const cluster = new Cluster({ seed: "lost checkpoint" });
  const { world } = cluster;
  const problems = await playLearning(cluster, 3, {
    together: true,
    plan: { rounds: ROUNDS, compression: { name: "randomK", numbers: { share: 0.5 } } },
    async faults(nodes) {
      let isSumming = false;
      for (const node of nodes) {
        node.running.system.subscribe(nodeEvents, (event) => {
          isSumming ||= event.type === "roundProgress" && event.round >= FROM_ROUND &&
            event.phase === "collecting";
        });
      }
      assert.ok(await world.until(() => isSumming, BACK_MS, 1));
      const words = () =>
        nodes.filter(({ disk }) =>
          [...disk.tables.settings.keys()].some((key) => key.startsWith(WORDS))
        );
      assert.ok(await world.until(() => words().length === nodes.length, BACK_MS, 1));
      for (const node of nodes) node.crash(false);
      for (const { disk } of nodes) {
        for (const key of [...disk.tables.settings.keys()]) {
          if (key.startsWith(CHECKPOINTS)) disk.tables.settings.delete(key);
        }
      }
      await world.advance(500);
      for (const node of nodes) await node.start();
    },
  });
  assert.deepEqual(problems, []);
});
