/** A crowd of simulated devices that learn to part two clouds of points: what the quick test and the one of a thousand have in common. */
import assert from "node:assert/strict";
import { networkHash, openPlan } from "../../learning/runs/opened_plan.ts";
import type { Aggregation } from "../../learning/runs/aggregation_choice.ts";
import type { RunId } from "../../learning/runs/plan.ts";
import type { TaskExamples } from "../../learning/task.ts";
import { nodeCrypto } from "../../platform/node_crypto.ts";
import { type LearningCrowd, startLearningCrowd } from "../../simulation/learning_crowd.ts";
import { CLOUDS } from "../../simulation/scenarios/learning.ts";
import { World } from "../../simulation/world.ts";

const SEED = new Uint8Array(32).fill(3);
const RUN = "ab".repeat(32) as RunId;
/** A third is away at any time, and a device stays for some rounds, virtual ms. */
const CHURN = { thereMs: 120_000, awayMs: 60_000 };
/** Who is back for so long has taken the last version, virtual ms. */
const ADOPT_MS = 10_000;
/** A round with dropouts in every phase takes less, virtual ms. */
const ROUND_MAX_MS = 180_000;

/** What a run came to. */
export interface CrowdOutcome {
  readonly crowd: LearningCrowd;
  /** Departures of all devices, while the run went on. */
  readonly departures: number;
  /** Devices that have the last version, of those that are there at the end and have had time to hear of it. */
  readonly upToDate: number;
  readonly there: number;
  readonly virtualMs: number;
  /** Of all that happened. */
  readonly trace: string;
}

/** Plays a run among `devices`, of which a third is away at any time, and whose coordinator is lost in the second round. */
export async function playThousand(
  { devices, rounds, aggregation }: {
    readonly devices: number;
    readonly rounds: number;
    readonly aggregation: Aggregation;
  },
): Promise<CrowdOutcome> {
  const world = new World({ seed: `crowd of ${devices}` });
  const crypto = nodeCrypto({ workersMax: 0 });
  const examples = new Map<number, TaskExamples>();
  for (let index = 0; index < devices; index++) {
    const share = { index, count: devices, kind: "iid", alpha: null, seed: SEED } as never;
    examples.set(index, await CLOUDS.examples({ options: {}, share } as never) as TaskExamples);
  }
  const crowd = startLearningCrowd(world, {
    devices,
    coordinators: 8,
    run: RUN,
    openedFor: () =>
      openPlan({
        version: 1,
        title: "Clouds",
        task: CLOUDS.name,
        options: {},
        networkHash: networkHash(CLOUDS.network({}), crypto),
        seed: SEED,
        startFrom: null,
        rounds,
        participation: {
          least: Math.ceil(devices / 3),
          most: 1_024,
          fraction: 1,
          overSelection: 0,
        },
        local: { epochs: 1, batchSize: 8, learningRate: 0.5, momentum: null, proximal: null },
        strategy: { name: "fedAvg", numbers: { serverRate: 1 } },
        aggregation,
        compression: null,
        privacy: null,
        deadlines: { readyMs: 5_000, trainMs: 20_000, phaseMs: 5_000 },
        proofOfWorkBits: 0,
        share: null,
      }, { tasks: [CLOUDS], crypto }),
    examplesOf: (index) => examples.get(index)!,
    churn: CHURN,
  });
  const done = () => Math.max(0, ...crowd.results.map(({ result }) => result.round));
  const [first] = crowd.members;
  await world.until(() => done() >= 1 && first!.state().lead?.phase === "training", ROUND_MAX_MS);
  crowd.lose(first!);
  await world.until(() => done() >= rounds, rounds * ROUND_MAX_MS, 1_000);
  const virtualMs = world.nowMs;
  const departures = crowd.members.reduce((sum, member) => sum + member.departures, 0);
  // What has come in the meantime is adopted.
  await world.advance(30_000);
  const there = crowd.members.filter(({ isUp, turnedMs }) =>
    isUp && world.nowMs - turnedMs >= ADOPT_MS
  );
  const upToDate = there.filter((member) => member.state().head?.round === rounds).length;
  const trace = world.trace.digest();
  await crowd.stop();
  assert.deepEqual(crowd.problems, []);
  return { crowd, departures, upToDate, there: there.length, virtualMs, trace };
}
