/** How runs and versions are named on the command line: by their id, or by a beginning of it that no other has. */
import { argument } from "@optique/core/primitives";
import { string } from "@optique/core/valueparser";
import { plain } from "../command.ts";
import type { Texts } from "../texts.ts";

/** As the node has it (`shortIdSchema` of the gateway). */
const ID = /^[0-9a-f]{6,64}$/;
const SHOWN_MAX = 60;

/** What stands for a run or a version; says what was expected of anything else. */
export function shortId(texts: Texts, metavar: "RUN" | "VERSION") {
  const { badId } = texts.learnRuns;
  return string({
    metavar,
    pattern: ID,
    placeholder: "000000",
    errors: { patternMismatch: (input) => plain(badId[metavar](input.slice(0, SHOWN_MAX))) },
  });
}

/** The same as an argument. */
export function idArgument(texts: Texts, metavar: "RUN" | "VERSION", description: string) {
  return argument(shortId(texts, metavar), { description: plain(description) });
}
