/**
 * Questions: how long until `submind up` answers, and what does a node cost that does nothing? Beside a program of the same
 * runtime that does nothing at all, started and weighed in the same run. Without multicast: a bench talks to loopback only.
 */
import { readNodeFile } from "../../cli/node_file.ts";
import type { ChildNode } from "../../cli/demo/child_node.ts";
import { type Figure, median } from "../harness.ts";
import { benchContext, startNamed } from "./bench_nodes.ts";

/** What we promise, ms, MiB and percent of one core. */
const START_MS_MAX = 2_000;
const MEMORY_MIB_MAX = 200;
const CPU_PERCENT_MAX = 2;
/** Linux counts processor time in these, 1/s (`getconf CLK_TCK`; fixed in the interface to user space). */
const TICKS_PER_SECOND = 100;

/** Start-up, resident memory after a rest, processor time at rest. */
export async function run({ quick }: { readonly quick: boolean }): Promise<Figure[]> {
  const starts = quick ? 1 : 5;
  const restMs = quick ? 500 : 10_000;
  const directory = await Deno.makeTempDir({ prefix: "submind-bench-" });
  const context = benchContext();
  const [startMs, emptyMs]: [number[], number[]] = [[], []];
  let node: ChildNode | undefined;
  try {
    for (let i = 0; i < starts; i++) {
      emptyMs.push(await runEmpty());
      await node?.stop();
      const startedMs = performance.now();
      // The first start makes keys and database; the later ones open what is there.
      node = await startNamed(context, directory, { name: "node", multicast: false });
      const health = await fetch(`${node.client.gatewayUrl}/healthz`);
      await health.body?.cancel();
      if (!health.ok) throw new Error(`Cannot measure: /healthz answers ${health.status}`);
      startMs.push(performance.now() - startedMs);
    }
    const [start, empty] = [median(startMs), median(emptyMs)];
    return [
      {
        name: "node: start until /healthz answers, p50",
        value: start,
        unit: "ms",
        limit: START_MS_MAX,
        ratio: start / empty,
        note: `${starts} starts; ratio to an empty program of the same runtime: ${
          Math.round(empty)
        } ms`,
      },
      ...await atRest(`${directory}/node`, restMs),
    ];
  } finally {
    await node?.stop();
    await Deno.remove(directory, { recursive: true });
  }
}

async function atRest(dataDirectory: string, restMs: number): Promise<Figure[]> {
  if (Deno.build.os !== "linux") return [];
  const found = readNodeFile(dataDirectory);
  if (found.type !== "found") throw new Error("Cannot measure: the node has no node file");
  const { pid } = found.node;
  await new Promise((resolve) => setTimeout(resolve, restMs));
  const emptyMiB = await weighEmpty();
  const memoryMiB = residentMiB(pid);
  const before = cpuSeconds(pid);
  const startedMs = performance.now();
  await new Promise((resolve) => setTimeout(resolve, restMs));
  const seconds = (performance.now() - startedMs) / 1_000;
  const percent = (cpuSeconds(pid) - before) / seconds * 100;
  return [
    {
      name: "node: resident memory at rest",
      value: memoryMiB,
      unit: "MiB",
      limit: MEMORY_MIB_MAX,
      ratio: memoryMiB / emptyMiB,
      note: `${restMs} ms after the start; ratio to an empty program of the same runtime: ${
        Math.round(emptyMiB)
      } MiB`,
    },
    {
      name: "node: processor at rest",
      value: percent,
      unit: "% of a core",
      limit: CPU_PERCENT_MAX,
      note: `over ${restMs} ms, no peers, no multicast`,
    },
  ];
}

function emptyProgram(program: string): Deno.Command {
  return new Deno.Command(Deno.execPath(), {
    args: ["eval", program],
    stdin: "piped",
    stdout: "piped",
    stderr: "null",
  });
}

/** Milliseconds until an empty program has run. */
async function runEmpty(): Promise<number> {
  const startedMs = performance.now();
  const process = emptyProgram("").spawn();
  await process.stdin.close();
  await process.output();
  return performance.now() - startedMs;
}

/** Resident memory of a program that waits, MiB. */
async function weighEmpty(): Promise<number> {
  const process = emptyProgram("console.log(1); for await (const _ of Deno.stdin.readable);")
    .spawn();
  const reader = process.stdout.getReader();
  await reader.read();
  const weight = residentMiB(process.pid);
  await reader.cancel();
  await process.stdin.close();
  await process.status;
  return weight;
}

function residentMiB(pid: number): number {
  const kib = /^VmRSS:\s+(\d+) kB$/m.exec(Deno.readTextFileSync(`/proc/${pid}/status`))?.[1];
  return Number(kib) / 1024;
}

function cpuSeconds(pid: number): number {
  // The name in parentheses may hold spaces; user and system time are fields 14 and 15 of the line.
  const fields = Deno.readTextFileSync(`/proc/${pid}/stat`).split(") ")[1]?.split(" ") ?? [];
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
}
