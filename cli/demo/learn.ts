/** `submind demo --learn`: starts the devices, tells how they learn, and cleans up whatever happens. */
import { type CommandContext, throwIfInterrupted } from "../command.ts";
import { EXIT, type ExitCode } from "../exit_codes.ts";
import { formatPairs } from "../output/table.ts";
import { sleep } from "../wait.ts";
import type { DemoArguments } from "./demo.ts";
import { demoPictures } from "./learn_data.ts";
import { LearnStory } from "./learn_story.ts";

/** Runs the demo. The last line of `--once --json` is the summary; the exit code is 0 only when all went well. */
export async function runLearnDemo(
  context: CommandContext,
  found: Pick<DemoArguments, "once" | "keep">,
): Promise<ExitCode> {
  const { output, texts } = context;
  const pictures = await demoPictures(context);
  const folder = Deno.makeTempDirSync({ prefix: "submind-learn-" });
  const story = new LearnStory(context, folder, pictures);
  let failed = true;
  try {
    output.note(output.terminal.colors.bold(texts.demoLearn.title));
    const summary = await story.tell();
    failed = false;
    if (found.once) await story.stop();
    output.event({ ok: true, ...summary }, () => "");
    if (!found.once) {
      const pairs = story.nodes.map(({ name, ready }) => [name, ready.loginUrl] as const);
      output.note([texts.demo.running, formatPairs(output.terminal, pairs)].join("\n"));
      output.note(texts.demo.stop);
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
    await story.stop();
    // After a failure the logs are what helps.
    if (!found.keep && (!failed || context.interrupted.aborted)) {
      Deno.removeSync(folder, { recursive: true });
      if (!found.once) output.note(texts.demo.cleaned);
    } else output.note(texts.demo.waitedHint(folder));
  }
}
