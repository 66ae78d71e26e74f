/**
 * `deno task lab`: what the test lab measures, for people and programs.
 *
 *     deno task lab nat [--json] [--pair A,B]…                     every pair of routers: connected or not, by which way, after how long
 *     deno task lab faults [--json] [--seed TEXT] [--messages N]   brokers, hubs, links, nodes, TURN killed while messages flow
 *
 * Exit status: 0 as good as theory allows, 1 not, 2 wrong arguments, 3 cannot run here, 130 interrupted. Whatever happens, hosts and processes
 * are removed.
 */
import { parseArgs } from "node:util";
import { NAT_KINDS, type NatKind } from "../../deployments/lab/nat_lab.ts";
import { errorText } from "../../platform/error_text.ts";
import { runFaults } from "./nat_faults.ts";
import { isGood, measureNatPairs, NAT_PAIRS, type NatPair, type PairResult } from "./nat_matrix.ts";
import { whyNoNatWorld } from "./nat_world.ts";

const USAGE = `Usage: deno task lab nat [--json] [--pair A,B]…
       deno task lab faults [--json] [--seed TEXT] [--messages N]
  A, B: ${NAT_KINDS.join(", ")}`;

/** Runs a measurement; the exit status. */
export async function main(args: readonly string[], signal: AbortSignal): Promise<number> {
  const [what, ...rest] = args;
  try {
    if (what === "nat") return await nat(natArguments(rest), signal);
    if (what === "faults") return await faults(faultsArguments(rest), signal);
    throw new UsageError(`"${what ?? ""}" is nothing the lab measures`);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    console.error(`${error.message}\n${USAGE}`);
    return 2;
  }
}

function faultsArguments(args: string[]) {
  try {
    const { values } = parseArgs({
      args,
      options: {
        json: { type: "boolean" },
        seed: { type: "string", default: "1" },
        messages: { type: "string", default: "10000" },
      },
    });
    const messages = Number(values.messages);
    if (!Number.isInteger(messages) || messages < 100 || messages > 30_000) {
      throw new UsageError(`--messages is "${values.messages}", expected 100 to 30000`);
    }
    return { json: values.json === true, seed: values.seed, messages };
  } catch (error) {
    throw new UsageError(errorText(error));
  }
}

/** Runs `work` in a folder of its own, where such worlds can be made; the exit status. */
async function inLab(
  signal: AbortSignal,
  work: (folder: string) => Promise<number>,
): Promise<number> {
  const reason = await whyNoNatWorld();
  if (reason !== null) {
    console.error(`The lab cannot run here: ${reason}`);
    return 3;
  }
  const folder = await Deno.makeTempDir({ prefix: "submind-lab-" });
  try {
    return await work(folder);
  } catch (error) {
    if (!signal.aborted) throw error;
    console.error("interrupted");
    return 130;
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

function faults(
  { json, seed, messages }: ReturnType<typeof faultsArguments>,
  signal: AbortSignal,
): Promise<number> {
  return inLab(signal, async (folder) => {
    const report = await runFaults({
      seed,
      messages,
      folder,
      signal,
      onProgress: (text) => console.error(text),
    });
    const { lost, duplicated, ordered } = report;
    if (json) console.log(JSON.stringify(report));
    else {
      for (const { fault, home, failover_ms } of report.faults) {
        console.log(
          `${fault.padEnd(10)} ${home === null ? "" : `home ${home}`}  ${failover_ms} ms`,
        );
      }
      console.log(`${report.messages} messages: ${lost} lost, ${duplicated} shown twice`);
    }
    return lost === 0 && duplicated === 0 && ordered ? 0 : 1;
  });
}

class UsageError extends Error {}

function natArguments(args: string[]) {
  try {
    const { values } = parseArgs({
      args,
      options: { json: { type: "boolean" }, pair: { type: "string", multiple: true } },
    });
    return { json: values.json === true, pairs: values.pair?.map(parsePair) ?? NAT_PAIRS };
  } catch (error) {
    throw new UsageError(errorText(error));
  }
}

async function nat(
  { json, pairs }: { readonly json: boolean; readonly pairs: readonly NatPair[] },
  signal: AbortSignal,
): Promise<number> {
  return await inLab(signal, async (folder) => {
    const results = await measureNatPairs({
      pairs,
      folder,
      signal,
      onProgress: (text) => console.error(text),
      onResult: (result) => {
        if (json) console.log(JSON.stringify(result));
      },
    });
    if (!json) console.log(table(results));
    return results.every(isGood) ? 0 : 1;
  });
}

function parsePair(text: string): NatPair {
  const [a, b, ...more] = text.split(",");
  const isKind = (kind: string | undefined): kind is NatKind =>
    (NAT_KINDS as readonly string[]).includes(kind ?? "");
  if (!isKind(a) || !isKind(b) || more.length > 0) {
    throw new RangeError(`--pair is "${text}", expected two kinds with a comma between them`);
  }
  return [a, b];
}

function table(results: readonly PairResult[]): string {
  const rows = [
    ["router", "router", "path", "transport", "session ms", "best path ms", "theory", ""],
    ...results.map((result) => [
      result.a,
      result.b,
      result.path ?? "none",
      result.transport ?? "",
      String(result.up_ms ?? ""),
      String(result.ms ?? ""),
      result.expected,
      isGood(result) ? "" : "worse than theory",
    ]),
  ];
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  return rows.map((row) =>
    row.map((cell, column) => cell.padEnd(widths[column]!)).join("  ").trimEnd()
  ).join("\n");
}

if (import.meta.main) {
  const interrupted = new AbortController();
  for (const name of ["SIGINT", "SIGTERM"] as const) {
    Deno.addSignalListener(name, () => interrupted.abort());
  }
  Deno.exit(await main(Deno.args, interrupted.signal));
}
