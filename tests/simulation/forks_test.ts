/** A member that writes two logs: everybody ends with the same blocks and the same proof, and then there is silence. */
import assert from "node:assert/strict";
import type { Outcome } from "../../actors/handle.ts";
import { refAt } from "../../actors/kernel/address.ts";
import type { MembersCommand } from "../../actors/members/commands.ts";
import type { BlocksStored } from "../../actors/storage/commands.ts";
import type { Block } from "../../protocols/blocks/block.ts";
import { deviceIdOf, type MeshId } from "../../protocols/ids.ts";
import { converged, differences } from "../../simulation/checkers/convergence.ts";
import { Cluster } from "../../simulation/cluster.ts";
import { startMesh } from "../../simulation/scenarios/calm.ts";
import type { SimulatedNode } from "../../simulation/simulated_node.ts";
import { testBlock, testSigner } from "../protocols/blocks_support.ts";

const liar = testSigner(77);
const liarId = deviceIdOf(liar.publicKey);

/** A branch of the liar's log behind `base`. */
function branch(mesh: MeshId, base: readonly Block[], name: string, count: number): Block[] {
  const blocks = [...base];
  for (let i = 0; i < count; i++) {
    const payload = new TextEncoder().encode(`${name} ${blocks.length}`);
    const previous = blocks.at(-1)?.id ?? null;
    blocks.push(testBlock(liar, { mesh, payload, previous, sequence: blocks.length + 1 }));
  }
  return blocks.slice(base.length);
}

/** Gives blocks to a node as if the liar had sent them. */
function give(node: SimulatedNode, blocks: readonly Block[]): void {
  const replyTo = refAt<BlocksStored>("nobody");
  node.running.system.tell(node.running.refs.storage, {
    type: "storeBlocks",
    blocks,
    receivedFrom: liarId,
    replyTo,
    token: 1,
  });
}

async function meshWithLiar(seed: number) {
  const cluster = new Cluster({ seed });
  await startMesh(cluster, 4);
  const { system, refs } = cluster.nodes[0]!.running;
  const admitted = await cluster.world.wait(
    system.ask<MembersCommand, Outcome<readonly Block[]>>(refs.members, (replyTo) => ({
      type: "admit",
      deviceId: liarId,
      displayName: "liar",
      role: "submind",
      replyTo,
    }), 60_000),
  );
  assert.ok(admitted.type === "answered" && admitted.value.type === "done");
  await cluster.world.advance(5_000);
  return { cluster, mesh: admitted.value.value[0]!.id as MeshId };
}

/** Every block that is part of a proof, with its place. Which of two came first differs from node to node. */
async function proofs(node: SimulatedNode): Promise<readonly string[]> {
  const found = await node.running.store.blocks.equivocations();
  const ids = found.flatMap(({ author, sequence, first, second }) =>
    [first, second].map((id) => `${author} ${sequence} ${id}`)
  );
  return [...new Set(ids)].sort();
}

for (const seed of [1, 2, 3]) {
  Deno.test(`nodes that hold three branches of one log end with equal blocks and proofs, seed ${seed}`, async () => {
    const { cluster, mesh } = await meshWithLiar(seed);
    const { nodes, world } = cluster;
    const base = branch(mesh, [], "base", 5);
    give(nodes[1]!, [...base, ...branch(mesh, base, "first", 1)]);
    give(nodes[2]!, [...base, ...branch(mesh, base, "second", 3)]);
    give(nodes[3]!, [...base, ...branch(mesh, base, "third", 2)]);
    await world.advance(1_000);
    assert.ok(await world.until(() => converged(nodes), 120_000), differences(nodes).join("; "));
    const all = await Promise.all(nodes.map(proofs));
    assert.equal(new Set(all.map((one) => one.join("\n"))).size, 1);
    assert.ok(all[0]!.length >= 1);
    // Nothing is asked again and again.
    await world.advance(60_000);
    const handled = () =>
      nodes.flatMap(({ running }) => running.system.counters())
        .filter(({ path }) => path.endsWith("/sync") || path.endsWith("/gossip"))
        .reduce((sum, counter) => sum + counter.handled, 0);
    const before = handled();
    await world.advance(60_000);
    assert.ok(handled() - before < 150, `${handled() - before} commands in a minute of silence`);
    await Promise.all(nodes.map((node) => node.crash(false)));
  });
}

Deno.test("blocks above a cut-off that some stored before they heard of it do not keep anybody busy", async () => {
  const { cluster, mesh } = await meshWithLiar(4);
  const { nodes, world } = cluster;
  const base = branch(mesh, [], "base", 3);
  for (const node of nodes) give(node, base);
  await world.advance(5_000);
  const { handle } = nodes[0]!;
  // Two more reach one node in the moment in which the liar is revoked elsewhere.
  await world.wait(handle.revokeMember(liarId));
  give(nodes[2]!, branch(mesh, base, "late", 2));
  await world.advance(30_000);
  for (const node of nodes) {
    const peers = await world.wait(node.handle.peers());
    const apart = peers.filter(({ member, inSync }) => member && !inSync);
    assert.deepEqual(apart.map(({ displayName }) => displayName), [], node.name);
  }
  await Promise.all(nodes.map((node) => node.crash(false)));
});
