/** Experiments: rounds are counted as the paper counts, equal seeds give equal bits, and a run that was cut off goes on as if it had not been. */
import assert from "node:assert/strict";
import { basename } from "node:path";
import {
  cellName,
  EXAMPLES_EACH,
  PAPER_CELLS,
  paperRounds,
  paperTarget,
  parseCell,
} from "../../bench/reproduce/cells.ts";
import { ExperimentStore } from "../../bench/reproduce/experiment_store.ts";
import { type CellMachine, type CellRun, runCell } from "../../bench/reproduce/run_cell.ts";
import { datasetOf } from "../../learning/data/image_set.ts";
import { partition } from "../../learning/data/partition.ts";
import { InlineTrainer } from "../../learning/engine/inline_trainer.ts";
import { mlp2nn } from "../../learning/engine/networks.ts";
import {
  clientsPerRound,
  type Federation,
  simulateRound,
  startFederation,
} from "../../learning/simulate/federation.ts";
import { roundsToTarget } from "../../learning/simulate/rounds_to_target.ts";
import { fedAvgM } from "../../learning/strategies/fedavgm.ts";
import { fedAvg } from "../../learning/strategies/fedavg.ts";
import { smallMnist } from "./data_fixtures.ts";

const SEED = new Uint8Array(32).fill(9);

Deno.test("rounds to a target: the best so far, straight lines between rounds", () => {
  assert.equal(roundsToTarget([0.5, 0.9, 0.8, 0.95], 0.9), 2);
  // From 0.9 after round 2 to 0.94 after round 4, but not before: 0.8 does not pull the line down.
  assert.equal(roundsToTarget([0.5, 0.9, 0.8, 0.94], 0.92)!.toFixed(9), "3.500000000");
  assert.equal(roundsToTarget([0.95], 0.9), 1);
  assert.equal(roundsToTarget([0.5, 0.6], 0.7), null);
  assert.equal(roundsToTarget([], 0.7), null);
});

