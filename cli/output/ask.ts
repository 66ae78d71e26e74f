/** Questions to a person. Never answered by default: without somebody at the keyboard they are an error. */
import * as clack from "@clack/prompts";
import type { CommandContext } from "../command.ts";
import { CliError, EXIT } from "../exit_codes.ts";

/** Asks yes or no; no is preselected, Ctrl-C ends the command. `flag` is what scripts use instead. */
export async function askYesNo(
  context: CommandContext,
  question: string,
  flag: string,
): Promise<boolean> {
  if (!context.output.terminal.inIsTerminal || context.output.json) {
    throw new CliError(context.texts.ask.nobody(question), {
      code: "nobodyToAsk",
      exitCode: EXIT.usage,
      hint: context.texts.ask.nobodyHint(flag),
    });
  }
  const answer = await clack.confirm({
    message: question,
    initialValue: false,
    active: context.texts.ask.yes,
    inactive: context.texts.ask.no,
    signal: context.interrupted,
  });
  if (clack.isCancel(answer)) {
    throw new CliError(context.texts.interrupted, {
      code: "interrupted",
      exitCode: EXIT.interrupted,
    });
  }
  return answer;
}
