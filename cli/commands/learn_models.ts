/** `submind learn`: versions of models — show, compare, roll back, check, write as a file. */
import { object, or } from "@optique/core/constructs";
import { map, optional, withDefault } from "@optique/core/modifiers";
import { command, flag, option } from "@optique/core/primitives";
import { choice } from "@optique/core/valueparser";
import { path } from "@optique/run/valueparser";
import type { ModelComparison, ModelView, Verification } from "../../actors/learning_handle.ts";
import { type Action, clientOf, type CommandContext, plain } from "../command.ts";
import { EXIT } from "../exit_codes.ts";
import { figure, percent, SHORT_ID } from "../learning/figures.ts";
import { idArgument } from "../learning/short_id.ts";
import { refuseExisting, writeOut } from "../learning/write_file.ts";
import { formatTable } from "../output/table.ts";
import { formatBytes, formatCount, formatDuration } from "../output/units.ts";
import type { Texts } from "../texts.ts";

const FORMATS = ["safetensors", "onnx"] as const;

/** Parser of the commands, to stand below `learn`. */
export function learnModelCommands(texts: Texts) {
  const { help, options } = texts.learnModels;
  const shared = texts.learnRuns.options;
  const version = (description = options.version) => idArgument(texts, "VERSION", description);
  const models = command(
    "models",
    map(
      object({
        run: optional(idArgument(texts, "RUN", shared.anyRun)),
      }),
      (found): Action => (context) => runModels(context, found.run),
    ),
    { brief: plain(help.models) },
  );
  const compare = command(
    "compare",
    map(
      object({ a: version(), b: version(options.other) }),
      (found): Action => (context) => runCompare(context, found),
    ),
    { brief: plain(help.compare) },
  );
  const rollback = command(
    "rollback",
    map(
      object({ version: version() }),
      (found): Action => (context) => runRollback(context, found.version),
    ),
    { brief: plain(help.rollback) },
  );
  const verify = command(
    "verify",
    map(
      object({ version: version() }),
      (found): Action => (context) => runVerify(context, found.version),
    ),
    { brief: plain(help.verify) },
  );
  const exporting = command(
    "export",
    map(
      object({
        version: version(),
        format: withDefault(
          option("--format", choice(FORMATS, { metavar: "FORMAT" }), {
            description: plain(options.format),
          }),
          "safetensors",
        ),
        out: option("--out", path({ metavar: "FILE" }), { description: plain(shared.out) }),
        force: withDefault(flag("--force", { description: plain(shared.force) }), false),
      }),
      (found): Action => (context) => runExport(context, found),
    ),
    { brief: plain(help.export) },
  );
  return or(models, compare, rollback, verify, exporting);
}

async function runModels(context: CommandContext, run: string | undefined) {
  const models = await clientOf(context).learning.models(run);
  context.output.result({ models }, () => formatModels(context, models));
  return EXIT.ok;
}

async function runCompare(
  context: CommandContext,
  { a, b }: { readonly a: string; readonly b: string },
) {
  const comparison = await clientOf(context).learning.compare(a, b);
  context.output.result(comparison, () => formatComparison(context, comparison));
  return EXIT.ok;
}

async function runRollback(context: CommandContext, version: string) {
  const model = await clientOf(context).learning.rollBack(version);
  context.output.result(
    { ok: true, ...model },
    () => context.texts.learnModels.rolledBack(model.version.slice(0, SHORT_ID), model.round),
  );
  return EXIT.ok;
}

async function runVerify(context: CommandContext, version: string) {
  const found = await clientOf(context).learning.verify(version);
  context.output.result({ ok: found.valid, ...found }, () => formatVerification(context, found));
  if (found.valid) return EXIT.ok;
  context.output.note(`→ ${context.texts.learnModels.invalidHint}`);
  return EXIT.refused;
}

async function runExport(
  context: CommandContext,
  { version, format, out, force }: {
    readonly version: string;
    readonly format: typeof FORMATS[number];
    readonly out: string;
    readonly force: boolean;
  },
) {
  refuseExisting(context, { out, force });
  const body = await clientOf(context).learning.export(version, format);
  const bytes = await writeOut(context, out, body);
  context.output.result(
    { ok: true, file: out, format, bytes },
    () => context.texts.learnModels.exported(out, formatBytes(bytes, context.language)),
  );
  return EXIT.ok;
}

function formatModels(context: CommandContext, models: readonly ModelView[]): string {
  const { language, output } = context;
  const texts = context.texts.learnModels;
  const words = context.texts.learnRuns;
  if (models.length === 0) return texts.none;
  const { green, red, dim } = output.terminal.colors;
  const head = [texts.version, words.run, words.round, words.accuracy, words.loss, texts.devices];
  return formatTable(
    output.terminal,
    [...head, texts.size, texts.here, texts.verified, ""],
    models.map((model) => {
      const said = texts.verifications[model.verified];
      return [
        model.version.slice(0, SHORT_ID),
        model.run.slice(0, SHORT_ID),
        formatCount(model.round, language),
        percent(model.metrics.accuracy, context),
        figure(model.metrics.loss, context),
        formatCount(model.participants, language),
        formatBytes(model.bytes, language),
        model.here ? words.yes : texts.no,
        model.verified === "invalid" ? red(said) : said,
        model.current ? green(texts.current) : dim(""),
      ];
    }),
  );
}

function formatComparison(context: CommandContext, found: ModelComparison): string {
  const texts = context.texts.learnModels;
  const number = (value: number) => figure(value, context);
  const table = formatTable(
    context.output.terminal,
    [texts.layer, texts.distance, texts.relative],
    found.layers.map(({ name, l2, relative }) => [name, number(l2), percent(relative, context)]),
  );
  const lines = [table, texts.together(number(found.l2), number(found.cosine))];
  const { a, b } = found.metrics;
  if (a.accuracy !== null && b.accuracy !== null) {
    lines.push(texts.accuracies(percent(a.accuracy, context), percent(b.accuracy, context)));
  }
  return lines.join("\n");
}

function formatVerification(context: CommandContext, found: Verification): string {
  const texts = context.texts.learnModels;
  const { told } = context.texts.learnRuns;
  const { green, red } = context.output.terminal.colors;
  const version = found.version.slice(0, SHORT_ID);
  const checks = found.checks.map(({ check, ok, detail }) =>
    `${ok ? green("✓") : red("✗")} ${texts.checks[check] ?? check}${
      detail === "" ? "" : `: ${told(detail)}`
    }`
  );
  const time = formatDuration(found.durationMs, context.language);
  const verdict = found.valid ? green(texts.valid(version, time)) : red(texts.invalid(version));
  return [...checks, verdict].join("\n");
}