Deno.test("the program says which cell it can read, and without data how to get some, in one line of JSON", async () => {
  const program = new URL("../../bench/reproduce/main.ts", import.meta.url).pathname;
  const folder = await Deno.makeTempDir({ prefix: "submind_reproduce_" });
  const told = async (...args: readonly string[]) => {
    const command = ["run", "--no-check", "-A", program, "mcmahan", "--json", ...args];
    const { code, stdout } = await new Deno.Command(Deno.execPath(), { args: command }).output();
    return { code, ...JSON.parse(new TextDecoder().decode(stdout)) };
  };
  try {
    const cell = "cnn,noniid,C=0.1,E=5,B=10";
    const none = await told("--cell", cell, "--target", "0.99", "--mnist", folder);
    assert.deepEqual([none.code, none.ok], [2, false]);
    assert.match(none.error.message, /Cannot find train-images-idx3-ubyte/);
    assert.match(none.error.hint, /submind learn data fetch mnist.*--mnist FOLDER/);
    const bad = await told("--cell", "cnn,noniid");
    assert.equal(bad.code, 2);
    assert.match(
      bad.error.message,
      /Cannot read the cell "cnn,noniid": expected .*like cnn,noniid/,
    );
    assert.equal(paperRounds(parseCell(cell))[0], 229);
    const high = await told("--cell", cell, "--target", "1.5");
    assert.deepEqual([high.code, high.ok], [2, false]);
    assert.match(high.error.message, /--target.*"1\.5"/);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("cells are the paper's, each once, and read as they are written", () => {
  const names = PAPER_CELLS.map(cellName);
  assert.equal(new Set(names).size, names.length);
  for (const cell of PAPER_CELLS) {
    const { paper, ...plain } = cell;
    assert.deepEqual(parseCell(cellName(cell)), plain);
    assert.deepEqual(paperRounds(cell), paper);
  }
  assert.deepEqual(paperRounds(parseCell("cnn,noniid,C=0.1,E=5,B=10")), [229, 206]);
  assert.equal(parseCell("cnn,iid,C=0,E=3,B=inf").batchSize, null);
  assert.deepEqual(paperRounds(parseCell("cnn,iid,C=0,E=3,B=inf")), []);
  assert.deepEqual([paperTarget("2nn"), paperTarget("cnn")], [0.97, 0.99]);
  for (
    const text of [
      "cnn",
      "cnn,iid,C=2,E=1,B=10",
      "rnn,iid,C=0.1,E=1,B=10",
      "cnn,iid,C=0.1,E=0,B=10",
      `cnn,iid,C=0.1,E=1,B=${EXAMPLES_EACH + 1}`,
      "cnn,iid,C=1.2.3,E=1,B=10",
    ]
  ) assert.throws(() => parseCell(text), /Cannot read the cell/);
});

async function federation(change: Partial<Federation> = {}): Promise<Federation> {
  const set = await smallMnist("train");
  return {
    network: mlp2nn(),
    training: datasetOf(set),
    test: datasetOf(await smallMnist("t10k")),
    partition: partition(set.labels, { kind: "iid", count: 10, seed: SEED }),
    fraction: 0.3,
    local: { epochs: 1, batchSize: 10, learningRate: 0.1 },
    optimiser: fedAvg({ serverRate: 1 }),
    seed: SEED,
    trainer: new InlineTrainer(),
    parallel: 1,
    ...change,
  };
}

async function rounds(of: Federation, count: number) {
  let state = startFederation(of);
  const accuracies: number[] = [];
  for (let i = 0; i < count; i++) {
    const round = await simulateRound(of, state);
    accuracies.push(round.evaluation.accuracy!);
    state = round.state;
  }
  return { state, accuracies };
}

Deno.test("a federation of ten learns digits from 500 pictures, and equal seeds give equal bits however many run at once", async () => {
  const learned = await rounds(await federation(), 12);
  assert.ok(learned.accuracies.at(-1)! >= 0.65, String(learned.accuracies));
  assert.ok(learned.accuracies[0]! < learned.accuracies.at(-1)!);
  const one = await rounds(await federation(), 3);
  const beside = await rounds(await federation({ parallel: 3 }), 3);
  assert.deepEqual(beside, one);
  const other = await rounds(await federation({ seed: new Uint8Array(32) }), 1);
  assert.notDeepEqual(
    other.state.parameters,
    (await rounds(await federation(), 1)).state.parameters,
  );
});

Deno.test("with all clients, one step each on all they have, averaging is one step on everything", async () => {
  const everyone = await federation({
    fraction: 1,
    local: { epochs: 1, batchSize: 50, learningRate: 0.1 },
  });
  const { state } = await rounds(everyone, 1);
  const start = startFederation(everyone);
  const central = await everyone.trainer.train({
    network: everyone.network,
    parameters: start.parameters,
    dataset: everyone.training,
    epochs: 1,
    batchSize: 500,
    learningRate: 0.1,
    seed: SEED,
  });
  state.parameters.forEach((value, i) => {
    assert.ok(Math.abs(value - central.parameters[i]!) < 1e-5);
  });
});

Deno.test("C chooses as many clients as the paper says, at least one", async () => {
  const { partition } = await federation();
  const counts = [0, 0.1, 0.25, 1].map((fraction) => clientsPerRound({ fraction, partition }));
  assert.deepEqual(counts, [1, 1, 3, 10]);
  assert.throws(() => clientsPerRound({ fraction: 1.1, partition }), /fraction is 1.1/);
});

Deno.test("a strategy's own state is kept from round to round", async () => {
  const plain = await rounds(await federation(), 3);
  const momentum = await rounds(
    await federation({ optimiser: fedAvgM({ serverRate: 1, momentum: 0.5 }) }),
    3,
  );
  assert.equal(momentum.state.optimiser.slots.length, 1);
  assert.equal(momentum.state.optimiser.step, 3);
  assert.notDeepEqual(momentum.state.parameters, plain.state.parameters);
});

const RUN: CellRun = {
  cell: parseCell("2nn,iid,C=0.1,E=1,B=5"),
  target: 1,
  learningRate: 0.1,
  strategy: { name: "fedAvgM", numbers: { serverRate: 1, momentum: 0.5 } },
  initial: null,
  seed: "test",
  roundsMax: 6,
};

async function machine(
  resultsFolder: string,
  onRound: CellMachine["onRound"] = () => undefined,
  signal = new AbortController().signal,
): Promise<CellMachine> {
  let now = 0;
  return {
    training: await smallMnist("train"),
    test: await smallMnist("t10k"),
    trainer: new InlineTrainer(),
    parallel: 2,
    resultsFolder,
    nowMs: () => now += 500,
    endMs: Infinity,
    signal,
    onRound,
  };
}

Deno.test("a run that is cut off in the middle of a line goes on with the same bits", async () => {
  const folder = Deno.makeTempDirSync({ prefix: "submind_reproduce_" });
  try {
    const whole = await runCell(RUN, await machine(`${folder}/whole`));
    assert.equal(whole.roundsRun, 6);
    assert.equal(whole.ended, "rounds");
    assert.equal(whole.rounds, null);
    const stop = new AbortController();
    const stopping = await machine(`${folder}/cut`, ({ round }) => {
      if (round === 3) stop.abort();
    }, stop.signal);
    const cut = await runCell(RUN, stopping);
    assert.deepEqual([cut.roundsRun, cut.ended], [3, "time"]);
    // As a crash leaves it: the state of round 3 is kept, its line only half.
    const text = Deno.readTextFileSync(cut.log);
    Deno.writeTextFileSync(cut.log, text.slice(0, -20));
    const resumed = await runCell(RUN, await machine(`${folder}/cut`));
    assert.deepEqual({ ...resumed, log: "" }, { ...whole, log: "" });
    assert.equal(Deno.readTextFileSync(resumed.log), Deno.readTextFileSync(whole.log));
    const files = ["whole", "cut"].map((name) =>
      [...Deno.readDirSync(`${folder}/${name}`)].map(({ name }) => name)
        .filter((name) => name.endsWith(".state"))
        .map((file) => Deno.readFileSync(`${folder}/${name}/${file}`).toHex())
    );
    assert.deepEqual(files[0], files[1]);
    // Once it is done, nothing is run again.
    const again = await runCell(RUN, await machine(`${folder}/cut`, () => assert.fail("ran")));
    assert.deepEqual(again, resumed);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
});

Deno.test("a target that is reached ends the run, and another target looks at the same rounds", async () => {
  const folder = Deno.makeTempDirSync({ prefix: "submind_reproduce_" });
  try {
    const low = await runCell({ ...RUN, target: 0.1 }, await machine(folder));
    assert.equal(low.ended, "target");
    assert.ok(low.rounds !== null && low.rounds <= 6);
    const higher = await runCell({ ...RUN, roundsMax: 4 }, await machine(folder));
    assert.equal(higher.roundsRun, 4);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
});

Deno.test("rounds are compared with the paper's for the paper's target only", async () => {
  const folder = Deno.makeTempDirSync({ prefix: "submind_reproduce_" });
  try {
    const cell = parseCell("2nn,iid,C=0.1,E=1,B=10");
    const result = await runCell({ ...RUN, cell, target: 0.1 }, await machine(folder));
    assert.equal(result.ended, "target");
    assert.deepEqual([result.paper, result.withinPaper], [87, null]);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
});

Deno.test("another start is another experiment, with files of its own", async () => {
  const folder = Deno.makeTempDirSync({ prefix: "submind_reproduce_" });
  try {
    const run = { ...RUN, roundsMax: 1 };
    const losses: number[] = [];
    const recorded = await machine(folder, ({ loss }) => losses.push(loss));
    const own = await runCell(run, recorded);
    const glorot = await runCell({ ...run, initial: "glorotUniform" }, recorded);
    assert.notEqual(glorot.log, own.log);
    assert.notEqual(losses[0], losses[1]);
    assert.match(Deno.readTextFileSync(own.log), /"initial":"heUniform"/);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
});

Deno.test("what is running is not run a second time beside it", async () => {
  const folder = Deno.makeTempDirSync({ prefix: "submind_reproduce_" });
  try {
    const first = await runCell({ ...RUN, roundsMax: 2 }, await machine(folder));
    const name = basename(first.log, ".jsonl");
    const lock = await new ExperimentStore(folder, name, {}).lock();
    await assert.rejects(runCell(RUN, await machine(folder, () => assert.fail("ran"))), {
      name: "ExperimentError",
      message: new RegExp(`is being run by process ${Deno.pid}.*--results`),
    });
    lock.release();
    // Given back: it goes on.
    assert.equal((await runCell({ ...RUN, roundsMax: 3 }, await machine(folder))).roundsRun, 3);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
});

Deno.test("a state that is no state, and a folder that cannot be made, are said in words", async () => {
  const folder = Deno.makeTempDirSync({ prefix: "submind_reproduce_" });
  try {
    await runCell({ ...RUN, roundsMax: 1 }, await machine(folder));
    const state = [...Deno.readDirSync(folder)].find(({ name }) => name.endsWith(".state"))!.name;
    Deno.writeTextFileSync(`${folder}/${state}`, "half of it");
    await assert.rejects(runCell(RUN, await machine(folder)), {
      name: "ExperimentError",
      message: /Cannot go on with .*\.state: .*move it away/,
    });
    await assert.rejects(runCell(RUN, await machine(`${folder}/${state}/below`)), {
      name: "ExperimentError",
      message: /Cannot keep results in .*--results/,
    });
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
});

Deno.test("files of another experiment are not continued, a log with holes neither", async () => {
  const folder = Deno.makeTempDirSync({ prefix: "submind_reproduce_" });
  try {
    await runCell({ ...RUN, roundsMax: 3 }, await machine(folder));
    const [name] = [...Deno.readDirSync(folder)].map(({ name }) => name)
      .filter((name) => name.endsWith(".state")).map((name) => name.slice(0, -".state".length));
    const other = new ExperimentStore(folder, name!, { cell: "another" });
    assert.throws(() => other.load(), /Cannot go on with .* it was made with/);
    Deno.writeTextFileSync(`${folder}/${name}.jsonl`, "{}\n");
    await assert.rejects(runCell(RUN, await machine(folder)), /it lacks rounds before 3/);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
});
