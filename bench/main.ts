/** `deno task bench`: runs the benches and prints their figures; `--write` puts them into `docs/benchmarks.md`. */
import { object } from "@optique/core/constructs";
import { message } from "@optique/core/message";
import { multiple, withDefault } from "@optique/core/modifiers";
import { flag, option } from "@optique/core/primitives";
import { choice } from "@optique/core/valueparser";
import { run as parseArguments } from "@optique/run";
import os from "node:os";
import { BENCHES } from "./list.ts";
import type { Figure } from "./harness.ts";
import { figureLine, formatNumber, withReport } from "./report.ts";

const DOCUMENT = new URL("../docs/benchmarks.md", import.meta.url);

const parser = object({
  json: withDefault(flag("--json", { description: message`One line of JSON per figure.` }), false),
  quick: withDefault(flag("--quick", { description: message`Small sizes, no claims.` }), false),
  write: withDefault(
    flag("--write", { description: message`Also update docs/benchmarks.md.` }),
    false,
  ),
  only: multiple(
    option("--only", choice(Object.keys(BENCHES), { metavar: "NAME" }), {
      description: message`Only this bench; repeat it for several.`,
    }),
  ),
});

function machine(): string {
  const [core] = os.cpus();
  const memory = Math.round(os.totalmem() / 2 ** 30);
  const model = core?.model.trim() ?? "unknown processor";
  return `${os.cpus().length} × ${model}, ${memory} GiB, ${os.type()} ${os.release()}, Deno ${Deno.version.deno}`;
}

function print(figure: Figure, json: boolean): void {
  if (json) return console.log(figureLine(figure));
  const { name, value, unit, limit, ratio, note } = figure;
  const extra = [
    limit === undefined ? "" : `limit ${formatNumber(limit)}`,
    ratio === undefined ? "" : `ratio ${formatNumber(ratio)}`,
    note ?? "",
  ].filter((text) => text !== "").join(" · ");
  console.log(`${name.padEnd(56)} ${`${formatNumber(value)} ${unit}`.padStart(22)}  ${extra}`);
}

/** Puts the figures of one bench into the document; those of others stay as they were. */
async function write(bench: string, figures: readonly Figure[]): Promise<void> {
  const document = await Deno.readTextFile(DOCUMENT);
  const date = new Date().toISOString().slice(0, 10);
  const command = `deno task bench --only ${bench}`;
  const report = { bench, machine: machine(), date, command, figures };
  await Deno.writeTextFile(DOCUMENT, withReport(document, report));
}

if (import.meta.main) {
  const options = parseArguments(parser, {
    programName: "bench",
    help: "option",
    errorExitCode: 2,
  });
  const names = options.only.length > 0 ? options.only : Object.keys(BENCHES);
  let failed = false;
  for (const name of names) {
    try {
      const bench = await BENCHES[name]?.();
      const figures = await bench?.run({ quick: options.quick }) ?? [];
      for (const figure of figures) print(figure, options.json);
      if (options.write) await write(name, figures);
    } catch (error) {
      failed = true;
      console.error(`Cannot measure "${name}":`, error);
    }
  }
  Deno.exit(failed ? 1 : 0);
}
