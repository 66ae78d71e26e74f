/** A device that nobody admitted, and a member that was sent away, on the same network. */
import type { Cluster } from "../cluster.ts";
import type { SimulatedNode } from "../simulated_node.ts";
import { type Scenario, settleAndCheck } from "./scenario.ts";

const BLOCKS = 20;

export const stranger: Scenario = {
  name: "stranger",
  purpose: "Who was not admitted gets no block in and none out; who was revoked gets no more.",
  nodes: 5,
  async play(cluster, nodes) {
    for (let i = 0; i < Math.max(4, nodes); i++) await cluster.addNode();
    await cluster.world.advance(1_000);
    const members = cluster.nodes.slice(0, -1);
    const outsider = cluster.nodes.at(-1)!;
    await cluster.formMesh("submind", members);
    // It has a mesh of its own, and would like to give and take.
    await cluster.world.wait(cluster.publish(outsider));
    await writeSome(cluster, members);
    const problems = [...await settleAndCheck(cluster, members)];
    problems.push(...mixed(outsider, members));

    const founder = members[0]!;
    const revoked = members.at(-1)!;
    const outcome = await cluster.world.wait(founder.handle.revokeMember(revoked.deviceId));
    if (outcome.type === "refused") return [...problems, `cannot revoke: ${outcome.message}`];
    const rest = members.slice(0, -1);
    problems.push(...await settleAndCheck(cluster, rest));
    const before = new Set(revoked.disk.tables.blocks.keys());
    await writeSome(cluster, rest);
    problems.push(...await settleAndCheck(cluster, rest));
    await cluster.world.advance(30_000);
    const after = [...revoked.disk.tables.blocks.keys()].filter((id) => !before.has(id));
    if (after.length > 0) {
      problems.push(`the revoked ${revoked.name} got ${after.length} blocks more`);
    }
    return problems;
  },
};

async function writeSome(cluster: Cluster, members: readonly SimulatedNode[]): Promise<void> {
  for (let i = 0; i < BLOCKS; i++) {
    cluster.publishLater(members[cluster.random.below(members.length)]!);
    await cluster.world.advance(cluster.random.float() * 300);
  }
}

/** Blocks that crossed between the outsider and the members; there must be none. */
function mixed(outsider: SimulatedNode, members: readonly SimulatedNode[]): readonly string[] {
  const outside = [...outsider.disk.tables.blocks.keys()];
  return members.flatMap((member) => {
    const { blocks } = member.disk.tables;
    const leaked = outside.filter((id) => blocks.has(id)).length;
    return leaked === 0
      ? []
      : [`${leaked} blocks crossed between ${outsider.name} and ${member.name}`];
  });
}
