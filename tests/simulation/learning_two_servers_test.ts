/** Sums with a second party, in whole nodes: the versions that the same run in the clear has, and no round is lost whoever dies. */
import assert from "node:assert/strict";
import { nodeEvents } from "../../actors/events.ts";
import type { RunSummary } from "../../actors/rounds/commands.ts";
import { type Parameters, parametersFromBytes } from "../../learning/parameters.ts";
import { secondPartyOrder } from "../../learning/runs/order.ts";
import type { RunPlan } from "../../learning/runs/plan.ts";
import { nodeCrypto } from "../../platform/node_crypto.ts";
import type { RoundPhase } from "../../protocols/rounds/messages.ts";
import { Cluster } from "../../simulation/cluster.ts";
import { askRounds, playLearning } from "../../simulation/scenarios/learning.ts";
import { NOISE } from "./noise.ts";

const DEVICES = 4;
const ROUNDS = 6;
const RANGE = 4;
const ENCODING = { range: RANGE, bits: 16 };
const TWO_SERVERS = { type: "twoServers", encoding: ENCODING } as const;
const PAILLIER = { type: "paillier", encoding: ENCODING, keyBits: 2_048 } as const;
const crypto = nodeCrypto({ workersMax: 0 });

/** The last version of a run in which every round counts every device. */
async function lastVersion(aggregation: RunPlan["aggregation"]): Promise<Parameters> {
  const cluster = new Cluster({ seed: "two servers and the clear" });
  const problems = await playLearning(cluster, DEVICES, {
    together: true,
    plan: {
      rounds: ROUNDS,
      participation: { least: DEVICES, most: DEVICES, fraction: 1, overSelection: 0 },
      aggregation,
    },
    faults: () => Promise.resolve(),
  });
  assert.deepEqual(problems, []);
  const [node] = cluster.nodes;
  const [run] = await cluster.world.wait(askRounds<readonly RunSummary[]>(
    node!,
    (replyTo) => ({ type: "listRuns", replyTo }),
  ));
  assert.ok(run!.results.every(({ result }) => result.submissions.length === DEVICES));
  return parametersFromBytes(node!.vectors.get(run!.report!.parameters!)!)!;
}

Deno.test("the versions are those of the same run in the clear, up to rounding", async () => {
  const clear = await lastVersion({
    type: "clear",
    rule: { name: "weightedMean", numbers: {} },
  });
  // Each round's mean is off by one level at most, and later training brings versions closer rather than apart.
  const most = ROUNDS * RANGE / (2 ** 15 - 1);
  for (const aggregation of [TWO_SERVERS, PAILLIER]) {
    const summed = await lastVersion(aggregation);
    assert.equal(summed.length, clear.length);
    for (const [i, value] of clear.entries()) {
      assert.ok(
        Math.abs(value - summed[i]!) <= most,
        `${aggregation.type}: ${value}, ${summed[i]}`,
      );
    }
  }
});

for (
  const [who, phase, aggregation] of [
    ["second party", "training", TWO_SERVERS],
    ["second party", "unmasking", TWO_SERVERS],
    ["coordinator", "training", TWO_SERVERS],
    ["coordinator", "unmasking", TWO_SERVERS],
    ["second party", "training", PAILLIER],
    ["coordinator", "unmasking", PAILLIER],
  ] as readonly ["second party" | "coordinator", RoundPhase, RunPlan["aggregation"]][]
) {
  const { type } = aggregation;
  Deno.test(`${type}: a ${who} that dies while ${phase} costs an attempt, and no round is lost`, async () => {
    const cluster = new Cluster({ seed: `${who} dies ${phase}` });
    const { world, nodes } = cluster;
    let attempts = 0;
    const problems = await playLearning(cluster, DEVICES, {
      together: true,
      plan: { rounds: ROUNDS, aggregation },
      async faults([starter, ...others]) {
        let round = 0;
        for (const witness of others) {
          witness.running.system.subscribe(nodeEvents, (event) => {
            if (event.type === "roundProgress" && event.phase === phase) round = event.round;
          });
        }
        const begun = () => round >= 2;
        assert.ok(await world.until(begun, 60_000, 1), `nobody is ${phase}`);
        const [run] = await world.wait(askRounds<readonly RunSummary[]>(
          others[0]!,
          (replyTo) => ({ type: "listRuns", replyTo }),
        ));
        const [second] = secondPartyOrder(
          others.map(({ deviceId }) => deviceId),
          { run: run!.run, round, attempt: 1 },
          crypto,
        );
        const dies = who === "coordinator"
          ? starter!
          : nodes.find(({ deviceId }) => deviceId === second)!;
        dies.crash(false);
        // A set that was signed may want everybody back: without noise no other one is summed.
        await world.advance(20_000);
        await dies.start();
        const at = round;
        await world.until(() => round > at, 60_000, 50);
        const [now] = await world.wait(askRounds<readonly RunSummary[]>(
          others.find((node) => node !== dies)!,
          (replyTo) => ({ type: "listRuns", replyTo }),
        ));
        attempts = now!.results.find(({ result }) => result.round === at)?.result.attempt ?? 0;
      },
    });
    assert.deepEqual(problems, []);
    assert.ok(attempts >= 1, `attempt ${attempts}`);
  });
}

Deno.test("noise of all devices goes into the sum with a second party, and each round is paid for once, though the coordinator dies", async () => {
  const cluster = new Cluster({ seed: "two servers and noise" });
  const { world } = cluster;
  const problems = await playLearning(cluster, DEVICES, {
    together: true,
    plan: {
      rounds: ROUNDS,
      aggregation: TWO_SERVERS,
      privacy: { ...NOISE, dropout: 0 },
    },
    async faults([starter]) {
      await world.advance(500);
      starter!.crash(false);
      await world.advance(5_000);
      await starter!.start();
    },
  });
  assert.deepEqual(problems, []);
});
