/** Whether nodes that hold the same leave each other alone. */
import type { Cluster } from "../cluster.ts";
import type { SimulatedNode } from "../simulated_node.ts";

/** Commands that the sync and gossip actors of one node may handle per virtual minute when there is nothing to do, for themselves and for each session. */
const COMMANDS_PER_MINUTE = { own: 20, session: 8 };
/** What is on its way when nodes become equal, ms. */
const LAST_WORDS_MS = 30_000;
const MINUTE_MS = 60_000;

/** Lives through a minute and a half in which nobody writes; names the nodes that were busy all the same. Heartbeats of sessions do not count. */
export async function restless(
  cluster: Cluster,
  nodes: readonly SimulatedNode[] = cluster.nodes,
): Promise<readonly string[]> {
  await cluster.world.advance(LAST_WORDS_MS);
  const before = nodes.map(handled);
  await cluster.world.advance(MINUTE_MS);
  return nodes.flatMap((node, i) => {
    const commands = handled(node) - before[i]!;
    const bound = COMMANDS_PER_MINUTE.own + COMMANDS_PER_MINUTE.session * (nodes.length - 1);
    return commands <= bound
      ? []
      : [`${node.name} handled ${commands} commands in a minute of silence, expected <= ${bound}`];
  });
}

function handled(node: SimulatedNode): number {
  return node.running.system.counters()
    .filter(({ path }) => path.endsWith("/sync") || path.endsWith("/gossip"))
    .reduce((sum, counter) => sum + counter.handled, 0);
}
