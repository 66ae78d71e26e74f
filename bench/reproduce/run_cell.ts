/** Runs one cell until its target, its last round or its time: from where it was left. */
import { createHash } from "node:crypto";
import { datasetOf, type ImageSet } from "../../learning/data/image_set.ts";
import { partition } from "../../learning/data/partition.ts";
import { mcmahanCnn, mlp2nn } from "../../learning/engine/networks.ts";
import type { InitialWeights, Network } from "../../learning/network.ts";
import type { Choice } from "../../learning/runs/plan.ts";
import {
  type Federation,
  simulateRound,
  startFederation,
} from "../../learning/simulate/federation.ts";
import { roundsToTarget } from "../../learning/simulate/rounds_to_target.ts";
import { createStrategy, strategyOf } from "../../learning/strategies/strategy.ts";
import type { Trainer } from "../../learning/trainer.ts";
import {
  type Cell,
  cellName,
  CLIENTS,
  EXAMPLES_EACH,
  PAPER_TOLERANCE,
  paperRounds,
  paperTarget,
} from "./cells.ts";
import { ExperimentStore, type RoundRecord } from "./experiment_store.ts";

/** What is run, and how far. */
export interface CellRun {
  readonly cell: Cell;
  /** Test accuracy to reach, in (0, 1]. */
  readonly target: number;
  readonly learningRate: number;
  readonly strategy: Choice;
  /** What weights start from; null for the network's own. */
  readonly initial: InitialWeights | null;
  /** Any text; equal texts give equal runs. */
  readonly seed: string;
  readonly roundsMax: number;
}

/** What runs it. */
export interface CellMachine {
  readonly training: ImageSet;
  readonly test: ImageSet;
  readonly trainer: Trainer;
  readonly parallel: number;
  readonly resultsFolder: string;
  /** Milliseconds, never going back. */
  readonly nowMs: () => number;
  /** When this is past, the run stops after its round; it can be continued. */
  readonly endMs: number;
  readonly signal: AbortSignal;
  readonly onRound: (record: RoundRecord, done: readonly RoundRecord[]) => void;
}

/** What came out; the last line of `--json`. */
export interface CellResult {
  readonly cell: string;
  readonly target: number;
  /** Rounds until the target, counted as the paper does, rounded up; null when it was not reached yet. */
  readonly rounds: number | null;
  /** The same before rounding. */
  readonly crossing: number | null;
  /** Test accuracy after the last round that was run. */
  readonly accuracy: number;
  readonly bestAccuracy: number;
  readonly roundsRun: number;
  /** The paper's rounds; null for a cell it does not have. */
  readonly paper: number | null;
  readonly papers: readonly number[];
  /** Not more than 12 % above the paper's larger number; null when either is missing, or the target is not the paper's. */
  readonly withinPaper: boolean | null;
  readonly strategy: string;
  readonly learningRate: number;
  readonly seed: string;
  readonly seconds: number;
  /** "target": reached; "rounds": out of rounds; "time": out of time, or interrupted. */
  readonly ended: "target" | "rounds" | "time";
  readonly log: string;
}

/**
 * Runs until the target, the last round, or the end of its time. Rejects as `simulateRound` does, and with an `ExperimentError` when
 * its files cannot be continued, or another run has them.
 */
export async function runCell(run: CellRun, machine: CellMachine): Promise<CellResult> {
  const store = new ExperimentStore(machine.resultsFolder, fileName(run), settingsOf(run));
  const lock = await store.lock();
  try {
    return await runStored(run, machine, store);
  } finally {
    lock.release();
  }
}

async function runStored(
  run: CellRun,
  machine: CellMachine,
  store: ExperimentStore,
): Promise<CellResult> {
  const federation = federationOf(run, machine);
  const left = store.load();
  const records = [...left.records];
  let state = left.state ?? startFederation(federation);
  let ended = endOf(run, records);
  for (; ended === null; ended = endOf(run, records)) {
    const startedMs = machine.nowMs();
    if (machine.signal.aborted || startedMs >= machine.endMs) break;
    const round = await simulateRound(federation, state, { signal: machine.signal })
      .catch((error: unknown) => {
        if (machine.signal.aborted) return null;
        throw error;
      });
    if (round === null) break;
    state = round.state;
    const record: RoundRecord = {
      round: state.round,
      accuracy: round.evaluation.accuracy ?? 0,
      loss: round.evaluation.loss,
      trainingLoss: round.trainingLoss,
      elapsedMs: Math.round(machine.nowMs() - startedMs),
    };
    records.push(record);
    store.save(state, record);
    machine.onRound(record, records);
  }
  return resultOf(run, records, ended ?? "time", store.logPath);
}

