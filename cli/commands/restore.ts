/** `submind restore`: brings a backup back, from a folder or from another node that keeps it. The node must not run. What was there before is kept beside it. */
import { object, or } from "@optique/core/constructs";
import { map, optional, withDefault } from "@optique/core/modifiers";
import { argument, command, flag, option } from "@optique/core/primitives";
import { integer, string } from "@optique/core/valueparser";
import { path } from "@optique/run/valueparser";
import { join, resolve } from "node:path";
import { copyFolder, exists } from "../folder.ts";
import { type Action, type CommandContext, dataDirectoryOf, plain } from "../command.ts";
import { CliError, EXIT } from "../exit_codes.ts";
import { motherOptions } from "../mother/options.ts";
import { fetchBackup, listKept, type RestoreFromArguments } from "../mother/restore_from.ts";
import { readNodeFile } from "../node_file.ts";
import { askYesNo } from "../output/ask.ts";
import { startProgress } from "../output/progress.ts";
import type { Texts } from "../texts.ts";

interface HowToRestore {
  readonly keys: boolean;
  readonly yes: boolean;
}

/** Parser of the command. */
export function restoreCommand(texts: Texts) {
  const truth = (name: `--${string}`, description: string) =>
    withDefault(flag(name, { description: plain(description) }), false);
  const how = () => ({
    keys: truth("--keys", texts.options.restoreKeys),
    yes: truth("--yes", texts.options.yes),
  });
  const fromFolder = object({
    directory: argument(path({ metavar: "FOLDER", type: "directory" }), {
      description: plain(texts.options.restoreFolder),
    }),
    ...how(),
  });
  const { options } = texts.mother;
  const fromMother = object({
    url: option("--from", string({ metavar: "URL" }), { description: plain(options.from) }),
    ...motherOptions(texts),
    version: optional(
      option("--backup", integer({ min: 1, metavar: "NUMBER" }), {
        description: plain(options.version),
      }),
    ),
    list: truth("--list", options.list),
    ...how(),
  });
  const parser = or(
    map(fromFolder, (found): Action => (context) => runRestore(context, found)),
    map(
      fromMother,
      (found): Action => (context) =>
        found.list ? listKept(context, found) : runRestoreFrom(context, found),
    ),
  );
  return command("restore", parser, { brief: plain(texts.help.restore) });
}

function refusal(message: string, hint: string): CliError {
  return new CliError(message, { code: "refused", exitCode: EXIT.refused, hint });
}

/** What can be known before a long fetch: the node must not run, and an identity is never replaced. */
function checkTarget(context: CommandContext, { keys }: HowToRestore): void {
  const texts = context.texts.restore;
  const to = dataDirectoryOf(context);
  const running = readNodeFile(to);
  if (running.type === "found") {
    throw refusal(texts.running(to, running.node.pid), texts.runningHint);
  }
  if (keys && exists(join(to, "keys", "identity.pem"))) {
    throw refusal(texts.keysExist(join(to, "keys")), texts.keysExistHint);
  }
}

async function runRestoreFrom(
  context: CommandContext,
  found: RestoreFromArguments & HowToRestore,
) {
  checkTarget(context, found);
  const fetched = await fetchBackup(context, found);
  const exitCode = await runRestore(context, { ...found, directory: fetched.folder });
  if (exitCode === EXIT.ok) fetched.remove();
  return exitCode;
}

async function runRestore(
  context: CommandContext,
  found: HowToRestore & { readonly directory: string },
) {
  const texts = context.texts.restore;
  const from = resolve(found.directory);
  const to = dataDirectoryOf(context);
  if (!exists(join(from, "manifest.json"))) throw refusal(texts.noBackup(from), texts.noBackupHint);
  checkTarget(context, found);
  if (found.keys && !exists(join(from, "keys"))) {
    throw refusal(texts.noKeys(from), texts.noKeysHint);
  }
  const question = texts.question(to);
  if (exists(join(to, "node.db")) && !found.yes && !await askYesNo(context, question, "--yes")) {
    return EXIT.refused;
  }
  await copyBack(context, from, to);
  const keys = join(to, "keys");
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
