/** A mesh far larger than anyone's home: many households that know a few addresses of each other. */
import type { Cluster } from "../cluster.ts";
import type { SimulatedNode } from "../simulated_node.ts";
import { type Scenario, settleAndCheck } from "./scenario.ts";

/** Devices that hear each other's multicast. */
const HOUSEHOLD = 10;
/** Other households whose address the first devices of a household know. */
const KNOWN_HOUSEHOLDS = 3;
const BLOCKS = 20;

export const crowd: Scenario = {
  name: "crowd",
  purpose: "A mesh of many households shares blocks, is split in two, and comes together again.",
  nodes: 30,
  async play(cluster, nodes) {
    await startCrowd(cluster, nodes);
    const problems = [...await settleAndCheck(cluster)];
    await writeSome(cluster, BLOCKS / 2);
    problems.push(...await settleAndCheck(cluster));
    const half = Math.floor(nodes / 2 / HOUSEHOLD) * HOUSEHOLD;
    const stations = cluster.nodes.map(({ station }) => station);
    cluster.network.partition([stations.slice(0, half), stations.slice(half)]);
    await writeSome(cluster, BLOCKS / 2);
    await cluster.world.advance(5_000);
    cluster.network.heal();
    problems.push(...await settleAndCheck(cluster));
    return problems;
  },
};

/** Starts households that know some of the others, and makes them one mesh. */
async function startCrowd(cluster: Cluster, count: number): Promise<void> {
  const households = Math.ceil(count / HOUSEHOLD);
  const addresses: string[] = [];
  for (let i = 0; i < count; i++) {
    const household = Math.floor(i / HOUSEHOLD);
    const place = i % HOUSEHOLD;
    // A ring of households, so that all hang together, and chance, so that ways are short.
    const known = place === 0 && household > 0
      ? [household - 1]
      : place < KNOWN_HOUSEHOLDS && household > 0
      ? [cluster.random.below(household)]
      : [];
    const node = await cluster.addNode({
      segment: `household ${household}`,
      staticPeers: known.map((other) => addresses[other]!),
    });
    if (place === 0) addresses.push(node.address);
  }
  if (addresses.length !== households) throw new Error("a household has no first device");
  await cluster.world.advance(1_000);
  await cluster.formMesh("submind");
}

async function writeSome(cluster: Cluster, blocks: number): Promise<void> {
  const { nodes, random, world } = cluster;
  for (let i = 0; i < blocks; i++) {
    cluster.publishLater(nodes[random.below(nodes.length)] as SimulatedNode);
    await world.advance(random.float() * 300);
  }
}
