/** The loss of a device's own training stands beside the round that it trained for, and beside no other. */
import assert from "node:assert/strict";
import { TestActor } from "../../../actors/kernel/testkit.ts";
import type { CommittedResult } from "../../../actors/rounds/commands.ts";
import { softmaxRegression } from "../../../learning/engine/networks.ts";
import { opened, secureRound } from "../../learning/proof_support.ts";
import { openedRun, parent } from "./run_actor.ts";
import { registryOf, self } from "./support.ts";

const network = softmaxRegression({ inputs: 2, classes: 2 });
const { result } = secureRound(network, 4);

Deno.test("a round that this device has not trained for has no loss of its own", () => {
  const actor = openedRun(opened(network), { registry: registryOf([self]), fresh: false });
  const trainings = actor.state.trainings;
  for (const [round, loss] of [[5, 0.5], [7, 0.7]] as const) {
    trainings.set(round, { loss, compressionError: null });
  }
  const lossOf = (round: number) => {
    const committed = { block: "", author: self, atMs: 0, result: { ...result, round } };
    const effects = actor.tell({
      type: "evaluated",
      committed: committed as unknown as CommittedResult,
      outcome: { ok: true, value: null },
    });
    const measured = TestActor.sentTo(effects, parent)
      .find((one) => one.type === "roundMeasured");
    return measured?.metrics.trainingLoss;
  };
  assert.deepEqual([5, 6, 7, 8].map(lossOf), [0.5, null, 0.7, null]);
  assert.equal(trainings.size, 0);
});
