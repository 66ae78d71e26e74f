/** Whoever was away, came late or never took part verifies a version all the same: what is missing comes from others, and nothing of it stays. */
import assert from "node:assert/strict";
import type { NewRun, RunView } from "../../actors/learning_handle.ts";
import type { ContentHash } from "../../protocols/ids.ts";
import type { SimulatedNode } from "../../simulation/simulated_node.ts";
import { type Mesh, mesh, valueOf } from "../actors/learning_mesh.ts";

const ROUNDS = 8;

/** A run among the first of the nodes; the others have not joined it. */
async function begun(
  all: Mesh,
  joining: readonly number[],
  wish: Partial<NewRun> = {},
): Promise<RunView> {
  const run = valueOf(
    await all.ask(
      0,
      (learning) =>
        learning.start({ task: "clouds", rounds: ROUNDS, participants: { least: 3 }, ...wish }),
    ),
  );
  await all.cluster.world.advance(3_000);
  for (const node of joining) valueOf(await all.ask(node, (learning) => learning.join(run.run)));
  return run;
}

/** Plays until the first node has done so many rounds. */
async function untilRound({ cluster, ask }: Mesh, run: RunView, round: number): Promise<void> {
  for (let step = 0; step < 1_000; step++) {
    if (valueOf(await ask(0, (learning) => learning.run(run.run))).round >= round) return;
    await cluster.world.advance(200);
  }
  assert.fail(`round ${round} did not come`);
}

/** A mesh of four, of which the last was off from round 3 to the end and has come back since. */
async function backAgain(wish: Partial<NewRun> = {}) {
  const all = await mesh(4);
  const { cluster, ask, nodes } = all;
  const run = await begun(all, [1, 2, 3], wish);
  await untilRound(all, run, 3);
  nodes[3]!.crash(false);
  await untilRound(all, run, ROUNDS);
  await nodes[3]!.start();
  await cluster.world.advance(30_000);
  const newest = valueOf(await ask(3, (learning) => learning.models(run.run)))[0]!;
  assert.deepEqual([newest.round, newest.here, newest.verified], [ROUNDS, true, "unchecked"]);
  return { all, run, newest };
}

/** What the disk of a node holds, by name. */
function heldBy({ nodes }: Mesh, node: number): readonly ContentHash[] {
  return [...nodes[node]!.vectors.keys()].sort();
}

Deno.test("a device that was off for the last rounds verifies the version that it took over whole, and keeps nothing of what that took", async () => {
  const { all, newest } = await backAgain();
  const { ask } = all;
  const before = heldBy(all, 3);
  assert.ok(!before.includes(newest.parent!));
  const found = valueOf(await ask(3, (learning) => learning.verify(newest.version)));
  assert.equal(found.valid, true);
  assert.equal(found.checks.at(-1)!.check, "version");
  const { verified } = valueOf(await ask(3, (learning) => learning.model(newest.version)));
  assert.equal(verified, "valid");
  assert.deepEqual(heldBy(all, 3), before);
});

Deno.test("of a vector that somebody sends falsely another device is asked, and where nobody is honest it is said who was asked", async () => {
  const { all, newest } = await backAgain();
  const { ask, nodes, cluster } = all;
  const parent = newest.parent!;
  // The author is asked first, then the others by their ids: the honest one comes last.
  const [honest, ...liars] = nodes.slice(0, 3).toSorted((a, b) =>
    Number(a.deviceId === newest.coordinator) - Number(b.deviceId === newest.coordinator) ||
    (a.deviceId < b.deviceId ? 1 : -1)
  );
  const wrong = honest!.vectors.get(parent)!.map((byte) => byte ^ 1);
  for (const node of liars) {
    // What it has handed out before is in memory until it starts anew.
    node.crash(false);
    node.vectors.set(parent, wrong);
    await node.start();
  }
  await cluster.world.advance(30_000);
  assert.equal(valueOf(await ask(3, (learning) => learning.verify(newest.version))).valid, true);

  honest!.crash(false);
  honest!.vectors.delete(parent);
  await honest!.start();
  await cluster.world.advance(30_000);
  const refused = await ask(3, (learning) => learning.verify(newest.version));
  assert.ok(refused.type === "refused");
  assert.equal(refused.reason, "unavailable");
  assert.match(refused.message, new RegExp(`Cannot verify round ${ROUNDS}: its parent `));
  const said = (node: SimulatedNode, what: string) =>
    assert.ok(
      refused.message.includes(`${node.deviceId.slice(0, 8)} ${what}`),
      refused.message,
    );
  for (const node of liars) said(node, "sent something else");
  said(honest!, "has not kept it");
  assert.match(refused.message, /it was valid when this device took it/);
});

