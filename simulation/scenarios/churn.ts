/** Devices come and go all the time, as phones do. */
import { Faults } from "../faults.ts";
import { startMesh } from "./calm.ts";
import { type Scenario, settleAndCheck } from "./scenario.ts";

const ROUNDS = 40;

export const churn: Scenario = {
  name: "churn",
  purpose: "Blocks reach everyone although half of the devices are away at any time.",
  nodes: 6,
  async play(cluster, nodes) {
    await startMesh(cluster, nodes);
    const faults = new Faults(cluster);
    for (let round = 0; round < ROUNDS; round++) {
      const node = cluster.anyNodeUp();
      if (node !== undefined) {
        const chance = cluster.random.below(4);
        if (chance < 2) cluster.publishLater(node);
        // Half of those who go say goodbye, the others just vanish.
        else if (chance === 2) await cluster.world.wait(node.handle.stop());
        else node.crash(cluster.random.below(2) === 0);
      }
      await cluster.world.advance(cluster.random.float() * 4_000);
      await faults.restartSome(0.35);
    }
    await faults.end();
    return await settleAndCheck(cluster);
  },
};
