/** A member that floods others with messages about a run keeps nobody from learning: it is read as far as its rate, and the run finishes. */
import assert from "node:assert/strict";
import type { RunId } from "../../learning/runs/plan.ts";
import { encodeRoundsMessage } from "../../protocols/rounds/wire.ts";
import { Cluster } from "../../simulation/cluster.ts";
import { playLearning } from "../../simulation/scenarios/learning.ts";

/** Of four devices, in this many virtual seconds, a tenth of a second apart. */
const SECONDS = 10;
const PER_SECOND = 1_500;

Deno.test("a member that floods the others is dropped beyond its rate, and the run goes on to its last round", async () => {
  const cluster = new Cluster({ seed: "flood" });
  const { world } = cluster;
  let flooder = "";
  const problems = await playLearning(cluster, 4, {
    together: true,
    async faults(nodes) {
      const [liar, ...others] = nodes.toReversed();
      flooder = liar!.deviceId;
      const { system, refs } = liar!.running;
      const body = encodeRoundsMessage({
        type: "runMembership",
        run: "ab".repeat(32) as RunId,
        joined: true,
        round: 0,
        company: 0,
      });
      for (let tenth = 0; tenth < 10 * SECONDS; tenth++) {
        for (const { deviceId: to } of others) {
          for (let i = 0; i < PER_SECOND / 10; i++) {
            system.tell(refs.sessions, { type: "sendToPeer", to, protocol: "rounds", body });
          }
        }
        await world.advance(100);
      }
    },
  });
  // The check that honest devices stay below their rate has found it, and nothing else went wrong.
  assert.ok(problems.length > 0, "nobody noticed");
  for (const problem of problems) {
    assert.match(problem, new RegExp(`dropped \\d+ messages of ${flooder}`));
  }
});
