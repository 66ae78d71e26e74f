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
import { leaveOwnMesh, untilBrought } from "../leaving.ts";
import { formatCount, formatDuration } from "../output/units.ts";
import { poll } from "../wait.ts";
import type { Texts } from "../texts.ts";

interface PairArguments {
  readonly linkOrCode: string | undefined;
  readonly role: Role;
  readonly name: string | undefined;
  readonly validMinutes: number;
  readonly bring: boolean;
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
    bring: withDefault(flag("--bring", { description: plain(texts.options.pairBring) }), false),
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
  return await join(context, client, found.linkOrCode, found);
}

/** Joins; a device that is alone in a mesh of its own may leave that first, and what it has added comes along. */
async function join(
  context: CommandContext,
  client: NodeClient,
  linkOrCode: string,
  found: PairArguments,
): Promise<ExitCode> {
  try {
    const started = await client.acceptInvite(linkOrCode);
    return await complete(context, client, started, found.yes);
  } catch (error) {
    if (!(error instanceof CliError) || error.code !== "alreadyMember") throw error;
    const { mesh, members, blocks } = await client.status();
    if (mesh === null || members > 1) throw error;
    const texts = context.texts.pair;
    const question = texts.bringQuestion(formatCount(blocks, context.language));
    if (!found.bring && !await askYesNo(context, question, "--bring")) {
      throw new CliError(error.message, { code: error.code, exitCode: error.exitCode });
    }
    const folder = await leaveOwnMesh(context, { mesh, bring: true });
    context.output.event({ type: "left", mesh, folder }, () => texts.left(folder));
    const fresh = clientOf(context);
    const started = await acceptSoon(context, fresh, linkOrCode);
    const exitCode = await complete(context, fresh, started, found.yes).catch((problem) => {
      context.output.note(texts.keptFor(folder));
      throw problem;
    });
    const brought = await untilBrought(context, folder);
    context.output.event(
      { type: "brought", complete: brought, folder },
      () => brought ? texts.brought : texts.stillBringing,
    );
    return exitCode;
  }
}

/** The node has just started anew: give it time to see the other device again. */
async function acceptSoon(
  context: CommandContext,
  client: NodeClient,
  linkOrCode: string,
): Promise<PairingView> {
  let last: unknown;
  const options = {
    clock: context.clock,
    everyMs: 1_000,
    timeoutMs: 20_000,
    signal: context.interrupted,
  };
  const started = await poll(options, async () => {
    try {
      return await client.acceptInvite(linkOrCode);
    } catch (error) {
      last = error;
      if (error instanceof CliError && error.code === "unavailable") return null;
      throw error;
    }
  });
  if (started !== null) return started;
  throwIfInterrupted(context);
  throw last;
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
    const [pairings, invites] = [await client.pairings(), await client.invites()];
    if (invites.some((one) => one.inviteId === view.inviteId && one.state === "burned")) {
      throw new CliError(context.texts.pair.burned, { code: "burned", exitCode: EXIT.failed });
    }
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
    if (match) context.output.note(context.texts.pair.waiting);
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
