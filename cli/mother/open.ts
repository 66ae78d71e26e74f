/** The keeper of backups that a person names: its address, the token for it, and whose backups are meant. */
import { isLoopback } from "../../gateway/server.ts";
import { errorText } from "../../platform/error_text.ts";
import type { CommandContext } from "../command.ts";
import { CliError, EXIT } from "../exit_codes.ts";
import { type KeptAnswer, MotherClient } from "./client.ts";

export interface MotherArguments {
  readonly url: string;
  readonly tokenFile: string | undefined;
  readonly ca: string | undefined;
}

/** The first line of a file, without what stands around it. */
export function firstLine(context: CommandContext, path: string): string {
  try {
    return (Deno.readTextFileSync(path).split(/\r?\n/)[0] ?? "").trim();
  } catch (error) {
    const cause = errorText(error);
    throw new CliError(context.texts.mother.cannotRead(path, cause), {
      code: "usage",
      exitCode: EXIT.usage,
    });
  }
}

function addressOf(context: CommandContext, text: string): string {
  const url = URL.canParse(text) ? new URL(text) : null;
  const safe = url?.protocol === "https:" ||
    (url?.protocol === "http:" && isLoopback(url.hostname));
  if (url !== null && safe && url.username === "" && url.search === "" && url.hash === "") {
    return url.href.replace(/\/+$/, "");
  }
  const { badUrl, badUrlHint } = context.texts.mother;
  throw new CliError(badUrl(text), { code: "usage", exitCode: EXIT.usage, hint: badUrlHint });
}

/**
 * A client for the keeper.
 *
 * @throws {CliError} "usage" for an address without TLS that is not this machine, or when there is no token
 */
export function openMother(context: CommandContext, found: MotherArguments): MotherClient {
  const texts = context.texts.mother;
  const url = addressOf(context, found.url);
  const token = found.tokenFile === undefined
    ? context.environment["SUBMIND_BACKUP_TOKEN"] ?? ""
    : firstLine(context, found.tokenFile);
  if (token === "") {
    throw new CliError(texts.noToken, {
      code: "usage",
      exitCode: EXIT.usage,
      hint: texts.noTokenHint,
    });
  }
  if (found.ca !== undefined) firstLine(context, found.ca);
  return new MotherClient({
    target: {
      url,
      token,
      certificate: found.ca ?? "",
      unreachableHint: texts.unreachableHint,
      unauthenticatedHint: texts.badToken,
    },
    texts: context.texts,
    clock: context.clock,
    signal: context.interrupted,
    onRetry: (problem, seconds) => context.output.note(texts.again(problem, seconds)),
  });
}

/** Whose backups are meant: the one named, else the one that the token stands for. */
export function deviceOf(
  context: CommandContext,
  { device, devices }: KeptAnswer,
  named: string | undefined,
): string {
  const found = named ?? device;
  if (found !== null) return found;
  const { noDevice, noDeviceHint } = context.texts.mother;
  throw new CliError(noDevice, {
    code: "usage",
    exitCode: EXIT.usage,
    hint: noDeviceHint(devices.map((each) => each.device).join(", ")),
  });
}
