/** `submind backup FOLDER`: a consistent copy of everything while the node runs. */
import { object } from "@optique/core/constructs";
import { map, withDefault } from "@optique/core/modifiers";
import { argument, command, flag } from "@optique/core/primitives";
import { path } from "@optique/run/valueparser";
import { join, resolve } from "node:path";
import { copyFolder, folderSize } from "../folder.ts";
import { type Action, clientOf, type CommandContext, dataDirectoryOf, plain } from "../command.ts";
import { EXIT } from "../exit_codes.ts";
import { startProgress } from "../output/progress.ts";
import { formatBytes } from "../output/units.ts";
import type { Texts } from "../texts.ts";

interface BackupArguments {
  readonly directory: string;
  readonly keys: boolean;
}

/** Parser of the command. */
export function backupCommand(texts: Texts) {
  const parser = object({
    directory: argument(path({ metavar: "FOLDER", type: "directory" }), {
      description: plain(texts.options.backupFolder),
    }),
    keys: withDefault(flag("--keys", { description: plain(texts.options.backupKeys) }), false),
  });
  return command("backup", map(parser, (found): Action => (context) => runBackup(context, found)), {
    brief: plain(texts.help.backup),
  });
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
