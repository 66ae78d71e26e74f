/** `submind learn`: one model learned together. */
import { command } from "@optique/core/primitives";
import { plain } from "../command.ts";
import type { Texts } from "../texts.ts";
import { learnDataCommand } from "./learn_data.ts";

/** Parser of the command. */
export function learnCommand(texts: Texts) {
  return command("learn", learnDataCommand(texts), { brief: plain(texts.learnData.help.learn) });
}
