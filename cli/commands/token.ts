/** `submind token NAME`: a bearer token for a program, on standard output and nothing else there. Works without a running node. */
import { object } from "@optique/core/constructs";
import { map, withDefault } from "@optique/core/modifiers";
import { argument, command, option } from "@optique/core/primitives";
import { choice, integer, string } from "@optique/core/valueparser";
import { type Scope, SCOPES } from "../../deployments/token.ts";
import { errorText } from "../../platform/error_text.ts";
import { type Action, type CommandContext, dataDirectoryOf, plain } from "../command.ts";
import { CliError, EXIT } from "../exit_codes.ts";
import { exists } from "../folder.ts";
import { formatTime } from "../output/units.ts";
import type { Texts } from "../texts.ts";

const DAY_MS = 86_400_000;

interface TokenArguments {
  readonly name: string;
  readonly scope: Scope;
  readonly days: number;
}

/** Parser of the command. */
export function tokenCommand(texts: Texts) {
  const parser = object({
    name: argument(string({ metavar: "NAME", pattern: /^[\x21-\x7e]{1,64}$/ }), {
      description: plain(texts.options.tokenName),
    }),
    scope: withDefault(
      option("--scope", choice(SCOPES, { metavar: "SCOPE" }), {
        description: plain(texts.options.tokenScope),
      }),
      "read" as const,
    ),
    days: withDefault(
      option("--days", integer({ min: 1, max: 366, metavar: "DAYS" }), {
        description: plain(texts.options.tokenDays),
      }),
      30,
    ),
  });
  return command("token", map(parser, (found): Action => (context) => runToken(context, found)), {
    brief: plain(texts.help.token),
  });
}

async function runToken(context: CommandContext, found: TokenArguments) {
  const { name, scope, days } = found;
  const texts = context.texts.token;
  const dataDirectory = dataDirectoryOf(context);
  // A secret in a folder that no node uses would be worth nothing: most likely the folder is not the one that was meant.
  if (!exists(dataDirectory)) {
    throw new CliError(texts.noFolder(dataDirectory), {
      code: "notFound",
      exitCode: EXIT.refused,
      hint: context.texts.notRunning.hint(context.dataArgument),
    });
  }
  const { mintToken } = await import("../../deployments/token.ts");
  const { token, expiresAtMs } = await mintToken({
    dataDirectory,
    subject: name,
    scope,
    validMs: days * DAY_MS,
  }).catch((error: unknown) => {
    const message = errorText(error);
    throw new CliError(message, { code: "failed", exitCode: EXIT.failed, cause: error });
  });
  context.output.result({ token, subject: name, scope, expiresAtMs }, () => token);
  context.output.note(texts.made(name, scope, formatTime(expiresAtMs, context.language)));
  return EXIT.ok;
}
