/**
 * A run among far more devices than have sessions with each other: a few of them take turns at coordinating, and everybody keeps sessions with those. In every
 * round a third falls away and comes back; in the end all have the last version, by secure sums.
 */
import { playDropouts } from "./learning_dropouts.ts";
import type { Scenario } from "./scenario.ts";

const ROUNDS = 3;

export const learningCrowd: Scenario = {
  name: "learning_crowd",
  purpose: "Very many devices learn by secure sums while a third of them falls away in every round",
  nodes: 40,
  async play(cluster, nodes, planned = ROUNDS) {
    const { problems, rounds, completed, dropped } = await playDropouts(cluster, nodes, planned);
    if (rounds > 0 && completed === rounds) return problems;
    return [
      ...problems,
      `${completed} of ${rounds} rounds came to a version; ${dropped} devices fell away`,
    ];
  },
};
