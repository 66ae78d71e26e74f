/** `submind members`: who belongs to the mesh; `members update` and `members revoke` change it. */
import { object, or } from "@optique/core/constructs";
import { map, multiple, optional, withDefault } from "@optique/core/modifiers";
import { argument, command, flag, option } from "@optique/core/primitives";
import { choice, string } from "@optique/core/valueparser";
import type { MemberView } from "../../actors/handle.ts";
import { PERMISSIONS, ROLES, TRUST_LEVELS } from "../../protocols/registry/roles.ts";
import type { Permission, Role, TrustLevel } from "../../protocols/registry/roles.ts";
import { type Action, clientOf, type CommandContext, findMember, plain } from "../command.ts";
import { CliError, EXIT } from "../exit_codes.ts";
import { askYesNo } from "../output/ask.ts";
import { formatTable, printable } from "../output/table.ts";
import { formatTime } from "../output/units.ts";
import type { Texts } from "../texts.ts";

interface UpdateArguments {
  readonly member: string;
  readonly name: string | undefined;
  readonly role: Role | undefined;
  readonly trust: TrustLevel | undefined;
  readonly permissions: readonly Permission[];
}

/** Parser of the command. */
export function membersCommand(texts: Texts) {
  const member = () =>
    argument(string({ metavar: "MEMBER" }), { description: plain(texts.options.member) });
  const update = command(
    "update",
    map(
      object({
        member: member(),
        name: optional(
          option("--name", string({ metavar: "NAME" }), {
            description: plain(texts.options.memberName),
          }),
        ),
        role: optional(
          option("--role", choice(ROLES, { metavar: "ROLE" }), {
            description: plain(texts.options.role),
          }),
        ),
        trust: optional(
          option("--trust", choice(TRUST_LEVELS, { metavar: "LEVEL" }), {
            description: plain(texts.options.trust),
          }),
        ),
        permissions: multiple(
          option("--permission", choice(PERMISSIONS, { metavar: "PERMISSION" }), {
            description: plain(texts.options.permission),
          }),
        ),
      }),
      (found): Action => (context) => runUpdate(context, found),
    ),
    { brief: plain(texts.help.membersUpdate) },
  );
  const revoke = command(
    "revoke",
    map(
      object({
        member: member(),
        yes: withDefault(flag("--yes", { description: plain(texts.options.yes) }), false),
      }),
      (found): Action => (context) => runRevoke(context, found),
    ),
    { brief: plain(texts.help.membersRevoke) },
  );
  return command("members", or(update, revoke, map(object({}), (): Action => runMembers)), {
    brief: plain(texts.help.members),
  });
}

async function runMembers(context: CommandContext) {
  const members = await clientOf(context).members();
  context.output.result({ members }, () => formatMembers(context, members));
  return EXIT.ok;
}

async function runUpdate(context: CommandContext, found: UpdateArguments) {
  const change = {
    ...(found.name === undefined ? {} : { displayName: found.name }),
    ...(found.role === undefined ? {} : { role: found.role }),
    ...(found.trust === undefined ? {} : { trust: found.trust }),
    ...(found.permissions.length === 0 ? {} : { permissions: found.permissions }),
  };
  if (Object.keys(change).length === 0) {
    throw new CliError(context.texts.members.nothingToChange, {
      code: "usage",
      exitCode: EXIT.usage,
      hint: context.texts.members.nothingToChangeHint,
    });
  }
  const client = clientOf(context);
  const member = findMember(context, await client.members(), found.member);
  const changed = await client.updateMember(member.deviceId, change);
  context.output.result(changed, () => formatMembers(context, [changed]));
  return EXIT.ok;
}

async function runRevoke(
  context: CommandContext,
  found: { readonly member: string; readonly yes: boolean },
) {
  const client = clientOf(context);
  const member = findMember(context, await client.members(), found.member);
  const question = context.texts.members.revokeQuestion(member.displayName);
  if (!found.yes && !await askYesNo(context, question, "--yes")) return EXIT.refused;
  const revoked = await client.revokeMember(member.deviceId);
  context.output.result(revoked, () => context.texts.members.revoked(revoked.displayName));
  return EXIT.ok;
}

function formatMembers(context: CommandContext, members: readonly MemberView[]): string {
  const texts = context.texts.members;
  const { bold, dim, red } = context.output.terminal.colors;
  if (members.length === 0) return texts.none;
  const head = [texts.name, texts.device, texts.role, texts.trust, texts.since];
  const table = formatTable(
    context.output.terminal,
    head,
    members.map((member) => [
      (member.self ? bold(member.displayName) : member.displayName) +
      (member.self ? dim(` (${texts.self})`) : "") +
      (member.revoked ? red(` (${texts.isRevoked})`) : ""),
      member.deviceId.slice(0, 8),
      member.role,
      texts.trustLevels[member.trust],
      formatTime(member.admittedAtMs, context.language),
    ]),
  );
  // Most members of a role may do the same: said once below the table, it does not make every line too long.
  const groups = Map.groupBy(members, (member) => member.permissions.toSorted().join(" "));
  const permissions = [...groups].map(([list, some]) =>
    `${
      dim(`${texts.permissions} (${some.map((one) => printable(one.displayName)).join(", ")}):`)
    } ${list || "—"}`
  );
  return `${table}\n\n${permissions.join("\n")}`;
}
