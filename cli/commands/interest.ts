/** `submind interest`: which topics and sizes of content this device keeps. Headers are always kept. */
import { object, or } from "@optique/core/constructs";
import { map, multiple, withDefault } from "@optique/core/modifiers";
import { command, option } from "@optique/core/primitives";
import { fileSize, string } from "@optique/core/valueparser";
import type { Interest } from "../../actors/handle.ts";
import { BODY_BYTES_MAX } from "../../protocols/blocks/block.ts";
import { type Action, clientOf, type CommandContext, plain } from "../command.ts";
import { EXIT } from "../exit_codes.ts";
import { formatBytes } from "../output/units.ts";
import type { Texts } from "../texts.ts";

/** Parser of the command. */
export function interestCommand(texts: Texts) {
  const set = command(
    "set",
    map(
      object({
        topics: multiple(
          option("--topic", string({ metavar: "TOPIC" }), {
            description: plain(texts.options.interestTopic),
          }),
        ),
        bodyBytesMax: withDefault(
          option("--max-size", fileSize({ metavar: "SIZE" }), {
            description: plain(texts.options.maxSize),
          }),
          BODY_BYTES_MAX,
        ),
      }),
      (interest): Action => (context) => runSet(context, interest),
    ),
    { brief: plain(texts.help.interestSet) },
  );
  const clear = command(
    "clear",
    map(object({}), (): Action => (context) => runSet(context, null)),
    { brief: plain(texts.help.interestClear) },
  );
  return command("interest", or(set, clear, map(object({}), (): Action => runShow)), {
    brief: plain(texts.help.interest),
  });
}

async function runShow(context: CommandContext) {
  show(context, await clientOf(context).interest());
  return EXIT.ok;
}

async function runSet(context: CommandContext, interest: Interest | null) {
  show(context, await clientOf(context).setInterest(interest));
  return EXIT.ok;
}

function show(context: CommandContext, interest: Interest | null): void {
  context.output.result({ interest }, () => {
    const texts = context.texts.interest;
    if (interest === null) return texts.everything;
    const topics = interest.topics.length === 0 ? texts.allTopics : interest.topics.join(", ");
    return texts.only(topics, formatBytes(interest.bodyBytesMax, context.language));
  });
}
