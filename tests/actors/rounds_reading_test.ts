/** Results of hundreds of devices are larger than a block: they come in parts, and are read when all of them are here. */
import assert from "node:assert/strict";
import type { RunSummary } from "../../actors/rounds/commands.ts";
import { softmaxRegression } from "../../learning/engine/networks.ts";
import { LEARNING_TOPIC } from "../../learning/runs/plan_codec.ts";
import { encodeResult, RESULT_MEDIA_TYPE, type RoundResult } from "../../learning/runs/result.ts";
import type { LearningTask } from "../../learning/task.ts";
import { type ContentHash, type DeviceId, deviceIdOf } from "../../protocols/ids.ts";
import { Cluster } from "../../simulation/cluster.ts";
import { askRounds } from "../../simulation/scenarios/learning.ts";
import type { SimulatedNode } from "../../simulation/simulated_node.ts";

const DEVICES = 500;
const TASK: LearningTask = {
  name: "nothing",
  title: { en: "Nothing", de: "Nichts" },
  description: { en: "Learns nothing", de: "Lernt nichts" },
  defaults: { rounds: 9, epochs: 1, batchSize: 1, learningRate: 1 },
  network: () => softmaxRegression({ inputs: 1, classes: 2 }),
  examples: () => Promise.resolve({ unavailable: "there is nothing" }),
};

/** A result by hundreds of devices; nobody has checked it. */
function largeResult(run: RoundResult["run"]): RoundResult {
  const key = (i: number) => {
    const bytes = new Uint8Array(32);
    new DataView(bytes.buffer).setUint32(0, i);
    return bytes;
  };
  const devices: DeviceId[] = Array.from({ length: DEVICES }, (_, i) => deviceIdOf(key(i))).sort();
  const hash = (i: number) => key(i).toHex() as ContentHash;
  return {
    version: 1,
    run,
    round: 1,
    term: 0,
    attempt: 1,
    parent: hash(1),
    result: hash(2),
    state: null,
    aggregate: { hash: hash(3), bytes: 16 },
    submissions: devices.map((device, i) => ({
      device,
      commitment: hash(i),
      weight: 1,
      signature: new Uint8Array(64).fill(i),
    })),
    sums: [],
    counts: { called: DEVICES, ready: DEVICES, dropped: 0, refused: 0 },
    durationMs: 1_000,
    updateBytes: 16,
  };
}

Deno.test("a result in many parts is known to every device, also to one that starts again", async () => {
  const cluster = new Cluster({ seed: "large results" });
  for (let i = 0; i < 3; i++) await cluster.addNode({ learning: { tasks: [TASK] } });
  await cluster.formMesh("owner");
  const { world, nodes } = cluster;
  await world.advance(10_000);
  const { learning } = nodes[0]!.handle;
  // Nobody has anything to learn from here: only the results are looked at.
  const started = await world.wait(learning.start({ task: TASK.name, wait: true }));
  assert.ok(started.type === "done");
  const { run } = started.value;
  await world.wait(learning.leave(run));
  const large = largeResult(run);
  assert.ok(encodeResult(large).length > 64 * 1024);
  // Of a run of nine rounds there is no tenth, whoever says so.
  for (const result of [large, { ...large, round: TASK.defaults.rounds + 1 }]) {
    await world.wait(cluster.publish(nodes[0]!, {
      kind: "model",
      topic: LEARNING_TOPIC,
      tags: [run],
      mediaType: RESULT_MEDIA_TYPE,
      body: encodeResult(result),
    }));
  }
  const countOn = async (node: SimulatedNode) => {
    const runs = await world.wait(
      askRounds<readonly RunSummary[]>(node, (replyTo) => ({ type: "listRuns", replyTo })),
    );
    return runs.find((one) => one.run === run)?.results.map(({ result }) =>
      result.submissions.length
    );
  };
  await world.advance(20_000);
  for (const node of nodes) assert.deepEqual(await countOn(node), [DEVICES], node.name);
  nodes[1]!.crash(false);
  await world.advance(1_000);
  await nodes[1]!.start();
  await world.advance(5_000);
  assert.deepEqual(await countOn(nodes[1]!), [DEVICES]);
});
