/** `submind restore FOLDER`: brings a backup back. The node must not run. What was there before is kept beside it. */
import { object } from "@optique/core/constructs";
import { map, withDefault } from "@optique/core/modifiers";
import { argument, command, flag } from "@optique/core/primitives";
import { path } from "@optique/run/valueparser";
import { join, resolve } from "node:path";
import { copyFolder, exists } from "../folder.ts";
import { type Action, type CommandContext, dataDirectoryOf, plain } from "../command.ts";
import { CliError, EXIT } from "../exit_codes.ts";
import { readNodeFile } from "../node_file.ts";
import { askYesNo } from "../output/ask.ts";
import { startProgress } from "../output/progress.ts";
import type { Texts } from "../texts.ts";

interface RestoreArguments {
  readonly directory: string;
  readonly keys: boolean;
  readonly yes: boolean;
}

/** Parser of the command. */
export function restoreCommand(texts: Texts) {
  const parser = object({
    directory: argument(path({ metavar: "FOLDER", type: "directory" }), {
      description: plain(texts.options.restoreFolder),
    }),
    keys: withDefault(flag("--keys", { description: plain(texts.options.restoreKeys) }), false),
    yes: withDefault(flag("--yes", { description: plain(texts.options.yes) }), false),
  });
  return command(
    "restore",
    map(parser, (found): Action => (context) => runRestore(context, found)),
    { brief: plain(texts.help.restore) },
  );
}

async function runRestore(context: CommandContext, found: RestoreArguments) {
  const texts = context.texts.restore;
  const from = resolve(found.directory);
  const to = dataDirectoryOf(context);
  const refuse = (message: string, hint: string) =>
    new CliError(message, { code: "refused", exitCode: EXIT.refused, hint });
  if (!exists(join(from, "manifest.json"))) throw refuse(texts.noBackup(from), texts.noBackupHint);
  const running = readNodeFile(to);
  if (running.type === "found") {
    throw refuse(texts.running(to, running.node.pid), texts.runningHint);
  }
  const keys = join(to, "keys");
  if (found.keys && exists(join(keys, "identity.pem"))) {
    throw refuse(texts.keysExist(keys), texts.keysExistHint);
  }
  if (found.keys && !exists(join(from, "keys"))) throw refuse(texts.noKeys(from), texts.noKeysHint);
  const question = texts.question(to);
  if (exists(join(to, "node.db")) && !found.yes && !await askYesNo(context, question, "--yes")) {
    return EXIT.refused;
  }
  await copyBack(context, from, to);
  if (found.keys) copyFolder(join(from, "keys"), keys, () => undefined);
  context.output.result({ ok: true, from, to, keys: found.keys }, () => texts.done(to));
  if (!found.keys && !isSameIdentity(join(from, "keys"), keys)) context.output.note(texts.stranger);
  return EXIT.ok;
}

/** Whether both folders hold the same private key; false when one has none, because then nobody can tell. */
function isSameIdentity(one: string, other: string): boolean {
  const [first, second] = [one, other].map((folder) => join(folder, "identity.pem"));
  if (first === undefined || second === undefined || !exists(first) || !exists(second)) {
    return false;
  }
  return Deno.readTextFileSync(first) === Deno.readTextFileSync(second);
}

async function copyBack(context: CommandContext, from: string, to: string): Promise<void> {
  const progress = startProgress(context.output, context.clock, context.texts.restore.working);
  try {
    const { restore } = await import("../../deployments/restore.ts");
    await restore({ from, to, onProgress: (done, total) => progress.update(done, total) });
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    const hint = "hint" in error && typeof error.hint === "string" ? error.hint : "";
    throw new CliError(error.message, {
      code: "failed",
      exitCode: EXIT.failed,
      hint,
      cause: error,
    });
  } finally {
    progress.stop();
  }
}
