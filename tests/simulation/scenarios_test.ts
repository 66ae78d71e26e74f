/** Whole nodes in every scenario with a few seeds, and proof that the checkers can fail. */
import assert from "node:assert/strict";
import { disagreements } from "../../simulation/checkers/agreement.ts";
import { converged, differences } from "../../simulation/checkers/convergence.ts";
import { lostAcknowledged, missingAcknowledged } from "../../simulation/checkers/delivery.ts";
import { restless } from "../../simulation/checkers/quiet.ts";
import { Cluster } from "../../simulation/cluster.ts";
import { play } from "../../simulation/play.ts";
import { SCENARIOS } from "../../simulation/scenarios/all.ts";
import { startMesh } from "../../simulation/scenarios/calm.ts";

const SEEDS = [1, 2, 3];
/** In these nobody adds blocks; that their checkers see what is lost is shown in mail_checker_test.ts. */
const MESSAGES_ONLY = /^messages/;

for (const scenario of SCENARIOS) {
  Deno.test(`scenario ${scenario.name}: ${scenario.purpose}`, async () => {
    // Many nodes are slow: their seeds are for the long tests.
    for (const seed of scenario.name.endsWith("crowd") ? [1] : SEEDS) {
      const result = await play({ scenario, seed });
      const replay = `deno task simulate --scenario ${scenario.name} --seeds 1 --seed ${seed}`;
      assert.deepEqual(result.problems, [], replay);
      assert.equal(result.lostAcknowledged, 0, replay);
      const safe = result.acknowledged > 0 || MESSAGES_ONLY.test(scenario.name);
      assert.ok(safe, `nobody was told that a block is safe: ${replay}`);
    }
  });
}

// A device that came back got a block from the one peer that lacked its payload, and asked nobody else.
for (const seed of [214, 291]) {
  Deno.test(`partition_and_crash with seed ${seed} ends with every payload everywhere`, async () => {
    const scenario = SCENARIOS.find(({ name }) => name === "partition_and_crash")!;
    assert.deepEqual((await play({ scenario, seed })).problems, []);
  });
}

// Wrong clocks, devices that left the mesh (1076: a founder, before it had told all), changed groups, and clocks that were set back kept
// messages on their way for ever; what was read while a device started was not told (1145).
for (const seed of [9, 17, 42, 85, 97, 1076, 1145]) {
  Deno.test(`messages with seed ${seed} come to an end`, async () => {
    const scenario = SCENARIOS.find(({ name }) => name === "messages")!;
    assert.deepEqual((await play({ scenario, seed })).problems, []);
  });
}

Deno.test("the caller says how many nodes and rounds a scenario has, or it has its own", async () => {
  const played: unknown[] = [];
  const scenario = {
    name: "asked",
    purpose: "Notes what it was asked for",
    nodes: 3,
    play(_: Cluster, ...asked: unknown[]) {
      played.push(asked);
      return Promise.resolve([]);
    },
  };
  await play({ scenario, seed: 1 });
  await play({ scenario, seed: 1, nodes: 5, rounds: 2 });
  assert.deepEqual(played, [[3, undefined], [5, 2]]);
});

Deno.test("one seed gives one trace, faults included", async () => {
  const scenario = SCENARIOS.find(({ name }) => name === "churn")!;
  const [first, again] = [await play({ scenario, seed: 5 }), await play({ scenario, seed: 5 })];
  assert.deepEqual(first, again);
});

Deno.test("the checkers see a lost block, a missing one, a missing payload and a foreign head", async () => {
  const cluster = new Cluster({ seed: 1 });
  await startMesh(cluster, 3);
  await cluster.world.wait(cluster.publish(cluster.nodes[1]!));
  assert.ok(await cluster.world.until(() => converged(cluster.nodes), 60_000));
  assert.deepEqual(disagreements(cluster.nodes), []);
  const { id } = cluster.acknowledged[0]!;
  const { tables } = cluster.nodes[2]!.disk;

  const stored = tables.blocks.get(id)!;
  stored.block = { ...stored.block, payload: null };
  assert.deepEqual(differences(cluster.nodes), ["n2 lacks 1 payloads of n0 and has 0 more"]);

  tables.blocks.delete(id);
  assert.equal(converged(cluster.nodes), false);
  assert.equal(missingAcknowledged(cluster, cluster.nodes).length, 1);
  assert.equal(lostAcknowledged(cluster).length, 0);

  tables.logs.get(cluster.nodes[1]!.deviceId)!.pop();
  assert.deepEqual(disagreements(cluster.nodes), ["n2 and n0: heads differ"]);

  for (const node of cluster.nodes) node.disk.tables.blocks.delete(id);
  assert.equal(lostAcknowledged(cluster).length, 1);
});

Deno.test("the checker of silence hears nodes that go on talking", async () => {
  const cluster = new Cluster({ seed: 2 });
  await startMesh(cluster, 3);
  await cluster.world.advance(30_000);
  assert.deepEqual(await restless(cluster), []);
  const { world, nodes } = cluster;
  const { system, refs } = nodes[1]!.running;
  const babble = (): void => {
    system.tell(refs.sync, { type: "repairDue" });
    world.after(500, "babble", babble);
  };
  babble();
  assert.match((await restless(cluster)).join(), /^n1 handled \d+ commands in a minute of silence/);
});

Deno.test("a block acknowledged before it is durable is found by losing power", async () => {
  // The same world, but with disks that forget what nobody had heard of as durable: nothing acknowledged may go.
  const cluster = new Cluster({ seed: 9 });
  await startMesh(cluster, 2);
  const [, node] = cluster.nodes;
  await cluster.world.wait(cluster.publish(node!));
  node!.crash(true);
  assert.ok(node!.disk.tables.blocks.has(cluster.acknowledged[0]!.id));
  // Had the disk lied, the checker would say so.
  node!.disk.tables.blocks.delete(cluster.acknowledged[0]!.id);
  cluster.nodes[0]!.disk.tables.blocks.delete(cluster.acknowledged[0]!.id);
  assert.equal(lostAcknowledged(cluster).length, 1);
});
