/** `submind demo --learn`: starts the devices and tells how they learn. */
import type { CommandContext } from "../command.ts";
import type { ExitCode } from "../exit_codes.ts";
import { formatPairs } from "../output/table.ts";
import type { DemoArguments } from "./demo.ts";
import { demoPictures } from "./learn_data.ts";
import { LearnStory } from "./learn_story.ts";
import { runStory } from "./run_story.ts";

/** Runs the demo. */
export async function runLearnDemo(
  context: CommandContext,
  found: Pick<DemoArguments, "once" | "keep">,
): Promise<ExitCode> {
  const { output, texts } = context;
  const pictures = await demoPictures(context);
  let story: LearnStory | undefined;
  return await runStory(context, found, {
    prefix: "submind-learn-",
    title: texts.demoLearn.title,
    tell(folder, onEnd) {
      const telling = story = new LearnStory(context, folder, pictures);
      onEnd(() => telling.stop());
      return telling.tell();
    },
    sayRunning() {
      const nodes = story?.nodes ?? [];
      const pairs = nodes.map(({ name, ready }) => [name, ready.loginUrl] as const);
      output.note([texts.demo.running, formatPairs(output.terminal, pairs)].join("\n"));
      output.note(texts.demo.stop);
    },
  });
}
