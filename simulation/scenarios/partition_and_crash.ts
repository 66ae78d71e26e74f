/** Everything that can go wrong on the way of a block goes wrong, while users keep writing. */
import { FAULT_KINDS, Faults } from "../faults.ts";
import { startMesh } from "./calm.ts";
import { type Scenario, settleAndCheck } from "./scenario.ts";

const ROUNDS = 30;

export const partitionAndCrash: Scenario = {
  name: "partition_and_crash",
  purpose: "No acknowledged block is lost over partitions, crashes, bad disks, clocks and frames.",
  nodes: 5,
  async play(cluster, nodes) {
    await startMesh(cluster, nodes);
    const faults = new Faults(cluster);
    for (let round = 0; round < ROUNDS; round++) {
      for (let i = cluster.random.below(4); i > 0; i--) {
        const node = cluster.anyNodeUp();
        if (node !== undefined) cluster.publishLater(node);
      }
      if (cluster.random.below(3) === 0) faults.inject(FAULT_KINDS);
      if (cluster.random.below(6) === 0) faults.heal();
      await cluster.world.advance(cluster.random.float() * 3_000);
      await faults.restartSome(0.2);
    }
    await faults.end();
    const problems = await settleAndCheck(cluster);
    return problems.length === 0
      ? []
      : [...problems, ...faults.history.map((line) => `fault: ${line}`)];
  },
};
