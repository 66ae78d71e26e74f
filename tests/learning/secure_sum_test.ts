/** Secure sums: exactly the survivors' sum, whoever falls away in whichever phase, down to the threshold. */
import assert from "node:assert/strict";
import { shapeFor } from "../../learning/secure/graph.ts";
import { seededRandom } from "../../platform/seeded_random.ts";
import {
  LAX,
  type Phase,
  PHASES,
  play,
  players,
  sumRound,
  TOY,
  vectors,
} from "./secure_support.ts";

const RUNS_COMPLETE = 984;
const RUNS_SPARSE = 16;

/** One run with 0–40 % of the devices gone, each in a phase by chance. True when the sum came about. */
function randomRun(seed: string, devices: number, sparse: boolean): boolean {
  const random = seededRandom(seed);
  const round = sumRound({
    length: 1 + random.below(9),
    bits: 8 + random.below(25),
    ...(sparse ? { assumptions: LAX } : {}),
  });
  const shape = shapeFor(devices, round.assumptions);
  assert.ok(!("impossible" in shape) && (shape.degree < devices - 1) === sparse);
  const goneIn = new Map<number, Phase>();
  const share = random.float() * (sparse ? 0.3 : 0.4);
  while (goneIn.size < Math.floor(devices * share)) {
    goneIn.set(random.below(devices), PHASES[random.below(PHASES.length)]!);
  }
  const everybody = players(devices, { seed, deps: TOY });
  const data = vectors(round, random);
  const ending = play({
    round,
    players: everybody,
    values: data.of,
    present: (index, phase) => goneIn.get(index) !== phase,
  });
  const after = (phases: readonly Phase[]) =>
    everybody.flatMap((_, i) =>
      phases.includes(goneIn.get(i) ?? "reveal") || !goneIn.has(i) ? [i] : []
    );
  if (ending.ended !== "sum") {
    // Only where fewer than a quorum were left, or (sparse) by a chance that the thresholds allow.
    assert.equal(ending.outcome.ok, false);
    assert.ok(!ending.outcome.ok && ending.outcome.refusal === "tooFew", seed);
    const left = everybody.length - goneIn.size;
    assert.ok(sparse || left < shapeOf(everybody.length - gone(goneIn, "advertise")).quorum, seed);
    return false;
  }
  const survivors = after(["sign", "reveal"]);
  assert.deepEqual(ending.survivors, survivors.map((i) => everybody[i]!.device).sort(), seed);
  assert.deepEqual([...ending.sum], data.sum(survivors), seed);
  return true;
}

function gone(goneIn: ReadonlyMap<number, Phase>, phase: Phase): number {
  return [...goneIn.values()].filter((value) => value === phase).length;
}

function shapeOf(devices: number) {
  const shape = shapeFor(devices, sumRound().assumptions);
  assert.ok(!("impossible" in shape));
  return shape;
}

Deno.test("sums among everybody are exact in 984 runs with up to 40 % dropouts in every phase", () => {
  let sums = 0;
  for (let run = 0; run < RUNS_COMPLETE; run++) {
    if (randomRun(`complete ${run}`, 4 + run % 3, false)) sums++;
  }
  // With 40 % gone, few devices are below the quorum of more than half; that happens, and is no sum.
  assert.ok(sums > RUNS_COMPLETE * 0.8, `${sums} of ${RUNS_COMPLETE}`);
});

Deno.test("sums over a sparse graph are exact in 16 runs with dropouts in every phase", () => {
  let sums = 0;
  for (let run = 0; run < RUNS_SPARSE; run++) {
    if (randomRun(`sparse ${run}`, 28, true)) sums++;
  }
  assert.ok(sums >= RUNS_SPARSE * 0.97, `${sums} of ${RUNS_SPARSE}`);
});

Deno.test("sums with real agreements and signatures are exact, and states survive restarts bit by bit", () => {
  const round = sumRound({ length: 4_000, bits: 26 });
  const dropouts: Partial<Record<number, Phase>> = {
    1: "share",
    4: "mask",
    6: "sign",
    7: "reveal",
  };
  const run = (restart: boolean) => {
    const data = vectors(round, seededRandom(5));
    const ending = play({
      round,
      players: players(12, { seed: "real" }),
      values: data.of,
      present: (index, phase) => dropouts[index] !== phase,
      restart,
    });
    assert.ok(ending.ended === "sum");
    const survivors = [0, 2, 3, 5, 6, 7, 8, 9, 10, 11];
    assert.deepEqual([...ending.sum], data.sum(survivors));
    return ending;
  };
  const [straight, restarted] = [run(false), run(true)];
  assert.deepEqual([...restarted.server.inputs], [...straight.server.inputs]);
  assert.deepEqual([...restarted.server.signatures], [...straight.server.signatures]);
});
