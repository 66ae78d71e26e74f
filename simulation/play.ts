/** Plays one scenario with one seed in a fresh world. */
import type { Log } from "../platform/ports.ts";
import { lostAcknowledged } from "./checkers/delivery.ts";
import { Cluster } from "./cluster.ts";
import type { Scenario } from "./scenarios/scenario.ts";

export interface PlayOptions {
  readonly scenario: Scenario;
  readonly seed: number | string;
  /** Default: the scenario's own number. */
  readonly nodes?: number;
  /** Rounds of learning; default: the scenario's own number. */
  readonly rounds?: number;
  readonly log?: Log;
}

export interface PlayResult {
  readonly seed: number | string;
  /** What was wrong, in words; empty when all went well. */
  readonly problems: readonly string[];
  /** Acknowledged blocks that no device holds any more. */
  readonly lostAcknowledged: number;
  /** Blocks that users were told to be safe. */
  readonly acknowledged: number;
  readonly virtualMs: number;
  readonly steps: number;
  /** 16 hex digits; equal for equal seeds, in every process. */
  readonly trace: string;
}

/** Never throws for what happens in the world: a throw there is a problem of the run. */
export async function play(options: PlayOptions): Promise<PlayResult> {
  const { scenario, seed } = options;
  const cluster = new Cluster({
    seed,
    ...(options.log === undefined ? {} : { log: options.log }),
  });
  let problems: readonly string[];
  try {
    problems = await scenario.play(cluster, options.nodes ?? scenario.nodes, options.rounds);
  } catch (error) {
    problems = [error instanceof Error ? error.stack ?? String(error) : String(error)];
  }
  return {
    seed,
    problems,
    lostAcknowledged: lostAcknowledged(cluster).length,
    acknowledged: cluster.acknowledged.length,
    virtualMs: cluster.world.nowMs,
    steps: cluster.world.steps,
    trace: cluster.world.trace.digest(),
  };
}
