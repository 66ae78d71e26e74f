/** Bodies that are cut into chunks, on a network that breaks while they travel. */
import { Faults } from "../faults.ts";
import { startMesh } from "./calm.ts";
import { type Scenario, settleAndCheck } from "./scenario.ts";

const BODIES = 6;
const BODY_BYTES_MAX = 1_500_000;

export const largeBodies: Scenario = {
  name: "large_bodies",
  purpose: "Large bodies arrive whole over links that are cut in the middle.",
  nodes: 4,
  async play(cluster, nodes) {
    await startMesh(cluster, nodes);
    const faults = new Faults(cluster);
    for (let i = 0; i < BODIES; i++) {
      const node = cluster.anyNodeUp();
      if (node !== undefined) {
        const body = bytes(cluster.random.below(BODY_BYTES_MAX), cluster.random.uint32());
        cluster.publishLater(node, { body, mediaType: "application/octet-stream" });
      }
      await cluster.world.advance(cluster.random.float() * 1_500);
      if (cluster.random.below(2) === 0) faults.inject(["cut", "crash", "slowDisk"]);
      await cluster.world.advance(cluster.random.float() * 5_000);
      if (cluster.random.below(2) === 0) faults.heal();
      await faults.restartSome(0.5);
    }
    await faults.end();
    return await settleAndCheck(cluster);
  },
};

/** Bytes that differ from place to place, so that no two chunks are equal. */
function bytes(count: number, seed: number): Uint8Array {
  const body = new Uint8Array(count);
  const view = new DataView(body.buffer);
  for (let i = 0; i + 8 <= count; i += 8) {
    view.setUint32(i, seed);
    view.setUint32(i + 4, i);
  }
  return body;
}