Deno.test("with nobody of the run connected it is said what is missing", async () => {
  const { all, newest } = await backAgain();
  for (const node of [0, 1, 2]) all.nodes[node]!.crash(false);
  await all.cluster.world.advance(60_000);
  const refused = await all.ask(3, (learning) => learning.verify(newest.version));
  assert.ok(refused.type === "refused");
  assert.match(
    refused.message,
    /its parent \w+ is not on this device, and no other device that may learn/,
  );
});

Deno.test("a device that joined late, one that has left and one that never took part verify every version whose vectors others keep", async () => {
  const all = await mesh(5);
  const { cluster, ask } = all;
  const run = await begun(all, [1, 2]);
  await untilRound(all, run, 3);
  valueOf(await ask(3, (learning) => learning.join(run.run)));
  await untilRound(all, run, 5);
  valueOf(await ask(1, (learning) => learning.leave(run.run)));
  await untilRound(all, run, ROUNDS);
  await cluster.world.advance(5_000);
  for (const [node, who] of [[3, "late"], [1, "left"], [4, "never"]] as const) {
    const models = valueOf(await ask(node, (learning) => learning.models(run.run)));
    assert.equal(models.length, ROUNDS + 1);
    for (const { version, round } of models) {
      const { valid } = valueOf(await ask(node, (learning) => learning.verify(version)));
      assert.ok(valid, `${who}, round ${round}`);
    }
    const seen = valueOf(await ask(node, (learning) => learning.models(run.run)));
    assert.ok(seen.slice(0, -1).every(({ verified }) => verified === "valid"), who);
  }
  assert.deepEqual(heldBy(all, 4), []);
});

Deno.test("of a run that was stopped, and of one that has been left by all, versions still verify on whoever never took part", async () => {
  for (const end of ["stopped", "left"] as const) {
    const all = await mesh(4);
    const { cluster, ask } = all;
    const run = await begun(all, [1, 2]);
    await untilRound(all, run, 4);
    if (end === "stopped") valueOf(await ask(0, (learning) => learning.stop(run.run)));
    else {
      for (const node of [0, 1, 2]) valueOf(await ask(node, (learning) => learning.leave(run.run)));
    }
    await cluster.world.advance(10_000);
    const [newest] = valueOf(await ask(3, (learning) => learning.models(run.run)));
    assert.ok(newest!.round >= 4);
    const found = valueOf(await ask(3, (learning) => learning.verify(newest!.version)));
    assert.ok(found.valid, end);
    assert.deepEqual(heldBy(all, 3), []);
    // Who handed it out gives its memory back, and begins again when it is asked again.
    await cluster.world.advance(60_000);
    assert.ok(valueOf(await ask(3, (learning) => learning.verify(newest!.version))).valid, end);
  }
});

Deno.test("what an optimiser remembers is fetched, too, in the clear as well as in sums", async () => {
  const strategy = { name: "fedAvgM", numbers: { serverRate: 0.5, momentum: 0.8 } } as const;
  for (const aggregation of ["clear", "secure"] as const) {
    const { all, newest } = await backAgain({ strategy, aggregation });
    // It took over the newest one's, and needs that of the one before.
    const before = heldBy(all, 3);
    const found = valueOf(await all.ask(3, (learning) => learning.verify(newest.version)));
    assert.ok(found.valid, aggregation);
    assert.deepEqual(heldBy(all, 3), before);
  }
});

Deno.test("a member without the permission to learn is told that it gets nothing of a model", async () => {
  const { all, newest } = await backAgain();
  const { cluster, nodes } = all;
  const { deviceId } = nodes[3]!;
  const { permissions } = (await cluster.world.wait(nodes[0]!.handle.members()))
    .find((member) => member.deviceId === deviceId)!;
  const left = permissions.filter((one) => one !== "learn.join");
  valueOf(
    await cluster.world.wait(nodes[0]!.handle.updateMember(deviceId, { permissions: left })),
  );
  await cluster.world.advance(10_000);
  const refused = await all.ask(3, (learning) => learning.verify(newest.version));
  assert.ok(refused.type === "refused");
  assert.equal(refused.reason, "notPermitted");
  assert.match(refused.message, /learn\.join/);
});
