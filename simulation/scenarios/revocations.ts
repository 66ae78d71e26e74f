/** Owners change the registry at the same time in different places, while disks fill up and networks fall apart. */
import { disagreements } from "../checkers/agreement.ts";
import type { Cluster } from "../cluster.ts";
import { validateBlock } from "../../protocols/blocks/validate.ts";
import type { BlockId } from "../../protocols/ids.ts";
import { Faults } from "../faults.ts";
import type { SimulatedNode } from "../simulated_node.ts";
import { startMesh } from "./calm.ts";
import { CONVERGENCE_MS, type Scenario } from "./scenario.ts";

const ROUNDS = 25;

export const revocations: Scenario = {
  name: "revocations",
  purpose:
    "Owners rename, demote and revoke at once, apart from each other, and end with one view.",
  nodes: 6,
  async play(cluster, nodes) {
    await startMesh(cluster, nodes);
    const faults = new Faults(cluster);
    const founder = cluster.nodes[0]!;
    // A second owner: two may contradict each other.
    const second = cluster.nodes[1]!;
    await cluster.world.wait(founder.handle.updateMember(second.deviceId, { role: "owner" }));
    for (let round = 0; round < ROUNDS; round++) {
      const writer = cluster.anyNodeUp();
      if (writer !== undefined) cluster.publishLater(writer);
      if (cluster.random.below(3) === 0) changeSomething(cluster, [founder, second]);
      if (cluster.random.below(3) === 0) {
        faults.inject(["partition", "cut", "fullDisk", "crash", "corruptRow", "wrongClock"]);
      }
      if (cluster.random.below(5) === 0) faults.heal();
      await cluster.world.advance(cluster.random.float() * 2_000);
      await faults.restartSome(0.3);
    }
    await faults.end();
    return await settle(cluster, founder);
  },
};

function changeSomething(cluster: Cluster, owners: readonly SimulatedNode[]): void {
  const { random, nodes } = cluster;
  const owner = owners[random.below(owners.length)]!;
  if (!owner.isUp) return;
  // The founder stays: somebody must be left to compare with.
  const member = nodes[1 + random.below(nodes.length - 1)]!;
  const answer = random.below(4) === 0
    ? owner.handle.revokeMember(member.deviceId)
    : random.below(2) === 0
    ? owner.handle.updateMember(member.deviceId, { displayName: `name ${random.below(1_000)}` })
    : owner.handle.updateMember(member.deviceId, {
      role: random.below(2) === 0 ? "guest" : "submind",
    });
  answer.catch(() => {});
}

/** Whoever is a member for the founder must come to agree with it: on the registry and on every block that counts. */
async function settle(cluster: Cluster, founder: SimulatedNode): Promise<readonly string[]> {
  const members = () =>
    cluster.nodes.filter(({ deviceId }) =>
      founder.registry?.members.get(deviceId)?.revoked === false
    );
  const problems = () => {
    const nodes = members();
    const registry = disagreements(nodes).filter((line) => line.includes("registry"));
    return [...registry, ...nodes.flatMap((node) => lacking(founder, node))];
  };
  const ended = await cluster.world.until(() => problems().length === 0, CONVERGENCE_MS, 500);
  return ended ? [] : problems();
}

/** Blocks that count and that only one of two nodes holds. */
function lacking(a: SimulatedNode, b: SimulatedNode): readonly string[] {
  const [theirs, ours] = [missingFrom(a, b), missingFrom(b, a)];
  if (theirs + ours === 0) return [];
  return [`${b.name} lacks ${theirs} blocks of ${a.name}, which lacks ${ours} of it`];
}

/** What `from` holds and `to` does not, as far as it counts. */
function missingFrom(from: SimulatedNode, to: SimulatedNode): number {
  const { registry, disk: { tables } } = from;
  const find = (id: BlockId) => tables.blocks.get(id)?.block;
  let missing = 0;
  for (const log of tables.logs.values()) {
    for (const id of log) {
      const block = find(id);
      // Who took a block before it heard that its author might not write it has more of that log than others, from there on.
      if (block === undefined || validateBlock(block, { registry, find }).type !== "valid") break;
      if (!to.disk.tables.blocks.has(id)) missing++;
    }
  }
  return missing;
}
