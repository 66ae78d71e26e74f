/** `submind backup --to URL`: everything this device holds, sealed, on a node that cannot read it. */
import { join } from "node:path";
import { lockFile } from "../../platform/file_lock.ts";
import { openIdentity } from "../../platform/identity.ts";
import { nodeCrypto } from "../../platform/node_crypto.ts";
import { clientOf, type CommandContext, dataDirectoryOf, throwIfInterrupted } from "../command.ts";
import { CliError, EXIT } from "../exit_codes.ts";
import { copyFolder } from "../folder.ts";
import { startProgress } from "../output/progress.ts";
import { formatBytes } from "../output/units.ts";
import { fetchVersion } from "./download.ts";
import { deviceOf, type MotherArguments, openMother } from "./open.ts";
import { secretForBackup } from "./secret.ts";
import { uploadBackup, type UploadResult } from "./upload.ts";

/** In the data folder: the copy that is being brought. It is gone when the command ends. */
const STAGING = "outgoing-backup";

export interface BackupToArguments extends MotherArguments {
  readonly passphraseFile: string | undefined;
  readonly recoveryKey: boolean;
  readonly device: string | undefined;
  /** Also the device's private key. */
  readonly keys: boolean;
}

/** Makes a copy of the running node's data and brings it to the keeper. */
export async function runBackupTo(context: CommandContext, found: BackupToArguments) {
  const texts = context.texts.mother;
  const dataDirectory = dataDirectoryOf(context);
  // Before anything else: without a node there is nothing to copy.
  clientOf(context);
  const locked = await lockFile(join(dataDirectory, `${STAGING}.lock`));
  if (locked.type === "busy") {
    throw new CliError(texts.busy(locked.pid ?? 0), { code: "busy", exitCode: EXIT.refused });
  }
  const staging = join(dataDirectory, STAGING);
  const crypto = nodeCrypto({ workersMax: 0 });
  try {
    const mother = openMother(context, found);
    const answer = await mother.all();
    const device = deviceOf(context, answer, found.device);
    const kept = await mother.kept(device);
    const last = kept.versions.at(-1);
    const source = { mother, device, crypto, texts: context.texts };
    const newest = last === undefined ? null : await fetchVersion(source, last.version);
    const secret = await secretForBackup(context, { dataDirectory, crypto, newest, found });
    await stage(context, { staging, dataDirectory, keys: found.keys });
    const progress = startProgress(context.output, context.clock, texts.uploading);
    const signer = await openIdentity({ directory: join(dataDirectory, "keys") });
    try {
      const result = await uploadBackup({
        ...source,
        ...context,
        folder: staging,
        secret,
        signer,
        onProgress: (done, total) => progress.update(done, total),
        checkpoint: () => throwIfInterrupted(context),
      });
      progress.stop();
      report(context, found, { device, result });
      return EXIT.ok;
    } finally {
      progress.stop();
      signer.close();
    }
  } catch (error) {
    throwIfInterrupted(context);
    throw error;
  } finally {
    removeFolder(staging);
    crypto.close();
    locked.lock.release();
  }
}

function removeFolder(path: string): void {
  try {
    Deno.removeSync(path, { recursive: true });
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

async function stage(
  context: CommandContext,
  { staging, dataDirectory, keys }: {
    readonly staging: string;
    readonly dataDirectory: string;
    readonly keys: boolean;
  },
): Promise<void> {
  // A command that was killed has left its copy behind.
  removeFolder(staging);
  const progress = startProgress(context.output, context.clock, context.texts.mother.preparing);
  try {
    await clientOf(context).backup(staging, (done, total) => progress.update(done, total));
  } finally {
    progress.stop();
  }
  if (keys) copyFolder(join(dataDirectory, "keys"), join(staging, "keys"), () => undefined);
}

function report(
  context: CommandContext,
  { url, keys }: BackupToArguments,
  { device, result }: { readonly device: string; readonly result: UploadResult },
): void {
  const { version, bytes } = result.version;
  const size = (value: number) => formatBytes(value, context.language);
  const { pieces, broughtPieces, broughtBytes } = result;
  context.output.result(
    { ok: true, to: url, device, version, bytes, pieces, broughtPieces, broughtBytes, keys },
    () => context.texts.mother.kept(version, size(bytes), size(broughtBytes), url),
  );
  if (!keys) context.output.note(context.texts.backup.withoutKeys);
}
