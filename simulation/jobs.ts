/** Seeds of a scenario played by several processes at once, each with a stretch of them. */
import { z } from "zod";

/** One process plays this many seeds, so that all of them stay busy and progress is seen. */
const SEEDS_PER_PROCESS = 50;
/** A process keeps many worlds' garbage: more memory than usual, and for each node of a crowd, MB. */
const MEMORY_MB = { least: 3_000, perNode: 30 };

/** What one process, or all of them together, say in their last line. `failed` names seeds, `trace` is the hash of the last run. */
export interface Summary {
  readonly ok: boolean;
  readonly seeds: number;
  readonly failed: readonly { readonly scenario: string; readonly seed: number | string }[];
  readonly lost_acknowledged: number;
  readonly virtual_seconds: number;
  readonly trace: string;
}

const summarySchema = z.strictObject({
  ok: z.boolean(),
  seeds: z.int(),
  failed: z.array(z.strictObject({ scenario: z.string(), seed: z.union([z.int(), z.string()]) })),
  lost_acknowledged: z.int(),
  virtual_seconds: z.int(),
  trace: z.string(),
});

export interface JobOptions {
  readonly scenario: string;
  readonly first: number;
  readonly count: number;
  readonly nodes: number | undefined;
  /** Rounds of learning; default: the scenario's own number. */
  readonly rounds?: number | undefined;
  /** Processes at a time. */
  readonly jobs: number;
  readonly say: (line: string) => void;
}

/** Plays seeds in processes of their own; tells what went wrong, and how far it is after every stretch. */
export async function playInProcesses(options: JobOptions): Promise<Summary> {
  const { scenario, first, count, jobs, say } = options;
  const end = first + count;
  const parts: Summary[] = [];
  let next = first;
  let played = 0;
  const work = async (): Promise<void> => {
    while (next < end) {
      const from = next;
      next = Math.min(end, from + SEEDS_PER_PROCESS);
      const part = await playStretch(options, from, next - from);
      parts.push(part);
      played += part.seeds;
      const failed = parts.reduce((sum, one) => sum + one.failed.length, 0);
      say(`  ${scenario}: ${played} of ${count} seeds, ${failed} failed`);
    }
  };
  await Promise.all(Array.from({ length: jobs }, work));
  return {
    ok: parts.every(({ ok }) => ok),
    seeds: played,
    failed: parts.flatMap(({ failed }) => failed),
    lost_acknowledged: parts.reduce((sum, one) => sum + one.lost_acknowledged, 0),
    virtual_seconds: parts.reduce((sum, one) => sum + one.virtual_seconds, 0),
    trace: parts.at(-1)?.trace ?? "",
  };
}

async function playStretch(
  { scenario, nodes, rounds, say }: JobOptions,
  first: number,
  count: number,
): Promise<Summary> {
  const memoryMb = Math.max(MEMORY_MB.least, MEMORY_MB.perNode * (nodes ?? 0));
  const { stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", `--v8-flags=--max-old-space-size=${memoryMb}`]
      .concat([import.meta.resolve("./main.ts"), "--scenario", scenario])
      .concat(["--seed", String(first), "--seeds", String(count)])
      .concat(nodes === undefined ? [] : ["--nodes", String(nodes)])
      .concat(rounds === undefined ? [] : ["--rounds", String(rounds)]),
  }).output();
  const lines = new TextDecoder().decode(stdout).trimEnd().split("\n");
  for (const line of lines) if (line.includes("FAILED") || line.startsWith("    ")) say(line);
  const summary = summarySchema.safeParse(parsed(lines.at(-1) ?? ""));
  if (summary.success) return summary.data;
  // The process itself came to an end: all that is known is that its seeds were not played.
  say(`  seeds ${first} to ${first + count - 1}: the process failed`);
  say(new TextDecoder().decode(stderr).slice(-2_000));
  return {
    ok: false,
    seeds: count,
    failed: [{ scenario, seed: `${first} to ${first + count - 1}` }],
    lost_acknowledged: 0,
    virtual_seconds: 0,
    trace: "",
  };
}

function parsed(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}