function endOf(
  { target, roundsMax }: CellRun,
  records: readonly RoundRecord[],
): "target" | "rounds" | null {
  if (records.some(({ accuracy }) => accuracy >= target)) return "target";
  return records.length >= roundsMax ? "rounds" : null;
}

function federationOf(run: CellRun, machine: CellMachine): Federation {
  const { cell, learningRate } = run;
  const seed = createHash("sha256").update(`reproduce ${run.seed}`).digest();
  const strategy = createStrategy(strategyOf(run.strategy));
  if (strategy.buffer !== null) {
    throw new RangeError(`Cannot reproduce with ${strategy.name}: its rounds wait for nobody`);
  }
  return {
    network: networkOf(run),
    training: datasetOf(machine.training),
    test: datasetOf(machine.test),
    partition: partition(machine.training.labels, {
      kind: cell.data === "iid" ? "iid" : "shards",
      count: CLIENTS,
      seed: new Uint8Array(seed),
    }),
    fraction: cell.fraction,
    local: {
      epochs: cell.epochs,
      batchSize: cell.batchSize ?? EXAMPLES_EACH,
      learningRate,
      ...strategy.clients,
    },
    optimiser: strategy.optimiser,
    seed,
    trainer: machine.trainer,
    parallel: machine.parallel,
  };
}

/** Everything that fixes the result of a round; the target only says when to stop. */
function settingsOf(run: CellRun) {
  const { cell, learningRate, strategy, seed } = run;
  return { cell: cellName(cell), learningRate, strategy, initial: networkOf(run).initial, seed };
}

function networkOf({ cell, initial }: CellRun): Network & Required<Pick<Network, "initial">> {
  const network = cell.model === "2nn" ? mlp2nn() : mcmahanCnn();
  return { ...network, initial: initial ?? network.initial ?? "heUniform" };
}

function fileName({ cell, learningRate, strategy, initial, seed }: CellRun): string {
  const numbers = Object.entries(strategy.numbers).map(([name, value]) => `${name}=${value}`);
  const start = initial === null ? [] : [initial];
  const parts = [
    ...[cellName(cell), `lr=${learningRate}`, strategy.name],
    ...[...numbers, ...start, `seed=${seed}`],
  ];
  return parts.join(",").replaceAll(/[^A-Za-z0-9=.,-]/g, "_");
}

function resultOf(
  run: CellRun,
  records: readonly RoundRecord[],
  ended: CellResult["ended"],
  log: string,
): CellResult {
  const accuracies = records.map(({ accuracy }) => accuracy);
  const crossing = roundsToTarget(accuracies, run.target);
  const rounds = crossing === null ? null : Math.ceil(crossing);
  const papers = paperRounds(run.cell);
  // The paper counted to one accuracy; rounds to another one cannot be compared with its.
  const isComparable = papers.length > 0 && run.target === paperTarget(run.cell.model);
  return {
    cell: cellName(run.cell),
    target: run.target,
    rounds,
    crossing,
    accuracy: accuracies.at(-1) ?? 0,
    bestAccuracy: Math.max(0, ...accuracies),
    roundsRun: records.length,
    paper: papers[0] ?? null,
    papers,
    withinPaper: rounds === null || !isComparable
      ? null
      : rounds <= Math.max(...papers) * (1 + PAPER_TOLERANCE),
    strategy: run.strategy.name,
    learningRate: run.learningRate,
    seed: run.seed,
    seconds: Math.round(records.reduce((sum, { elapsedMs }) => sum + elapsedMs, 0) / 1_000),
    ended,
    log,
  };
}
