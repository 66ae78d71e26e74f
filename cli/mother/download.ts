/** Fetches a backup from its keeper into a folder. Nothing counts that is not exactly what was backed up; what is there already is not fetched again. */
import { createHash } from "node:crypto";
import { dirname, join } from "node:path";
import type { Crypto } from "../../platform/ports.ts";
import type { IndexedFile, PieceReference, VersionBody } from "../../protocols/backup/format.ts";
import { type BackupKeys, keysOf, openPiece } from "../../protocols/backup/keys.ts";
import { decodeIndex, decodeVersion, openRoot } from "../../protocols/backup/wire.ts";
import { CliError, EXIT } from "../exit_codes.ts";
import { exists } from "../folder.ts";
import type { Texts } from "../texts.ts";
import type { MotherClient } from "./client.ts";

/** Pieces on their way at once. */
const AHEAD = 4;

interface Source {
  readonly mother: MotherClient;
  readonly device: string;
  readonly crypto: Crypto;
  readonly texts: Texts;
}

function damaged(texts: Texts, message: string): CliError {
  return new CliError(message, {
    code: "damaged",
    exitCode: EXIT.failed,
    hint: texts.mother.damagedHint,
  });
}

/**
 * A version with its signature checked.
 *
 * @throws {CliError} "damaged" when it is not what a device has signed
 */
export async function fetchVersion(
  { mother, device, crypto, texts }: Source,
  version: number,
): Promise<VersionBody> {
  const decoded = decodeVersion(crypto, await mother.version(device, version));
  if (decoded.ok) return decoded.message;
  throw damaged(texts, texts.mother.damagedVersion(version, decoded.reason));
}

export interface DownloadOptions extends Source {
  readonly version: number;
  readonly body: VersionBody;
  /** 32 bytes; fits `body.check`. */
  readonly secret: Uint8Array;
  /** Made when it is missing. Kept when the work breaks off: the next try goes on with it. */
  readonly folder: string;
  readonly onProgress: (done: number, total: number) => void;
  /** Throws when the work is to end. */
  readonly checkpoint: () => void;
}

/**
 * Fetches every file of a version into `folder`.
 *
 * @throws {CliError} "damaged", naming the piece or file that is not what was backed up
 */
export async function downloadBackup(options: DownloadOptions): Promise<readonly IndexedFile[]> {
  const { crypto, texts, body, version, folder, onProgress } = options;
  const keys = keysOf(crypto, options.secret);
  const root = openRoot(crypto, keys, body);
  if (root === undefined) {
    throw damaged(texts, texts.mother.damagedVersion(version, "its root does not open"));
  }
  const parts = await Array.fromAsync(
    fetched(options, keys, { path: "index", pieces: root.index }),
  );
  const index = decodeIndex(new Uint8Array(await new Blob(parts).arrayBuffer()));
  if (!index.ok) throw damaged(texts, texts.mother.damagedVersion(version, index.reason));
  const files = index.message;
  const total = files.reduce((sum, file) => sum + file.bytes, 0);
  let doneBytes = 0;
  for (const file of files) {
    const target = join(folder, file.path);
    if (!await isWhole(target, file)) {
      await Deno.mkdir(dirname(target), { recursive: true, mode: 0o700 });
      await write(options, keys, file, (bytes) => onProgress(doneBytes + bytes, total));
    }
    doneBytes += file.bytes;
    onProgress(doneBytes, total);
  }
  return files;
}

/** The pieces of a file in order, a few fetched ahead. */
async function* fetched(
  { mother, device, crypto, texts, checkpoint }: DownloadOptions,
  keys: BackupKeys,
  { path, pieces }: { readonly path: string; readonly pieces: readonly PieceReference[] },
): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  const ahead: Promise<Uint8Array<ArrayBuffer>>[] = [];
  const begin = (reference: PieceReference | undefined) => {
    if (reference === undefined) return;
    const piece = mother.piece(device, reference.name);
    // Told when its turn comes; until then nobody waits for it.
    piece.catch(() => {});
    ahead.push(piece);
  };
  for (const reference of pieces.slice(0, AHEAD)) begin(reference);
  for (const [i, reference] of pieces.entries()) {
    checkpoint();
    const sealed = await ahead.shift()!;
    begin(pieces[i + AHEAD]);
    const plain = openPiece(crypto, keys, { reference, sealed });
    if (plain === undefined) throw damaged(texts, texts.mother.damagedPiece(reference.name, path));
    yield plain;
  }
}

async function write(
  options: DownloadOptions,
  keys: BackupKeys,
  file: IndexedFile,
  onBytes: (bytes: number) => void,
): Promise<void> {
  const target = join(options.folder, file.path);
  const unfinished = `${target}.part`;
  const hash = createHash("sha256");
  let bytes = 0;
  const into = await Deno.open(unfinished, {
    write: true,
    create: true,
    truncate: true,
    mode: 0o600,
  });
  try {
    for await (const piece of fetched(options, keys, file)) {
      hash.update(piece);
      bytes += piece.length;
      let rest: Uint8Array = piece;
      while (rest.length > 0) rest = rest.subarray(await into.write(rest));
      onBytes(bytes);
    }
    await into.sync();
  } finally {
    into.close();
  }
  if (hash.digest("hex") !== file.sha256) {
    throw damaged(options.texts, options.texts.mother.damagedFile(file.path));
  }
  await Deno.rename(unfinished, target);
}

/** Whether an earlier try has brought this file whole. */
async function isWhole(path: string, { bytes, sha256 }: IndexedFile): Promise<boolean> {
  if (!exists(path) || Deno.statSync(path).size !== bytes) return false;
  const hash = createHash("sha256");
  using file = await Deno.open(path);
  for await (const part of file.readable) hash.update(part);
  return hash.digest("hex") === sha256;
}
