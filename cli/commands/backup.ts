/** `submind backup`: a consistent copy of everything while the node runs, in a folder or sealed on another node. */
import { object, or } from "@optique/core/constructs";
import { map, withDefault } from "@optique/core/modifiers";
import { argument, command, flag, option } from "@optique/core/primitives";
import { string } from "@optique/core/valueparser";
import { path } from "@optique/run/valueparser";
import { join, resolve } from "node:path";
import { copyFolder, folderSize } from "../folder.ts";
import { type Action, clientOf, type CommandContext, dataDirectoryOf, plain } from "../command.ts";
import { EXIT } from "../exit_codes.ts";
import { runBackupTo } from "../mother/backup_to.ts";
import { motherOptions } from "../mother/options.ts";
import { startProgress } from "../output/progress.ts";
import { formatBytes } from "../output/units.ts";
import type { Texts } from "../texts.ts";

interface BackupArguments {
  readonly directory: string;
  readonly keys: boolean;
}

/** Parser of the command. */
export function backupCommand(texts: Texts) {
  const keys = () =>
    withDefault(flag("--keys", { description: plain(texts.options.backupKeys) }), false);
  const intoFolder = object({
    directory: argument(path({ metavar: "FOLDER", type: "directory" }), {
      description: plain(texts.options.backupFolder),
    }),
    keys: keys(),
  });
  const toMother = object({
    url: option("--to", string({ metavar: "URL" }), {
      description: plain(texts.mother.options.to),
    }),
    ...motherOptions(texts),
    recoveryKey: withDefault(
      flag("--recovery-key", { description: plain(texts.mother.options.recoveryKey) }),
      false,
    ),
    keys: keys(),
  });
  const parser = or(
    map(intoFolder, (found): Action => (context) => runBackup(context, found)),
    map(toMother, (found): Action => (context) => runBackupTo(context, found)),
  );
  return command("backup", parser, { brief: plain(texts.help.backup) });
}

async function runBackup(context: CommandContext, found: BackupArguments) {
  const directory = resolve(found.directory);
  const texts = context.texts.backup;
  const progress = startProgress(context.output, context.clock, texts.working);
  try {
    await clientOf(context).backup(directory, (done, total) => progress.update(done, total));
  } finally {
    progress.stop();
  }
  if (found.keys) {
    copyFolder(join(dataDirectoryOf(context), "keys"), join(directory, "keys"), () => undefined);
  }
  const bytes = folderSize(directory);
  context.output.result({ ok: true, directory, bytes, keys: found.keys }, () => {
    const done = texts.done(directory, formatBytes(bytes, context.language));
    return found.keys ? `${done}\n${texts.withKeys}` : done;
  });
  if (!found.keys) context.output.note(texts.withoutKeys);
  return EXIT.ok;
}
