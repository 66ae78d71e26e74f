/** A run whose updates gather in a buffer, while devices lose power, links break and one is ten times as slow as the others. */
import { type FaultKind, Faults } from "../faults.ts";
import { playLearning } from "./learning.ts";
import type { Scenario } from "./scenario.ts";

const ROUNDS = 60;
/** Faults strike for so long, virtual ms. */
const FAULTS_MS = 40_000;
/** Each task of a device, training among them, takes up to 3 ms times this; of the slow one ten times as long. */
const SLOWNESS = 60;
const SLOW = 10;
const KINDS: readonly FaultKind[] = ["crash", "cut", "partition", "wrongClock", "corruptFrames"];

export const learningBuffered: Scenario = {
  name: "learning_buffered",
  purpose:
    "Devices of different speed learn one model and none waits, while coordinators and others lose power and links break",
  nodes: 5,
  play: (cluster, nodes) =>
    playLearning(cluster, nodes, {
      plan: {
        rounds: ROUNDS,
        strategy: {
          name: "fedBuff",
          numbers: { serverRate: 1, goal: Math.ceil(nodes / 2), stalenessMax: 20 },
        },
        aggregation: { type: "clear", rule: { name: "weightedMean", numbers: {} } },
      },
      async faults(all) {
        for (const { device } of all) device.slowness = SLOWNESS;
        all.at(-1)!.device.slowness = SLOWNESS * SLOW;
        await new Faults(cluster).during(FAULTS_MS, KINDS);
      },
    }),
};
