/** `submind search WORDS`: full-text search over everything this device holds. */
import { object } from "@optique/core/constructs";
import { map, multiple, optional, withDefault } from "@optique/core/modifiers";
import { argument, command, option } from "@optique/core/primitives";
import { integer, string } from "@optique/core/valueparser";
import type { SearchHit, SearchPage } from "../../store/store.ts";
import { type Action, clientOf, type CommandContext, plain } from "../command.ts";
import { CliError, EXIT } from "../exit_codes.ts";
import { showMarks } from "../output/marks.ts";
import { printable } from "../output/table.ts";
import { formatCount, formatTime } from "../output/units.ts";
import type { Texts } from "../texts.ts";

interface SearchArguments {
  readonly words: readonly string[];
  readonly topic: string | undefined;
  readonly limit: number;
  readonly offset: number;
}

/** Parser of the command. */
export function searchCommand(texts: Texts) {
  const parser = object({
    words: multiple(
      argument(string({ metavar: "WORD" }), { description: plain(texts.options.words) }),
      { min: 1 },
    ),
    topic: optional(
      option("--topic", string({ metavar: "TOPIC" }), {
        description: plain(texts.options.searchTopic),
      }),
    ),
    limit: withDefault(
      option("-n", "--limit", integer({ min: 1, max: 100, metavar: "N" }), {
        description: plain(texts.options.limit),
      }),
      10,
    ),
    offset: withDefault(
      option("--offset", integer({ min: 0, max: 10_000, metavar: "N" }), {
        description: plain(texts.options.offset),
      }),
      0,
    ),
  });
  return command(
    "search",
    map(parser, (found): Action => (context) => runSearch(context, found)),
    { brief: plain(texts.help.search) },
  );
}

async function runSearch(context: CommandContext, found: SearchArguments) {
  if (found.words.join("").trim() === "") {
    throw new CliError(context.texts.search.empty, {
      code: "usage",
      exitCode: EXIT.usage,
      hint: context.texts.search.emptyHint,
    });
  }
  const page = await clientOf(context).search({
    text: found.words.join(" "),
    topic: found.topic,
    limit: found.limit,
    offset: found.offset,
  });
  context.output.result(page, () => formatHits(context, page, found));
  return EXIT.ok;
}

function formatHits(context: CommandContext, page: SearchPage, found: SearchArguments): string {
  const { texts, language } = context;
  const { dim } = context.output.terminal.colors;
  if (page.hits.length === 0) return texts.search.none(found.words.join(" "));
  const hits = page.hits.map((hit, index) => formatHit(context, hit, found.offset + index + 1));
  const shown = formatCount(page.hits.length, language);
  // The node counts up to 1,000 hits and then stops counting.
  const total = formatCount(page.total, language) + (page.total >= 1_000 ? "+" : "");
  return `${hits.join("\n\n")}\n\n${dim(texts.search.shown(shown, total))}`;
}

function formatHit(context: CommandContext, hit: SearchHit, rank: number): string {
  const { colors } = context.output.terminal;
  const where = [hit.topic, formatTime(hit.timeMs, context.language), hit.author.slice(0, 8)];
  return [
    `${colors.dim(`${rank}.`)} ${colors.cyan(printable(hit.title))}`,
    `   ${showMarks(hit.snippet, colors)}`,
    `   ${colors.dim(printable(where.join(" · ")))}`,
    `   ${colors.dim(hit.blockId)}`,
  ].join("\n");
}
