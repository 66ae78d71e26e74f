/** `submind open`: a fresh login link of the running node's page; where there is a desktop, the browser opens it. */
import { object } from "@optique/core/constructs";
import { map } from "@optique/core/modifiers";
import { command } from "@optique/core/primitives";
import { type Action, clientOf, type CommandContext, plain } from "../command.ts";
import { EXIT } from "../exit_codes.ts";
import { formatDuration } from "../output/units.ts";
import type { Texts } from "../texts.ts";

/** Parser of the command. */
export function openCommand(texts: Texts) {
  return command("open", map(object({}), (): Action => runOpen), { brief: plain(texts.help.open) });
}

async function runOpen(context: CommandContext) {
  const client = clientOf(context);
  const { path, validMs } = await client.createLogin();
  const loginUrl = client.gatewayUrl + path;
  const { output, language, texts } = context;
  output.result({ loginUrl, validMs }, () => loginUrl);
  output.note(texts.open.validFor(formatDuration(validMs, language)));
  const opener = output.json || !output.terminal.outIsTerminal
    ? null
    : openerOf(Deno.build.os, context.environment);
  if (opener !== null) launch([...opener, loginUrl]);
  return EXIT.ok;
}

/**
 * The program of the desktop that opens a link, with its first arguments; null where nobody sits before a screen (no
 * display, or a remote shell).
 */
export function openerOf(
  system: typeof Deno.build.os,
  environment: Readonly<Record<string, string>>,
): readonly string[] | null {
  if ((environment["SSH_CONNECTION"] ?? "") !== "") return null;
  if (system === "darwin") return ["open"];
  if (system === "windows") return ["rundll32", "url.dll,FileProtocolHandler"];
  const display = environment["DISPLAY"] || environment["WAYLAND_DISPLAY"];
  return display === undefined || display === "" ? null : ["xdg-open"];
}

/** Starts the browser and does not wait for it. Without one, the printed link is enough. */
function launch([program = "", ...args]: readonly string[]): void {
  try {
    const options = { args, stdin: "null", stdout: "null", stderr: "null" } as const;
    new Deno.Command(program, options).spawn().unref();
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}
