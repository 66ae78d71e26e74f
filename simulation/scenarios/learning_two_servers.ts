/**
 * Devices learn one model by sums with a second party while coordinators, second parties and others lose power and links break. In the end all hold the
 * same version of the last round, and it has learned.
 */
import { Faults } from "../faults.ts";
import { LEARNING_FAULTS, playLearning } from "./learning.ts";
import type { Scenario } from "./scenario.ts";

const ROUNDS = 40;
/** Faults strike for so long, virtual ms. */
const FAULTS_MS = 30_000;

export const learningTwoServers: Scenario = {
  name: "learning_two_servers",
  purpose:
    "Devices learn by sums with a second party while coordinators, second parties and others lose power and links break",
  nodes: 5,
  play: (cluster, nodes) =>
    playLearning(cluster, nodes, {
      plan: {
        rounds: ROUNDS,
        aggregation: { type: "twoServers", encoding: { range: 4, bits: 16 } },
      },
      together: cluster.random.fork("together").below(2) === 0,
      async faults() {
        await new Faults(cluster).during(FAULTS_MS, LEARNING_FAULTS);
      },
    }),
};
