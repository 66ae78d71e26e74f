/** What a scenario is, and how every one of them ends: faults stop, then the nodes must come to agree. */
import { disagreements } from "../checkers/agreement.ts";
import { converged, differences } from "../checkers/convergence.ts";
import { missingAcknowledged } from "../checkers/delivery.ts";
import type { Cluster } from "../cluster.ts";
import type { SimulatedNode } from "../simulated_node.ts";

export interface Scenario {
  readonly name: string;
  /** What it shows, in one sentence. */
  readonly purpose: string;
  /** How many nodes unless the caller says otherwise. */
  readonly nodes: number;
  /**
   * Plays in a fresh cluster. Returns what was wrong, in words; empty when all went well. `rounds`: of learning, where the scenario lets the caller say how
   * many; default its own number.
   */
  play(cluster: Cluster, nodes: number, rounds?: number): Promise<readonly string[]>;
}

/** How long nodes may need to become equal after the last fault, virtual ms. Sessions back off up to a minute. */
export const CONVERGENCE_MS = 300_000;

/** Waits until `nodes` hold the same, then runs every checker on them. */
export async function settleAndCheck(
  cluster: Cluster,
  nodes: readonly SimulatedNode[] = cluster.nodes,
): Promise<readonly string[]> {
  const equal = () => converged(nodes) && disagreements(nodes).length === 0;
  if (await cluster.world.until(equal, CONVERGENCE_MS, 500)) {
    const missing = missingAcknowledged(cluster, nodes);
    return missing.map(({ id, node }) => `block ${id} that ${node} acknowledged is missing`);
  }
  return [
    ...differences(nodes),
    ...disagreements(nodes),
    ...missingAcknowledged(cluster, nodes).map(({ id, node }) =>
      `block ${id} that ${node} acknowledged is missing`
    ),
  ];
}
