/** `submind leave`: leaves a mesh that this device is alone in. The identity stays, and everything that was known is kept. */
import { object } from "@optique/core/constructs";
import { map, withDefault } from "@optique/core/modifiers";
import { command, flag } from "@optique/core/primitives";
import { type Action, clientOf, type CommandContext, plain } from "../command.ts";
import { CliError, EXIT } from "../exit_codes.ts";
import { leaveOwnMesh } from "../leaving.ts";
import { askYesNo } from "../output/ask.ts";
import { formatCount } from "../output/units.ts";
import type { Texts } from "../texts.ts";

interface LeaveArguments {
  readonly bring: boolean;
  readonly yes: boolean;
}

/** Parser of the command. */
export function leaveCommand(texts: Texts) {
  const parser = object({
    bring: withDefault(flag("--bring", { description: plain(texts.options.leaveBring) }), false),
    yes: withDefault(flag("--yes", { description: plain(texts.options.yes) }), false),
  });
  return command("leave", map(parser, (found): Action => (context) => runLeave(context, found)), {
    brief: plain(texts.help.leave),
  });
}

async function runLeave(context: CommandContext, found: LeaveArguments) {
  const texts = context.texts.leave;
  const { mesh, members, blocks } = await clientOf(context).status();
  if (mesh === null || members > 1) {
    const message = mesh === null ? texts.noMesh : texts.others(members);
    const hint = mesh === null ? "" : texts.othersHint;
    throw new CliError(message, { code: "notPermitted", exitCode: EXIT.refused, hint });
  }
  const question = texts.question(mesh.slice(0, 16), formatCount(blocks, context.language));
  if (!found.yes && !await askYesNo(context, question, "--yes")) return EXIT.refused;
  const folder = await leaveOwnMesh(context, { mesh, bring: found.bring });
  const result = { ok: true, mesh, folder, bring: found.bring };
  context.output.result(result, () => texts.done(folder, found.bring));
  return EXIT.ok;
}
