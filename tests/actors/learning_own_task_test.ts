/**
 * A task that nothing but its own file knows: moves in positions of Go, with a residual net over 19×19 points and 362 moves. Devices learn it
 * together, and each reports what the task wants measured.
 */
import assert from "node:assert/strict";
import { seededStream } from "../../learning/data/seeded_stream.ts";
import { readSafetensors } from "../../learning/models/safetensors.ts";
import type { Network } from "../../learning/network.ts";
import type { LearningTask } from "../../learning/task.ts";
import type { Dataset } from "../../learning/trainer.ts";
import { referenceOutputs } from "../learning/engine_reference.ts";
import { labelRank } from "../learning/label_rank.ts";
import { finished, mesh, started, valueOf } from "./learning_mesh.ts";

const SIZE = 19;
const POINTS = SIZE * SIZE;
const PLANES = 8;
/** Every point, and to pass. */
const MOVES = POINTS + 1;
const ROUNDS = 2;

const NETWORK: Network = {
  input: { rows: SIZE, columns: SIZE, channels: PLANES },
  layers: [
    { type: "conv", name: "first", size: 5, filters: 8 },
    { type: "relu" },
    {
      type: "residual",
      layers: [
        { type: "conv", name: "inner", size: 3, filters: 8 },
        { type: "relu" },
        { type: "conv", name: "outer", size: 3, filters: 8 },
      ],
    },
    { type: "relu" },
    { type: "conv", name: "heads", size: 1, filters: 2 },
    { type: "relu" },
    { type: "dense", name: "policy", units: MOVES },
  ],
  loss: { type: "crossEntropy", classes: MOVES },
};

/** Positions: stones of both sides, and the last move, which is answered beside it; sometimes by a pass. */
function positions(seed: string, count: number): Dataset {
  const random = seededStream(new Uint8Array(32)).fork(seed);
  const exampleLength = POINTS * PLANES;
  const inputs = new Uint8Array(count * exampleLength);
  // There are more moves than a byte can tell apart.
  const labels = new Float32Array(count);
  for (let i = 0; i < count; i++) {
    const set = (point: number, plane: number) => {
      inputs[i * exampleLength + point * PLANES + plane] = 255;
    };
    for (let stone = 0; stone < 40; stone++) set(random.below(POINTS), stone % 2);
    const last = 30 * (1 + random.below(11));
    set(last, 2);
    labels[i] = random.below(5) === 0 ? POINTS : last + 1;
  }
  return { exampleLength, count, inputs, labels };
}

const GO: LearningTask = {
  name: "go",
  title: { en: "Go", de: "Go" },
  description: { en: "Says where to play next", de: "Sagt, wohin der nächste Stein gehört" },
  defaults: { rounds: ROUNDS, epochs: 4, batchSize: 8, learningRate: 0.02, momentum: 0.9 },
  metrics: [{ type: "topAccuracy", k: 3 }],
  network: () => NETWORK,
  examples: ({ share }) =>
    Promise.resolve({
      training: positions(`games ${share?.index ?? 0}`, 64),
      test: positions("games of masters", 40),
    }),
};

Deno.test("a task of Go is learned like the shipped ones, with its own defaults, and each device reports its top-3 accuracy", async () => {
  const go = await mesh(3, 1_000, [GO]);
  const run = await started(go, { task: "go", participants: { least: 3 } });
  assert.deepEqual(run.plan.local, {
    epochs: 4,
    batchSize: 8,
    learningRate: 0.02,
    momentum: 0.9,
    proximal: null,
  });
  await finished(go, run);
  const rounds = valueOf(await go.ask(1, (learning) => learning.rounds(run.run)));
  const { accuracy, measured } = rounds.find(({ round }) => round === ROUNDS)!;
  const [newest] = valueOf(await go.ask(1, (learning) => learning.models(run.run)));
  assert.deepEqual(newest!.metrics.measured, measured);
  const file = readSafetensors(
    valueOf(await go.ask(1, (learning) => learning.export(newest!.version, "safetensors"))),
  );
  const { inputs, labels, count, exampleLength } = positions("games of masters", 40);
  const ranks = Array.from({ length: count }, (_, i) => {
    const input = inputs.subarray(i * exampleLength, (i + 1) * exampleLength);
    const outputs = referenceOutputs(
      NETWORK,
      file.parameters,
      Float32Array.from(input, (byte) => byte / 255),
    );
    return labelRank(outputs, labels[i]!);
  });
  const within = (k: number) => ranks.filter((rank) => rank < k).length / count;
  assert.deepEqual(measured, { top3Accuracy: within(3) });
  assert.equal(accuracy, within(1));
  assert.ok(within(1) > 10 / MOVES && within(3) > within(1), `${within(1)}, ${within(3)}`);
});

Deno.test("a task whose metrics do not go with its network is refused before a run of it is published", async () => {
  const go = await mesh(2, 1_000, [{ ...GO, metrics: [{ type: "topAccuracy", k: MOVES + 1 }] }]);
  const outcome = await go.ask(0, (learning) => learning.start({ task: "go" }));
  assert.ok(outcome.type === "refused");
  assert.match(outcome.message, /k of topAccuracy is 363, expected an integer from 1 to 362/);
});
