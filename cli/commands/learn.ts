/** `submind learn`: one model learned together. */
import { object, or } from "@optique/core/constructs";
import { map } from "@optique/core/modifiers";
import { command } from "@optique/core/primitives";
import { type Action, plain } from "../command.ts";
import type { Texts } from "../texts.ts";
import { learnDataCommand } from "./learn_data.ts";
import { learnEpsilonCommand } from "./learn_epsilon.ts";
import { learnModelCommands } from "./learn_models.ts";
import { learnPlotCommand } from "./learn_plot.ts";
import { learnRunCommands, runStatus } from "./learn_runs.ts";
import { learnStartCommand } from "./learn_start.ts";

/** Parser of the command. */
export function learnCommand(texts: Texts) {
  return command(
    "learn",
    or(
      learnStartCommand(texts),
      learnRunCommands(texts),
      learnPlotCommand(texts),
      learnModelCommands(texts),
      learnDataCommand(texts),
      learnEpsilonCommand(texts),
      map(object({}), (): Action => (context) => runStatus(context)),
    ),
    { brief: plain(texts.learnData.help.learn) },
  );
}
