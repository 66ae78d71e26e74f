/** Secure sums: exactly the survivors' sum, whoever falls away in whichever phase, down to the threshold. */
import assert from "node:assert/strict";
import { shapeFor } from "../../learning/secure/graph.ts";
import type { Assumptions } from "../../learning/secure/contract.ts";
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

const RUNS_COMPLETE = 1_000;
const RUNS_SPARSE = 10;
/** Most devices that a run loses. */
const SHARE_MAX = 0.4;
/** What counts as losing many. */
const SHARE_MANY = 0.3;
const DEVICES = { least: 5, most: 15 } as const;
const DEVICE_COUNTS = DEVICES.most - DEVICES.least + 1;
/** A graph of 36 devices is sparse under these, and hardly ever comes apart when 40 % of them go. */
const SPARSE: Assumptions = { ...LAX, dropoutPermille: 350 };
const SPARSE_DEVICES = 36;

/** What a run had to go through, and whether its sum came about. */
interface Run {
  readonly devices: number;
  /** Who is gone, and since when. */
  readonly goneIn: ReadonlyMap<number, Phase>;
  readonly opened: boolean;
}

/**
 * One run. A fourth of the runs lose as many as they may, the others any number up to that; in every second run all go in one phase, else each in a phase by
 * chance.
 */
function randomRun(number: number, sparse: boolean): Run {
  const seed = `${sparse ? "sparse" : "complete"} ${number}`;
  const random = seededRandom(seed);
  const round = sumRound({
    length: 1 + random.below(9),
    bits: 8 + random.below(25),
    ...(sparse ? { assumptions: SPARSE } : {}),
  });
  const devices = sparse ? SPARSE_DEVICES : DEVICES.least + random.below(DEVICE_COUNTS);
  const shape = shapeOf(devices, round.assumptions);
  assert.equal(shape.degree < devices - 1, sparse);
  const inOne = number % 2 === 0 ? PHASES[number / 2 % PHASES.length] : undefined;
  const most = Math.floor(devices * SHARE_MAX);
  const lost = random.below(4) === 0 ? most : random.below(most + 1);
  const goneIn = new Map<number, Phase>();
  while (goneIn.size < lost) {
    goneIn.set(random.below(devices), inOne ?? PHASES[random.below(PHASES.length)]!);
  }
  const everybody = players(devices, { seed, deps: TOY });
  const data = vectors(round, random);
  const ending = play({
    round,
    players: everybody,
    values: data.of,
    present: (index, phase) => goneIn.get(index) !== phase,
  });
  const run = { devices, goneIn, opened: ending.ended === "sum" };
  // Those who never came are not missed: the graph is drawn over the others.
  const { quorum } = shapeOf(devices - inPhase(run, "advertise"), round.assumptions);
  if (devices - lost < quorum) assert.ok(!run.opened, `${seed}: fewer than a quorum`);
  if (ending.ended !== "sum") {
    assert.ok(!ending.outcome.ok && ending.outcome.refusal === "tooFew", seed);
    // A sparse graph may come apart by a chance that its thresholds allow.
    assert.ok(sparse || devices - lost < quorum, `${seed}: a quorum was left`);
    return run;
  }
  // Whoever goes after its vector was taken is in the sum.
  const survivors = everybody.flatMap((_, i) =>
    ["sign", "reveal", undefined].includes(goneIn.get(i)) ? [i] : []
  );
  assert.deepEqual(ending.survivors, survivors.map((i) => everybody[i]!.device).sort(), seed);
  assert.deepEqual([...ending.sum], data.sum(survivors), seed);
  return run;
}

function shapeOf(devices: number, assumptions: Assumptions) {
  const shape = shapeFor(devices, assumptions);
  assert.ok(!("impossible" in shape));
  return shape;
}

function inPhase({ goneIn }: Pick<Run, "goneIn">, phase: Phase): number {
  return [...goneIn.values()].filter((value) => value === phase).length;
}

/** That so large shares of the runs lose what their test says: else it would show less than its name. */
function assertDistribution(
  runs: readonly Run[],
  least: {
    /** 30–40 % of its devices are gone in the end. */
    readonly many: number;
    /** Somebody goes, for each phase. */
    readonly phase: number;
    /** 30–40 % go in a single one, for each phase. */
    readonly manyInPhase: number;
  },
): void {
  const assertShare = (what: keyof typeof least, which: (run: Run) => boolean) => {
    const share = shareOf(runs, which);
    assert.ok(share >= least[what], `${what}: ${share} of the runs, expected ${least[what]}`);
  };
  const isMany = (count: number, { devices }: Run) => count / devices >= SHARE_MANY;
  assert.ok(runs.every(({ goneIn, devices }) => goneIn.size / devices <= SHARE_MAX));
  assertShare("many", (run) => isMany(run.goneIn.size, run));
  for (const phase of PHASES) {
    assertShare("phase", (run) => inPhase(run, phase) > 0);
    assertShare("manyInPhase", (run) => isMany(inPhase(run, phase), run));
  }
}

function shareOf(runs: readonly Run[], which: (run: Run) => boolean): number {
  return runs.filter(which).length / runs.length;
}

Deno.test("sums among 5 to 15 devices are exact in 1,000 runs with 0-40 % dropouts in every phase, and stay shut below a quorum", () => {
  const runs = Array.from({ length: RUNS_COMPLETE }, (_, number) => randomRun(number, false));
  assertDistribution(runs, { many: 0.35, phase: 0.18, manyInPhase: 0.03 });
  for (let devices = DEVICES.least; devices <= DEVICES.most; devices++) {
    assert.ok(shareOf(runs, (run) => run.devices === devices) > 0.05, `${devices} devices`);
  }
  // Two of five are more than a quorum of four can spare; elsewhere 40 % are not.
  const shut = shareOf(runs, ({ opened }) => !opened);
  assert.ok(shut > 0.01 && shut < 0.05, `${shut} of the runs stayed shut`);
});

Deno.test("sums over a sparse graph of 36 devices are exact in 10 runs with 0-40 % dropouts in every phase", () => {
  const runs = Array.from({ length: RUNS_SPARSE }, (_, number) => randomRun(number, true));
  assertDistribution(runs, { many: 0.3, phase: 0.2, manyInPhase: 0 });
  assert.ok(shareOf(runs, ({ opened }) => opened) >= 0.9);
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
