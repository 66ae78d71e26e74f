/** `submind demo`: the whole story with three real nodes as three processes on this machine. */
import { object } from "@optique/core/constructs";
import { map, optional, withDefault } from "@optique/core/modifiers";
import { command, flag, option } from "@optique/core/primitives";
import { path } from "@optique/run/valueparser";
import { type Action, plain } from "../command.ts";
import type { Texts } from "../texts.ts";

/** Parser of the command. */
export function demoCommand(texts: Texts) {
  const parser = object({
    once: withDefault(flag("--once", { description: plain(texts.options.demoOnce) }), false),
    docs: optional(
      option("--docs", path({ metavar: "FOLDER", type: "directory" }), {
        description: plain(texts.options.demoDocs),
      }),
    ),
    keep: withDefault(flag("--keep", { description: plain(texts.options.demoKeep) }), false),
    twoHomes: withDefault(
      flag("--two-homes", { description: plain(texts.options.demoTwoHomes) }),
      false,
    ),
    learn: withDefault(
      flag("--learn", { description: plain(texts.demoLearn.option) }),
      false,
    ),
    noMulticast: withDefault(
      flag("--no-multicast", { description: plain(texts.options.demoNoMulticast) }),
      false,
    ),
  });
  return command(
    "demo",
    map(parser, (found): Action => async (context) => {
      if (found.twoHomes) {
        const { runTwoHomes } = await import("../demo/two_homes.ts");
        return await runTwoHomes(context, found);
      }
      if (found.learn) {
        const { runLearnDemo } = await import("../demo/learn.ts");
        return await runLearnDemo(context, found);
      }
      const { runDemo } = await import("../demo/demo.ts");
      return await runDemo(context, found);
    }),
    { brief: plain(texts.help.demo) },
  );
}
