/** A mesh of simulated nodes that learn to part two clouds of points: what tests of the handle's learning have in common. */
import assert from "node:assert/strict";
import type { Outcome } from "../../actors/handle.ts";
import type { LearningHandle, NewRun, RunView } from "../../actors/learning_handle.ts";
import { ROUNDS_KEPT } from "../../actors/rounds/old_vectors.ts";
import { seededStream } from "../../learning/data/seeded_stream.ts";
import { softmaxRegression } from "../../learning/engine/networks.ts";
import type { LearningTask } from "../../learning/task.ts";
import { Cluster } from "../../simulation/cluster.ts";
import type { SimulatedNode } from "../../simulation/simulated_node.ts";

/** More than a device keeps the vectors of. */
export const ROUNDS = ROUNDS_KEPT + 4;

/** Two clouds of points that a line can part. */
const CLOUDS: LearningTask = {
  name: "clouds",
  title: { en: "Clouds", de: "Wolken" },
  description: { en: "Tells two clouds of points apart", de: "Trennt zwei Punktwolken" },
  defaults: { rounds: ROUNDS, epochs: 1, batchSize: 8, learningRate: 0.5 },
  network: () => softmaxRegression({ inputs: 2, classes: 2 }),
  examples: ({ share }) => {
    const random = seededStream(new Uint8Array(32)).fork(`points ${share?.index ?? 0}`);
    const points = (count: number) => {
      const inputs = new Float32Array(2 * count);
      const labels = Uint8Array.from({ length: count }, (_, i) => i % 2);
      for (let i = 0; i < inputs.length; i++) {
        inputs[i] = (labels[i >> 1] === 0 ? -1 : 1) + random.float() - 0.5;
      }
      return { exampleLength: 2, count, inputs, labels };
    };
    return Promise.resolve({ training: points(40), test: points(40) });
  },
};
/** A task that has no examples anywhere. */
const EMPTY: LearningTask = {
  ...CLOUDS,
  name: "empty",
  examples: () => Promise.resolve({ unavailable: "there is nothing to see" }),
};

/** A task of points with one number more. */
const WIDE: LearningTask = {
  ...CLOUDS,
  name: "wide",
  network: () => softmaxRegression({ inputs: 3, classes: 2 }),
};

/** A task that has as many examples as it is asked for, to be shared out evenly, and cannot have more than 1,000. */
const COUNTED: LearningTask = {
  ...CLOUDS,
  name: "counted",
  examples: ({ options, share }) => {
    const all = Number(options.count ?? 10);
    if (all > 1_000) {
      return Promise.resolve({ unavailable: `${all} are too many`, misfit: true as const });
    }
    const count = Math.floor(all / (share?.count ?? 1));
    if (count < 1) return Promise.resolve({ unavailable: `${all} are too few to share` });
    const dataset = {
      exampleLength: 2,
      count,
      inputs: new Float32Array(2 * count),
      labels: new Uint8Array(count),
    };
    return Promise.resolve({ training: dataset, test: null });
  },
};

/** The value of an outcome that the test expects to be good. */
export function valueOf<T>(outcome: Outcome<T>): T {
  if (outcome.type === "done") return outcome.value;
  throw new Error(outcome.message);
}

/** Nodes of one mesh in virtual time. */
export interface Mesh {
  readonly cluster: Cluster;
  readonly nodes: readonly SimulatedNode[];
  /** Asks the learning of a node, in virtual time. */
  ask<T>(node: number, question: (learning: LearningHandle) => Promise<T>): Promise<T>;
}

/** So many nodes, paired, that know `tasks`; each may spend `epsilonMax`. */
export async function mesh(
  count: number,
  epsilonMax = 1_000,
  tasks: readonly LearningTask[] = [CLOUDS, EMPTY, COUNTED, WIDE],
): Promise<Mesh> {
  const cluster = new Cluster({ seed: "learning of node" });
  for (let i = 0; i < count; i++) {
    await cluster.addNode({ learning: { tasks, epsilonMax } });
  }
  await cluster.formMesh("owner");
  await cluster.world.advance(10_000);
  const { nodes } = cluster;
  return {
    cluster,
    nodes,
    ask: (node, question) => cluster.world.wait(question(nodes[node]!.handle.learning)),
  };
}

/** Starts a run on the first node; the others join. */
export async function started(
  { cluster, nodes, ask }: Mesh,
  wish: Partial<NewRun> = {},
): Promise<RunView> {
  const run = valueOf(await ask(0, (learning) => learning.start({ task: "clouds", ...wish })));
  await cluster.world.advance(3_000);
  for (let i = 1; i < nodes.length; i++) {
    valueOf(await ask(i, (learning) => learning.join(run.run.slice(0, 6))));
  }
  return run;
}

/** Plays until all have finished the run. */
export async function finished({ cluster, nodes, ask }: Mesh, run: RunView): Promise<void> {
  for (let second = 0; second < 300; second++) {
    const states = [];
    for (let i = 0; i < nodes.length; i++) {
      states.push(valueOf(await ask(i, (learning) => learning.run(run.run))).state);
    }
    if (states.every((state) => state === "finished")) {
      // The last round is measured after it is done.
      await cluster.world.advance(5_000);
      return;
    }
    await cluster.world.advance(1_000);
  }
  const view = valueOf(await ask(0, (learning) => learning.run(run.run)));
  assert.fail(`not finished: ${JSON.stringify({ ...view, plan: null })}`);
}
