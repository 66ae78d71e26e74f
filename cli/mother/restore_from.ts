/** `submind restore --from URL`: fetches a backup that another node keeps, checks and opens it, and hands it to the restore of folders. */
import { join } from "node:path";
import { nodeCrypto } from "../../platform/node_crypto.ts";
import { makePrivateFolder } from "../../store/private_folder.ts";
import type { BackupVersion, KeptBackups } from "../../store/backup_vault.ts";
import type { Json } from "../../gateway/schema_identity.ts";
import { type CommandContext, dataDirectoryOf, throwIfInterrupted } from "../command.ts";
import { CliError, EXIT } from "../exit_codes.ts";
import { startProgress } from "../output/progress.ts";
import { formatTable } from "../output/table.ts";
import { formatBytes, formatCount, formatTime } from "../output/units.ts";
import { downloadBackup, fetchVersion } from "./download.ts";
import { deviceOf, type MotherArguments, openMother } from "./open.ts";
import { secretForRestore } from "./secret.ts";

/** In the data folder: what was fetched so far. It stays when the command breaks off, and the next one goes on with it. */
const INCOMING = "incoming-backup";

export interface RestoreFromArguments extends MotherArguments {
  readonly passphraseFile: string | undefined;
  readonly device: string | undefined;
  readonly version: number | undefined;
}

function versionOf(
  context: CommandContext,
  { device, versions }: Json<KeptBackups>,
  wanted: number | undefined,
): Json<BackupVersion> {
  const texts = context.texts.mother;
  const found = wanted === undefined
    ? versions.at(-1)
    : versions.find(({ version }) => version === wanted);
  if (found !== undefined) return found;
  const problem = wanted === undefined ? texts.nothing(device) : texts.noVersion(wanted, device);
  throw new CliError(problem, {
    code: "notFound",
    exitCode: EXIT.refused,
    hint: texts.nothingHint,
  });
}

/** Shows what the keeper has of one device. */
export async function listKept(context: CommandContext, found: RestoreFromArguments) {
  const texts = context.texts.mother;
  const mother = openMother(context, found);
  const device = deviceOf(context, await mother.all(), found.device);
  const kept = await mother.kept(device);
  context.output.result(kept, () => {
    if (kept.versions.length === 0) return texts.nothing(device);
    const head = [
      texts.versionHead,
      texts.timeHead,
      texts.sizeHead,
      texts.filesHead,
      texts.byHead,
    ];
    return formatTable(
      context.output.terminal,
      head,
      kept.versions.map(({ version, timeMs, bytes, files, deviceId }) => [
        String(version),
        formatTime(timeMs, context.language),
        formatBytes(bytes, context.language),
        formatCount(files, context.language),
        deviceId.slice(0, 8),
      ]),
    );
  });
  return EXIT.ok;
}

/** Fetches a backup and returns the folder that holds it, as `submind backup FOLDER` would have written it, and a way to remove it. */
export async function fetchBackup(
  context: CommandContext,
  found: RestoreFromArguments,
): Promise<{ readonly folder: string; remove(): void }> {
  const dataDirectory = dataDirectoryOf(context);
  const crypto = nodeCrypto({ workersMax: 0 });
  const progress = startProgress(
    context.output,
    context.clock,
    context.texts.mother.downloading,
  );
  try {
    const mother = openMother(context, found);
    const device = deviceOf(context, await mother.all(), found.device);
    const { version } = versionOf(context, await mother.kept(device), found.version);
    const source = { mother, device, crypto, texts: context.texts };
    const body = await fetchVersion(source, version);
    const { secret } = await secretForRestore(context, {
      dataDirectory,
      crypto,
      version: body,
      found,
    });
    await makePrivateFolder(dataDirectory);
    const folder = join(dataDirectory, INCOMING);
    await makePrivateFolder(folder);
    await downloadBackup({
      ...source,
      version,
      body,
      secret,
      folder,
      onProgress: (done, total) => progress.update(done, total),
      checkpoint: () => throwIfInterrupted(context),
    });
    return { folder, remove: () => Deno.removeSync(folder, { recursive: true }) };
  } catch (error) {
    throwIfInterrupted(context);
    throw error;
  } finally {
    progress.stop();
    crypto.close();
  }
}
