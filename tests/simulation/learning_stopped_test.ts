/** A run that was stopped stays stopped, whoever stopped it and whoever starts anew. */
import assert from "node:assert/strict";
import { mnistTask } from "../../learning/tasks/mnist.ts";
import { Cluster } from "../../simulation/cluster.ts";

Deno.test("a run that an owner stopped is over on every device that starts anew, before it knows who is an owner, too", async () => {
  const cluster = new Cluster({ seed: "a run stopped by an owner" });
  const { world } = cluster;
  for (let i = 0; i < 3; i++) await cluster.addNode({ learning: { tasks: [mnistTask] } });
  await cluster.formMesh("owner");
  await world.advance(10_000);
  const { nodes } = cluster;
  const started = await world.wait(
    nodes[0]!.handle.learning.start({ task: "mnist", options: { model: "softmax" }, wait: true }),
  );
  assert.ok(started.type === "done");
  const { run } = started.value;
  await world.advance(3_000);
  for (const node of nodes) await world.wait(node.handle.learning.join(run));
  await world.advance(3_000);
  const stopped = await world.wait(nodes[1]!.handle.learning.stop(run));
  assert.equal(stopped.type, "done");
  await world.advance(5_000);
  for (const node of nodes) node.crash(false);
  await world.advance(1_000);
  for (const node of nodes) await node.start();
  await world.advance(10_000);
  for (const node of nodes) {
    const view = await world.wait(node.handle.learning.run(run));
    assert.ok(view.type === "done");
    assert.deepEqual([view.value.state, view.value.joined], ["stopped", false]);
  }
});
