/**
 * `submind demo --two-homes`: builds two homes, tells what happens to two people in them while ways are cut and healed, and counts what was
 * lost or shown twice.
 */
import type { CommandContext } from "../command.ts";
import { throwIfInterrupted } from "../command.ts";
import { CliError, EXIT, type ExitCode } from "../exit_codes.ts";
import type { DemoArguments } from "./demo.ts";
import { runStory } from "./run_story.ts";
import { TwoHomesStory } from "./two_homes_story.ts";
import { buildTwoHomes } from "./two_homes_world.ts";

/** Runs the demo. It has gone well only when nothing was lost or shown twice. */
export async function runTwoHomes(
  context: CommandContext,
  found: DemoArguments,
): Promise<ExitCode> {
  const { output, texts } = context;
  return await runStory(context, found, {
    prefix: "submind-homes-",
    title: texts.twoHomes.title,
    async tell(folder, onEnd) {
      output.event({ type: "step", name: "building" }, () => texts.twoHomes.building);
      const world = await buildTwoHomes(context, folder);
      onEnd(() => world.close());
      const { kind, honestly } = world;
      output.event({ type: "step", name: "world", kind, honestly }, () => honestly);
      throwIfInterrupted(context);
      const story = new TwoHomesStory(context, world, folder);
      onEnd(() => story.stop());
      const summary = await story.tell();
      if (summary.lost === 0 && summary.duplicated === 0) return summary;
      throw new CliError(texts.twoHomes.wrong, {
        code: "demo",
        exitCode: EXIT.failed,
        hint: JSON.stringify(summary),
      });
    },
    sayRunning: () => output.note([texts.twoHomes.running, texts.demo.stop].join("\n")),
  });
}
