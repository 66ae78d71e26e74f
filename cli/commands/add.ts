/** `submind add FILE|FOLDER|-`: puts documents into the mesh, once or (`--watch`) whenever they change. */
import { object } from "@optique/core/constructs";
import { map, multiple, optional, withDefault } from "@optique/core/modifiers";
import { argument, command, flag, option } from "@optique/core/primitives";
import { string } from "@optique/core/valueparser";
import { path } from "@optique/run/valueparser";
import { resolve } from "node:path";
import { errorText } from "../../platform/error_text.ts";
import { type Action, clientOf, type CommandContext, configOf, plain } from "../command.ts";
import { CliError, EXIT } from "../exit_codes.ts";
import { startProgress } from "../output/progress.ts";
import { printable } from "../output/table.ts";
import { formatBytes, formatCount, formatDuration } from "../output/units.ts";
import type { AddSummary, AddTarget } from "../ingest/add_documents.ts";
import type { Texts } from "../texts.ts";

interface AddArguments {
  readonly inputs: readonly string[];
  readonly topic: string | undefined;
  readonly tags: readonly string[];
  readonly name: string | undefined;
  readonly watch: boolean;
  readonly prune: boolean;
  readonly hidden: boolean;
}

/** Parser of the command. */
export function addCommand(texts: Texts) {
  const parser = object({
    inputs: multiple(
      argument(path({ metavar: "FILE_OR_FOLDER" }), { description: plain(texts.options.inputs) }),
      { min: 1, max: 100 },
    ),
    topic: optional(
      option("--topic", string({ metavar: "TOPIC" }), { description: plain(texts.options.topic) }),
    ),
    tags: multiple(
      option("--tag", string({ metavar: "TAG" }), { description: plain(texts.options.tag) }),
      { max: 24 },
    ),
    name: optional(
      option("--name", string({ metavar: "NAME" }), {
        description: plain(texts.options.stdinName),
      }),
    ),
    watch: withDefault(flag("--watch", { description: plain(texts.options.watch) }), false),
    prune: withDefault(flag("--prune", { description: plain(texts.options.prune) }), false),
    hidden: withDefault(flag("--hidden", { description: plain(texts.options.hidden) }), false),
  });
  return command("add", map(parser, (found): Action => (context) => runAdd(context, found)), {
    brief: plain(texts.help.add),
  });
}

async function runAdd(context: CommandContext, found: AddArguments) {
  const targets = found.inputs.map((input): AddTarget => targetOf(context, input, found));
  if (found.watch && targets.some((target) => target.type === "stdin")) {
    throw new CliError(context.texts.add.cannotWatchStdin, { code: "usage", exitCode: EXIT.usage });
  }
  const client = clientOf(context);
  const { addDocuments } = await import("../ingest/add_documents.ts");
  const addAll = async (chosen: readonly AddTarget[]) => {
    const progress = startProgress(context.output, context.clock, context.texts.add.progress);
    try {
      return await addDocuments(chosen, {
        client,
        clock: context.clock,
        random: context.random,
        placement: { topic: found.topic ?? "documents", tags: found.tags },
        fileBytesMax: configOf(context).limits.bodyBytesMax,
        hidden: found.hidden,
        prune: found.prune,
        signal: context.interrupted,
        onProgress: (done, total, what) => progress.update(done, total, what),
      });
    } finally {
      progress.stop();
    }
  };
  const changes = found.watch
    ? (await import("../ingest/watch.ts")).watchTargets(targets, context.clock, context.interrupted)
    : null;
  const summary = await addAll(targets);
  report(context, summary);
  if (changes === null) return summary.failed ? EXIT.failed : EXIT.ok;
  context.output.note(context.texts.add.watching);
  let gone = summary.goneFiles;
  for await (const touched of changes) {
    const again = await addAll(touched);
    const changed = again.added + again.superseded + again.removed > 0;
    if (changed || again.goneFiles !== gone) report(context, again);
    gone = again.goneFiles;
  }
  return EXIT.ok;
}

function targetOf(context: CommandContext, input: string, found: AddArguments): AddTarget {
  if (input === "-") return { type: "stdin", name: found.name ?? null };
  try {
    return { type: "path", path: Deno.realPathSync(resolve(input)) };
  } catch (error) {
    const cause = errorText(error);
    throw new CliError(context.texts.add.cannotRead(input, cause), {
      code: "notFound",
      exitCode: EXIT.usage,
      hint: context.texts.add.cannotReadHint,
      cause: error,
    });
  }
}

function report(context: CommandContext, summary: AddSummary): void {
  const { output, language } = context;
  const texts = context.texts.add;
  const { green, yellow, dim } = output.terminal.colors;
  const count = (value: number) => formatCount(value, language);
  output.result(summary, () => {
    const changes = [
      [summary.added, texts.added(count(summary.added))],
      [summary.superseded, texts.superseded(count(summary.superseded))],
      [summary.removed, texts.removed(count(summary.removed))],
      [summary.unchanged, texts.unchanged(count(summary.unchanged))],
    ] as const;
    const words = changes.filter(([value]) => value > 0).map(([, text]) => text).join(", ");
    const took = `${formatBytes(summary.bytes, language)}, ${formatDuration(summary.ms, language)}`;
    const lines = [
      `${green("✓")} ${texts.files(count(summary.files))}: ${words || texts.nothing} ${
        dim(`(${took})`)
      }`,
    ];
    for (const [reason, number] of Object.entries(summary.skippedCounts)) {
      const why = texts.skipReasons[reason as keyof typeof texts.skipReasons];
      lines.push(dim(texts.skipped(count(number), why)));
    }
    if (summary.goneFiles > 0) lines.push(dim(texts.gone(count(summary.goneFiles))));
    for (const entry of summary.problems) {
      lines.push(yellow(`  ${printable(entry.path)}: ${printable(entry.detail)}`));
    }
    return lines.join("\n");
  });
}
