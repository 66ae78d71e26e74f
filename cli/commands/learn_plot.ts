/** `submind learn plot`: accuracy and loss of a run as a picture. */
import { object } from "@optique/core/constructs";
import { map, withDefault } from "@optique/core/modifiers";
import { command, flag, option } from "@optique/core/primitives";
import { path } from "@optique/run/valueparser";
import { type Action, clientOf, type CommandContext, plain } from "../command.ts";
import { CliError, EXIT } from "../exit_codes.ts";
import { drawCurves } from "../learning/curve_svg.ts";
import { shownMetrics } from "../learning/figures.ts";
import { describePlan } from "../learning/plan_text.ts";
import { idArgument } from "../learning/short_id.ts";
import { refuseExisting, writeOut } from "../learning/write_file.ts";
import type { Texts } from "../texts.ts";

/** Parser of the command, to stand below `learn`. */
export function learnPlotCommand(texts: Texts) {
  const { help, options } = texts.learnRuns;
  return command(
    "plot",
    map(
      object({
        run: idArgument(texts, "RUN", options.run),
        out: option("--out", path({ metavar: "FILE.svg" }), { description: plain(options.out) }),
        force: withDefault(flag("--force", { description: plain(options.force) }), false),
      }),
      (found): Action => (context) => runPlot(context, found),
    ),
    { brief: plain(help.plot) },
  );
}

async function runPlot(
  context: CommandContext,
  { run: id, out, force }: { readonly run: string; readonly out: string; readonly force: boolean },
) {
  const texts = context.texts.learnRuns;
  if (!/\.svg$/i.test(out)) {
    throw new CliError(texts.notSvg(out), {
      code: "usage",
      exitCode: EXIT.usage,
      hint: texts.notSvgHint,
    });
  }
  refuseExisting(context, { out, force });
  const { learning } = clientOf(context);
  const run = await learning.run(id);
  const rounds = await learning.rounds(run.run);
  if (rounds.length === 0) {
    throw new CliError(texts.noRounds, {
      code: "refused",
      exitCode: EXIT.refused,
      hint: texts.watchHint(run.run.slice(0, 10)),
    });
  }
  const svg = drawCurves({
    title: run.title,
    subtitle: describePlan(run.plan, context),
    rounds,
    words: texts.plot,
    own: shownMetrics(rounds, texts),
    language: context.language,
  });
  const bytes = await writeOut(context, out, new Blob([svg]).stream());
  context.output.result(
    { ok: true, file: out, bytes, rounds: rounds.length },
    () => texts.plotted(out, rounds.length),
  );
  return EXIT.ok;
}
