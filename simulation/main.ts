/** `deno task simulate`: plays scenarios on virtual time. The last line is JSON; the exit status is 0 only when all went well. */
import { object } from "@optique/core/constructs";
import { message } from "@optique/core/message";
import { optional, withDefault } from "@optique/core/modifiers";
import { option } from "@optique/core/primitives";
import { choice, integer } from "@optique/core/valueparser";
import { run } from "@optique/run";
import type { Log } from "../platform/ports.ts";
import { systemClock } from "../platform/system_clock.ts";
import { playInProcesses, type Summary } from "./jobs.ts";
import { play } from "./play.ts";
import { SCENARIOS } from "./scenarios/all.ts";
import type { Scenario } from "./scenarios/scenario.ts";

const ALL = "all";
const clock = systemClock();

const parser = object({
  scenario: withDefault(
    option("--scenario", choice([ALL, ...SCENARIOS.map(({ name }) => name)]), {
      description: message`Which scenario; default: all of them.`,
    }),
    ALL,
  ),
  seeds: withDefault(
    option("--seeds", integer({ min: 1, max: 1_000_000 }), {
      description: message`How many seeds to play, one after another; default 10.`,
    }),
    10,
  ),
  seed: withDefault(
    option("--seed", integer({ min: 0 }), { description: message`The first seed; default 1.` }),
    1,
  ),
  nodes: optional(
    option("--nodes", integer({ min: 2, max: 10_000 }), {
      description: message`How many nodes; default: the scenario's own number.`,
    }),
  ),
  rounds: optional(
    option("--rounds", integer({ min: 1, max: 1_000 }), {
      description:
        message`How many rounds learning_crowd and learning_dropouts play; default: the scenario's own number.`,
    }),
  ),
  jobs: withDefault(
    option("--jobs", integer({ min: 1, max: 64 }), {
      description: message`How many processes share the seeds of a scenario; default 1.`,
    }),
    1,
  ),
  json: option("--json", { description: message`Print nothing but the last line.` }),
  verbose: option("--verbose", { description: message`Print what the nodes log.` }),
});

if (import.meta.main) {
  const options = run(parser, {
    programName: "deno task simulate",
    brief: message`Whole nodes on virtual time, with faults from a seed.`,
    help: "option",
  });
  const scenarios = SCENARIOS.filter(({ name }) =>
    options.scenario === ALL || options.scenario === name
  );
  const say = (line: string): void => {
    if (!options.json) console.log(line);
  };
  const log: Log = {
    write: (level, text, fields) => say(`${level} ${text} ${JSON.stringify(fields)}`),
  };
  const summary = await playAll(scenarios, {
    jobs: options.jobs,
    first: options.seed,
    count: options.seeds,
    nodes: options.nodes,
    rounds: options.rounds,
    say,
    log: options.verbose ? log : undefined,
  });
  console.log(JSON.stringify(summary));
  Deno.exit(summary.ok ? 0 : 1);
}

async function playAll(
  scenarios: readonly Scenario[],
  options: {
    readonly jobs: number;
    readonly first: number;
    readonly count: number;
    readonly nodes: number | undefined;
    readonly rounds: number | undefined;
    readonly say: (line: string) => void;
    readonly log: Log | undefined;
  },
): Promise<Summary> {
  const failed: { scenario: string; seed: number | string }[] = [];
  let lost = 0;
  let virtualMs = 0;
  let trace = "";
  for (const scenario of scenarios) {
    options.say(`${scenario.name}: ${scenario.purpose}`);
    if (options.jobs > 1) {
      const all = await playInProcesses({ ...options, scenario: scenario.name });
      failed.push(...all.failed);
      lost += all.lost_acknowledged;
      virtualMs += all.virtual_seconds * 1_000;
      trace = all.trace;
      continue;
    }
    for (let seed = options.first; seed < options.first + options.count; seed++) {
      const startedMs = clock.monotonicMs();
      const result = await play({
        scenario,
        seed,
        ...(options.nodes === undefined ? {} : { nodes: options.nodes }),
        ...(options.rounds === undefined ? {} : { rounds: options.rounds }),
        ...(options.log === undefined ? {} : { log: options.log }),
      });
      const ok = result.problems.length === 0 && result.lostAcknowledged === 0;
      lost += result.lostAcknowledged;
      virtualMs += result.virtualMs;
      trace = result.trace;
      const seconds = (result.virtualMs / 1_000).toFixed(0);
      const realMs = clock.monotonicMs() - startedMs;
      const nodes = options.nodes ?? scenario.nodes;
      const speed = Math.round(nodes * result.virtualMs / realMs);
      const verdict = ok ? "ok" : "FAILED";
      options.say(
        `  seed ${seed}: ${verdict}, ${seconds} virtual s, ${trace}, ${speed} node-s/s${
          memory(nodes)
        }`,
      );
      if (ok) continue;
      failed.push({ scenario: scenario.name, seed });
      for (const problem of result.problems) options.say(`    ${problem}`);
      const size = (options.nodes === undefined ? "" : ` --nodes ${options.nodes}`) +
        (options.rounds === undefined ? "" : ` --rounds ${options.rounds}`);
      options.say(
        `    replay: deno task simulate --scenario ${scenario.name} --seeds 1 --seed ${seed}${size}`,
      );
    }
  }
  return {
    ok: failed.length === 0 && lost === 0,
    seeds: options.count,
    failed,
    lost_acknowledged: lost,
    virtual_seconds: Math.round(virtualMs / 1_000),
    trace,
  };
}

/** What the process takes in all, for each node; of few nodes it says nothing. */
function memory(nodes: number): string {
  if (nodes < 50) return "";
  return `, ${(Deno.memoryUsage().rss / nodes / 1e6).toFixed(1)} MB per node`;
}
