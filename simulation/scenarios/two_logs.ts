/** A member that cheats, or whose disk was put back by hand: it uses places of its log twice. */
import { disagreements } from "../checkers/agreement.ts";
import { converged, differences } from "../checkers/convergence.ts";
import { restless } from "../checkers/quiet.ts";
import type { Cluster } from "../cluster.ts";
import { Faults } from "../faults.ts";
import type { SimulatedNode } from "../simulated_node.ts";
import { startMesh } from "./calm.ts";
import { CONVERGENCE_MS, type Scenario } from "./scenario.ts";

const ROUNDS = 12;
/** In this round an old copy of the cheater's disk is taken, and in that one it is put back. */
const COPIED_IN = 3;
const PUT_BACK_IN = 7;

export const twoLogs: Scenario = {
  name: "two_logs",
  purpose:
    "When a member writes two logs, everybody ends with both, with the same proof, and then rests.",
  nodes: 4,
  async play(cluster, nodes) {
    await startMesh(cluster, nodes);
    const faults = new Faults(cluster);
    const cheater = cluster.nodes[1 + cluster.random.below(nodes - 1)]!;
    for (let round = 0; round < ROUNDS; round++) {
      if (round === COPIED_IN) await keepOldDisk(cluster, cheater);
      if (round === PUT_BACK_IN) await faults.equivocate(cheater);
      for (const node of cluster.nodes) {
        if (node.isUp && cluster.random.below(2) === 0) cluster.publishLater(node);
      }
      if (cheater.isUp) cluster.publishLater(cheater);
      if (cluster.random.below(3) === 0) faults.inject(["partition", "cut", "slowDisk"]);
      await cluster.world.advance(cluster.random.float() * 2_000);
      if (cluster.random.below(3) === 0) faults.heal();
    }
    await faults.end();
    return await settleWithProof(cluster, cheater);
  },
};

async function keepOldDisk(cluster: Cluster, cheater: SimulatedNode): Promise<void> {
  // Whatever it has written is with others: its user loses nothing by the old copy but what comes later.
  await cluster.world.until(() => converged(cluster.nodes), 10_000);
  await cheater.keepOldDisk();
}

/** Which of two blocks counts may differ from node to node, so heads are not compared; blocks and proofs are. */
async function settleWithProof(
  cluster: Cluster,
  cheater: SimulatedNode,
): Promise<readonly string[]> {
  const { nodes, world } = cluster;
  if (!await world.until(() => converged(nodes), CONVERGENCE_MS, 500)) return differences(nodes);
  const problems = [...await restless(cluster)];
  const proofs = await Promise.all(nodes.map(proofOf));
  // It may have heard of its newer blocks before it wrote again: then there is nothing to prove.
  const lied = wroteTwice(nodes[0]!, cheater);
  for (const [i, node] of nodes.entries()) {
    if (lied !== proofs[i]!.some((line) => line.startsWith(cheater.deviceId))) {
      problems.push(`${node.name} has ${lied ? "no proof" : "a proof of nothing"}`);
    } else if (proofs[i]!.join() !== proofs[0]!.join()) {
      problems.push(`${node.name} and ${nodes[0]!.name}: proofs differ`);
    }
  }
  const registries = disagreements(nodes).filter((line) => line.includes("registry"));
  return [...problems, ...registries];
}

function wroteTwice(node: SimulatedNode, author: SimulatedNode): boolean {
  const blocks = [...node.disk.tables.blocks.values()].map(({ block: { header } }) => header)
    .filter((header) => header.author === author.deviceId);
  return new Set(blocks.map(({ sequence }) => sequence)).size < blocks.length;
}

/** Every block that is part of a proof, with its place. */
async function proofOf(node: SimulatedNode): Promise<readonly string[]> {
  const found = await node.running.store.blocks.equivocations();
  const lines = found.flatMap(({ author, sequence, first, second }) =>
    [first, second].map((id) => `${author} ${sequence} ${id}`)
  );
  return [...new Set(lines)].sort();
}
