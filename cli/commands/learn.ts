/** `submind learn`: one model learned together. */
import { or } from "@optique/core/constructs";
import { command } from "@optique/core/primitives";
import { plain } from "../command.ts";
import type { Texts } from "../texts.ts";
import { learnDataCommand } from "./learn_data.ts";
import { learnEpsilonCommand } from "./learn_epsilon.ts";

/** Parser of the command. */
export function learnCommand(texts: Texts) {
  return command(
    "learn",
    or(learnDataCommand(texts), learnEpsilonCommand(texts)),
    { brief: plain(texts.learnData.help.learn) },
  );
}
