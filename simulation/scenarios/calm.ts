/** Nothing goes wrong: the baseline that every other scenario builds on. */
import type { Cluster } from "../cluster.ts";
import { type Scenario, settleAndCheck } from "./scenario.ts";

const BLOCKS = 40;

export const calm: Scenario = {
  name: "calm",
  purpose: "Members share blocks over a quiet network and end up with the same ones.",
  nodes: 5,
  async play(cluster, nodes) {
    await startMesh(cluster, nodes);
    for (let i = 0; i < BLOCKS; i++) {
      cluster.publishLater(cluster.anyNodeUp()!);
      await cluster.world.advance(cluster.random.float() * 200);
    }
    return await settleAndCheck(cluster);
  },
};

/** Starts `count` nodes and makes them one mesh. */
export async function startMesh(cluster: Cluster, count: number): Promise<void> {
  for (let i = 0; i < count; i++) await cluster.addNode();
  await cluster.world.advance(1_000);
  await cluster.formMesh();
}
