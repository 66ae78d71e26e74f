/** A run on a grid as the node's views show it: started by name, its numbers, each device's own versions, and what can be verified of them. */
import assert from "node:assert/strict";
import type { Outcome } from "../../actors/handle.ts";
import type { LearningHandle } from "../../actors/learning_handle.ts";
import type { LearningTask } from "../../learning/task.ts";
import { Cluster } from "../../simulation/cluster.ts";
import { CLOUDS } from "../../simulation/scenarios/learning.ts";

const NODES = 4;
const ROUNDS = 6;

function valueOf<T>(outcome: Outcome<T>): T {
  if (outcome.type === "done") return outcome.value;
  throw new Error(outcome.message);
}

Deno.test("a run on a grid shows each device its own rounds and versions, and in the end what all have published", async () => {
  const cluster = new Cluster({ seed: "grid views" });
  const { world, nodes } = cluster;
  const task: LearningTask = { ...CLOUDS, metrics: [{ type: "topAccuracy", k: 1 }] };
  for (let i = 0; i < NODES; i++) await cluster.addNode({ learning: { tasks: [task] } });
  await cluster.formMesh("owner");
  await world.advance(10_000);
  const ask = <T>(node: number, question: (learning: LearningHandle) => Promise<T>) =>
    world.wait(question(nodes[node]!.handle.learning));
  const started = valueOf(
    await ask(0, (learning) =>
      learning.start({
        task: "clouds",
        aggregation: "grid",
        grid: { side: 2 },
        rounds: ROUNDS,
        share: { kind: "iid" },
        participants: { least: NODES },
      })),
  );
  const { run } = started;
  assert.deepEqual(started.plan.aggregation, {
    type: "grid",
    dimensions: 2,
    side: 2,
    rule: { name: "weightedMean", numbers: {} },
  });
  await world.advance(3_000);
  for (let i = 1; i < NODES; i++) valueOf(await ask(i, (learning) => learning.join(run)));
  const view = async () => valueOf(await ask(1, (learning) => learning.run(run)));
  while ((await view()).round < 2) await world.advance(50);
  const under = await view();
  assert.equal(under.coordinator, null);
  assert.equal(under.state, "running");
  // Nothing is published yet: the version of now is this device's own, and can be used all the same.
  const own = valueOf(await ask(1, (learning) => learning.model(under.version!)));
  assert.deepEqual([own.here, own.block, own.round], [true, null, under.round]);
  assert.equal(
    (await ask(1, (learning) => learning.export(own.version, "safetensors"))).type,
    "done",
  );
  assert.equal((await ask(1, (learning) => learning.verify(own.version))).type, "refused");
  valueOf(await ask(1, (learning) => learning.start({ task: "clouds", startFrom: own.version })));
  while ((await view()).state !== "finished") await world.advance(500);
  const origin = valueOf(await ask(1, (learning) => learning.model(own.version)));
  assert.ok(origin.here, "where another run begins stays");
  await world.advance(30_000);
  const rounds = valueOf(await ask(1, (learning) => learning.rounds(run)));
  assert.deepEqual(
    rounds.map(({ round }) => round),
    Array.from({ length: ROUNDS }, (_, i) => i + 1),
  );
  assert.ok(
    rounds.every(({ counted, coordinator }) => counted >= 3 && coordinator === nodes[1]!.deviceId),
  );
  const models = valueOf(await ask(1, (learning) => learning.models(run)));
  assert.deepEqual(models.map(({ round }) => round), [ROUNDS, 0], "all have come to one version");
  assert.equal(models[0]!.here && models[0]!.current, true);
  const { accuracy, measured } = models[0]!.metrics;
  assert.ok(accuracy! > 0.9);
  assert.deepEqual(measured, { top1Accuracy: accuracy });
  const verified = valueOf(await ask(1, (learning) => learning.verify(models[0]!.version)));
  assert.equal(verified.valid, true);
  assert.deepEqual(verified.checks.map(({ check }) => check), ["participants", "signatures"]);
  const [summary] = [...nodes].map((node) =>
    [...node.disk.tables.blocks.values()].filter(({ block }) =>
      block.header.mediaType.includes("round-result")
    ).length
  );
  assert.equal(summary, NODES, "every device has published once");
});
