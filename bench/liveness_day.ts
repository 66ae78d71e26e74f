/**
 * A virtual day of a large mesh over a bad network, hour by hour: `deno run -A bench/liveness_day.ts [--nodes 1000] [--hours 24]
 * [--part 1 --parts 1] [--log results/liveness_day.jsonl]`. Each hour is a mesh of its own, with a seed of its own, so that the day can be stopped,
 * goes on where it was, and may be lived through by several processes (each takes its part of the hours; give each its own log). What it
 * prints last is the sum of its log.
 */
import { object } from "@optique/core/constructs";
import { message } from "@optique/core/message";
import { withDefault } from "@optique/core/modifiers";
import { option } from "@optique/core/primitives";
import { integer, string } from "@optique/core/valueparser";
import { run as parseArguments } from "@optique/run";
import { liveBadHours } from "./micro/liveness_hours.ts";

const STALL_EVERY_MS = 3_600_000;

const atLeastOne = integer({ min: 1, max: 100_000 });
const { nodes, hours, part, parts, log } = parseArguments(
  object({
    nodes: withDefault(option("--nodes", atLeastOne), 1_000),
    hours: withDefault(option("--hours", atLeastOne), 24),
    part: withDefault(option("--part", atLeastOne), 1),
    parts: withDefault(option("--parts", atLeastOne), 1),
    log: withDefault(option("--log", string()), "results/liveness_day.jsonl"),
  }),
  { help: "option", brief: message`A virtual day of a large mesh over a bad network.` },
);

interface Hour {
  readonly hour: number;
  readonly nodes: number;
  readonly falselyDead: number;
  readonly stalls: number;
  readonly suspicions: number;
  readonly bytesPerNodeAndSecond: number;
}

const lived = await readLog();
for (let hour = part; hour <= hours; hour += parts) {
  if (lived.some((known) => known.hour === hour && known.nodes === nodes)) continue;
  const seed = `hour ${hour} of a day`;
  const found: Hour = {
    hour,
    nodes,
    ...liveBadHours({ seed, nodes, hours: 1, stallEveryMs: STALL_EVERY_MS }),
  };
  lived.push(found);
  await Deno.writeTextFile(log, `${JSON.stringify(found)}\n`, { append: true });
  console.error(`hour ${hour}: ${found.falselyDead} believed dead, ${found.stalls} stalls`);
}
const ours = lived.filter((hour) => hour.nodes === nodes);
const sum = (of: (hour: Hour) => number) => ours.reduce((total, hour) => total + of(hour), 0);
console.log(JSON.stringify({
  nodes,
  hours: ours.length,
  falselyDead: sum((hour) => hour.falselyDead),
  stalls: sum((hour) => hour.stalls),
  suspicions: sum((hour) => hour.suspicions),
  bytesPerNodeAndSecond: sum((hour) => hour.bytesPerNodeAndSecond) / ours.length,
}));

async function readLog(): Promise<Hour[]> {
  const folder = log.slice(0, Math.max(0, log.lastIndexOf("/")));
  if (folder !== "") await Deno.mkdir(folder, { recursive: true });
  try {
    const lines = (await Deno.readTextFile(log)).split("\n").filter((line) => line !== "");
    return lines.map((line) => JSON.parse(line) as Hour);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}
