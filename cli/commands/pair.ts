/** `submind pair`: invites a device, or with a link or code joins the mesh of another. People compare words on both sides. */
import { object } from "@optique/core/constructs";
import { map, optional, withDefault } from "@optique/core/modifiers";
import { argument, command, flag, option } from "@optique/core/primitives";
import { choice, integer, string } from "@optique/core/valueparser";
import type { InviteView, PairingView } from "../../actors/handle.ts";
import { type Role, ROLES } from "../../protocols/registry/roles.ts";
import type { NodeClient } from "../client.ts";
import {
  type Action,
  clientOf,
  type CommandContext,
  plain,
  throwIfInterrupted,
} from "../command.ts";
import { CliError, EXIT, type ExitCode } from "../exit_codes.ts";
import { askYesNo } from "../output/ask.ts";
import { formatQr } from "../output/qr.ts";
import { formatDuration } from "../output/units.ts";
import { poll } from "../wait.ts";
import type { Texts } from "../texts.ts";

interface PairArguments {
  readonly linkOrCode: string | undefined;
  readonly role: Role;
  readonly name: string | undefined;
  readonly validMinutes: number;
  readonly yes: boolean;
}

/** How often a pairing is looked at while people compare words. */
const EVERY_MS = 200;

/** Parser of the command. */
export function pairCommand(texts: Texts) {
  const parser = object({
    linkOrCode: optional(
      argument(string({ metavar: "LINK_OR_CODE" }), { description: plain(texts.options.invite) }),
    ),
    role: withDefault(
      option("--role", choice(ROLES, { metavar: "ROLE" }), {
        description: plain(texts.options.inviteRole),
      }),
      "submind" as const,
    ),
    name: optional(
      option("--name", string({ metavar: "NAME" }), {
        description: plain(texts.options.inviteName),
      }),
    ),
    validMinutes: withDefault(
      option("--valid", integer({ min: 1, max: 1_440, metavar: "MINUTES" }), {
        description: plain(texts.options.valid),
      }),
      10,
    ),
    yes: withDefault(flag("--yes", { description: plain(texts.options.pairYes) }), false),
  });
  return command("pair", map(parser, (found): Action => (context) => runPair(context, found)), {
    brief: plain(texts.help.pair),
  });
}

async function runPair(context: CommandContext, found: PairArguments): Promise<ExitCode> {
  const client = clientOf(context);
  if (!found.yes && !context.output.terminal.inIsTerminal) {
    throw new CliError(context.texts.ask.nobody(context.texts.pair.question), {
      code: "nobodyToAsk",
      exitCode: EXIT.usage,
      hint: context.texts.ask.nobodyHint("--yes"),
    });
  }
  if (found.linkOrCode === undefined) return await invite(context, client, found);
  const started = await client.acceptInvite(found.linkOrCode);
  return await complete(context, client, started, found.yes);
}

async function invite(
  context: CommandContext,
  client: NodeClient,
  found: PairArguments,
): Promise<ExitCode> {
  const before = new Set((await client.pairings()).map((pairing) => pairing.pairingId));
  const view = await client.createInvite({
    role: found.role,
    validMs: found.validMinutes * 60_000,
    ...(found.name === undefined ? {} : { displayName: found.name }),
  });
  context.output.event({ type: "invite", ...view }, () => formatInvite(context, view));
  const timeoutMs = found.validMinutes * 60_000;
  const options = {
    clock: context.clock,
    everyMs: EVERY_MS,
    timeoutMs,
    signal: context.interrupted,
  };
  const pairing = await poll(options, async () => {
    const pairings = await client.pairings();
    return pairings.find((candidate) =>
      candidate.side === "inviter" && !before.has(candidate.pairingId)
    ) ?? null;
  });
  if (pairing === null) {
    await client.cancelInvite(view.inviteId).catch(() => undefined);
    throwIfInterrupted(context);
    throw new CliError(context.texts.pair.nobodyCame, { code: "expired", exitCode: EXIT.failed });
  }
  return await complete(context, client, pairing, found.yes);
}

function formatInvite(context: CommandContext, view: InviteView): string {
  const { bold, cyan, dim } = context.output.terminal.colors;
  const texts = context.texts.pair;
  const leftMs = view.expiresAtMs - context.clock.wallMs();
  return [
    formatQr(view.link),
    texts.scanOrType,
    "",
    `  ${bold(view.code)}`,
    `  ${cyan(view.link)}`,
    "",
    dim(texts.validFor(formatDuration(Math.max(0, leftMs), context.language), view.role)),
  ].join("\n");
}

/** Follows a pairing to its end: words appear, a person answers, the other side answers. */
async function complete(
  context: CommandContext,
  client: NodeClient,
  started: PairingView,
  yes: boolean,
): Promise<ExitCode> {
  const { pairingId } = started;
  const words = await until(context, client, pairingId, (view) => view.phase !== "connecting");
  if (words.phase === "confirming") {
    context.output.event({ type: "words", ...words }, () => formatWords(context, words));
    const match = yes || await askYesNo(context, context.texts.pair.question, "--yes");
    await client.confirmPairing(pairingId, match);
  }
  const last = await until(
    context,
    client,
    pairingId,
    (view) => ["completed", "refused", "failed"].includes(view.phase),
  );
  const name = last.remoteDisplayName ?? last.remoteDeviceId?.slice(0, 8) ?? "";
  const texts = context.texts.pair;
  if (last.phase === "completed") {
    context.output.event({ type: "paired", ...last }, () => texts.completed(name));
    return EXIT.ok;
  }
  const message = last.phase === "refused" ? texts.refused : texts.failed(last.problem ?? "");
  throw new CliError(message, {
    code: last.phase,
    exitCode: last.phase === "refused" ? EXIT.refused : EXIT.failed,
  });
}

async function until(
  context: CommandContext,
  client: NodeClient,
  pairingId: string,
  done: (view: PairingView) => boolean,
): Promise<PairingView> {
  const options = {
    clock: context.clock,
    everyMs: EVERY_MS,
    timeoutMs: 10 * 60_000,
    signal: context.interrupted,
  };
  const found = await poll(options, async () => {
    const view = (await client.pairings()).find((pairing) => pairing.pairingId === pairingId);
    return view !== undefined && done(view) ? view : null;
  });
  if (found !== null) return found;
  throwIfInterrupted(context);
  throw new CliError(context.texts.pair.tookTooLong, { code: "timedOut", exitCode: EXIT.failed });
}

function formatWords(context: CommandContext, view: PairingView): string {
  const { bold, dim } = context.output.terminal.colors;
  const name = view.remoteDisplayName ?? "?";
  const id = view.remoteDeviceId?.slice(0, 8) ?? "";
  return [
    "",
    context.texts.pair.compare(name, dim(id)),
    "",
    `  ${bold(view.words.join("   "))}`,
    "",
  ].join("\n");
}
