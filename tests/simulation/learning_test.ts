/** A run goes on when its coordinator dies, whatever it was doing: within five seconds, without a lost round, and paid for once. */
import assert from "node:assert/strict";
import { nodeEvents } from "../../actors/events.ts";
import type { RoundPhase } from "../../protocols/rounds/messages.ts";
import { Cluster } from "../../simulation/cluster.ts";
import { playLearning } from "../../simulation/scenarios/learning.ts";
import { NOISE } from "./noise.ts";

/** From the death of a coordinator to what its successor does in a round. */
const REPLACED_WITHIN_MS = 5_000;
/** More than are done while the devices join. */
const ROUNDS = 12;
/** From this round on all take part: of the first, some may hear too late, and a sum among the fewest cannot lose anybody. */
const ALL_IN_ROUND = 3;
/** Within this time everything that a device said before it died has arrived, or never will. */
const LAST_WORDS_MS = 500;

for (
  const phase of ["calling", "training", "collecting", "unmasking", "publishing"] as RoundPhase[]
) {
  Deno.test(`a coordinator that dies while ${phase} is replaced within five seconds, and no round is lost`, async () => {
    const cluster = new Cluster({ seed: `dies ${phase}` });
    const { world } = cluster;
    let replacedMs = Infinity;
    const problems = await playLearning(cluster, 4, {
      together: true,
      plan: {
        rounds: ROUNDS,
        privacy: NOISE,
      },
      async faults([starter, ...others]) {
        const seen = new Set<RoundPhase>();
        let fromRound = ALL_IN_ROUND;
        // Whoever coordinates is to die, so that the others are asked.
        for (const witness of others) {
          witness.running.system.subscribe(nodeEvents, (event) => {
            if (event.type !== "roundProgress" || event.round < fromRound) return;
            seen.add(event.phase);
          });
        }
        assert.ok(await world.until(() => seen.has(phase), 60_000, 1), `nobody is ${phase}`);
        starter!.crash(false);
        const diedMs = world.nowMs;
        await world.advance(LAST_WORDS_MS);
        seen.clear();
        // Others may not have heard of the version before, and go on with that.
        fromRound = 1;
        const goesOn = () => [...seen].some((one) => one !== "waiting");
        assert.ok(await world.until(goesOn, 30_000, 10), "nobody takes over");
        replacedMs = world.nowMs - diedMs;
        await starter!.start();
      },
    });
    assert.deepEqual(problems, []);
    assert.ok(replacedMs <= REPLACED_WITHIN_MS, `it took ${replacedMs} ms`);
  });
}
