/**
 * `submind demo --two-homes`: builds two homes, tells what happens to two people in them while ways are cut and healed, counts what was lost
 * or shown twice, and takes everything down whatever happens.
 */
import type { CommandContext } from "../command.ts";
import { throwIfInterrupted } from "../command.ts";
import { CliError, EXIT, type ExitCode } from "../exit_codes.ts";
import { sleep } from "../wait.ts";
import type { DemoArguments } from "./demo.ts";
import { TwoHomesStory } from "./two_homes_story.ts";
import { buildTwoHomes, type TwoHomesWorld } from "./two_homes_world.ts";

/** Runs the demo. The last line of `--once --json` is the summary; the exit code is 0 only when nothing was lost or shown twice. */
export async function runTwoHomes(
  context: CommandContext,
  found: DemoArguments,
): Promise<ExitCode> {
  const { output, texts } = context;
  const folder = Deno.makeTempDirSync({ prefix: "submind-homes-" });
  let world: TwoHomesWorld | undefined;
  let story: TwoHomesStory | undefined;
  let failed = true;
  try {
    output.note(output.terminal.colors.bold(texts.twoHomes.title));
    output.event({ type: "step", name: "building" }, () => texts.twoHomes.building);
    world = await buildTwoHomes(context, folder);
    const { kind, honestly } = world;
    output.event({ type: "step", name: "world", kind, honestly }, () => honestly);
    throwIfInterrupted(context);
    story = new TwoHomesStory(context, world, folder);
    const summary = await story.tell();
    failed = summary.lost > 0 || summary.duplicated > 0;
    if (failed) {
      throw new CliError(texts.twoHomes.wrong, {
        code: "demo",
        exitCode: EXIT.failed,
        hint: JSON.stringify(summary),
      });
    }
    if (found.once) await story.stop();
    output.event({ ok: true, ...summary }, () => "");
    if (!found.once) {
      output.note([texts.twoHomes.running, texts.demo.stop].join("\n"));
      while (!context.interrupted.aborted) {
        await sleep(context.clock, 60_000, context.interrupted);
      }
    }
    return EXIT.ok;
  } catch (error) {
    // Whatever was under way failed because of it.
    throwIfInterrupted(context);
    throw error;
  } finally {
    await story?.stop();
    await world?.close();
    // After a failure the logs are what helps.
    if (!found.keep && (!failed || context.interrupted.aborted || story === undefined)) {
      Deno.removeSync(folder, { recursive: true });
      if (!found.once) output.note(texts.demo.cleaned);
    } else output.note(texts.demo.waitedHint(folder));
  }
}
