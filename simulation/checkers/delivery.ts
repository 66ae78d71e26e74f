/** Whether anything was lost that a user was told to be safe. */
import type { Acknowledged, Cluster } from "../cluster.ts";
import type { SimulatedNode } from "../simulated_node.ts";

/** Blocks acknowledged by one of `nodes` that another of them does not hold. Demand none after faults have ended and nodes had time. */
export function missingAcknowledged(
  cluster: Cluster,
  nodes: readonly SimulatedNode[],
): readonly Acknowledged[] {
  const names = new Set(nodes.map(({ name }) => name));
  return cluster.acknowledged.filter(({ id, node }) =>
    names.has(node) && nodes.some(({ disk }) => !disk.tables.blocks.has(id))
  );
}

/** Acknowledged blocks that no node holds: nothing brings them back. */
export function lostAcknowledged(cluster: Cluster): readonly Acknowledged[] {
  return cluster.acknowledged.filter(({ id }) =>
    !cluster.nodes.some((node) => node.disk.tables.blocks.has(id))
  );
}
