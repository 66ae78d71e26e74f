/** Prometheus metrics of federated learning: rounds, runs, and the privacy that this device has spent. */
import { Counter, Gauge, type Registry } from "prom-client";
import type { NodeHandle } from "../actors/handle.ts";

/** Metrics of a node's learning in `registry`. */
export function learningMetrics(
  node: NodeHandle,
  registry: Registry,
): { refresh(): Promise<void>; close(): void } {
  const registers = [registry];
  const rounds = new Counter({
    name: "submind_learning_rounds_total",
    help: "Rounds whose version became this device's.",
    registers,
  });
  const runs = new Gauge({
    name: "submind_learning_runs",
    help: "Runs of the mesh by how they stand here.",
    labelNames: ["state"],
    registers,
  });
  const spent = new Gauge({
    name: "submind_learning_epsilon_spent",
    help: "Privacy this device has spent, all runs together.",
    registers,
  });
  const most = new Gauge({
    name: "submind_learning_epsilon_max",
    help: "Privacy this device may spend in its lifetime.",
    registers,
  });
  const close = node.subscribe((event) => {
    if (event.type === "roundFinished") rounds.inc();
  });
  return {
    close,
    async refresh() {
      const budget = await node.learning.budget();
      spent.set(budget.epsilonSpent);
      most.set(budget.epsilonLifetimeMax);
      runs.reset();
      for (const { state } of await node.learning.runs()) runs.inc({ state });
    },
  };
}
