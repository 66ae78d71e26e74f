/** Brings a backup folder to its keeper: cut, sealed, and only what is not there yet. What was brought before a break stays. */
import { createHash } from "node:crypto";
import { join } from "node:path";
import type { Clock, Crypto, Random, Signer } from "../../platform/ports.ts";
import { piecesOf } from "../../protocols/backup/cut.ts";
import {
  type IndexedFile,
  isBackupPath,
  type PieceReference,
} from "../../protocols/backup/format.ts";
import { type BackupKeys, keysOf, sealPiece } from "../../protocols/backup/keys.ts";
import { encodeIndex, encodeVersion } from "../../protocols/backup/wire.ts";
import type { ContentHash } from "../../protocols/ids.ts";
import type { BackupVersion } from "../../store/backup_vault.ts";
import type { Json } from "../../gateway/schema_identity.ts";
import type { MotherClient } from "./client.ts";
import type { BackupSecret } from "./secret.ts";

/** Sealed pieces held until the keeper is asked about them: at most so many, and so many bytes. */
const BATCH_PIECES = 256;
const BATCH_BYTES = 32 * 1024 * 1024;
/** Pieces on their way at once. */
const LANES = 4;

export interface UploadOptions {
  readonly mother: MotherClient;
  readonly device: string;
  /** A finished backup, as `submind backup FOLDER` writes it. */
  readonly folder: string;
  readonly secret: BackupSecret;
  readonly crypto: Crypto;
  readonly random: Random;
  readonly clock: Clock;
  readonly signer: Signer;
  /** Plain bytes that are done, of all. */
  readonly onProgress: (done: number, total: number) => void;
  /** Throws when the work is to end. */
  readonly checkpoint: () => void;
}

export interface UploadResult {
  readonly version: Json<BackupVersion>;
  readonly pieces: number;
  readonly broughtPieces: number;
  readonly broughtBytes: number;
}

interface Batch {
  readonly name: ContentHash;
  readonly sealed: Uint8Array<ArrayBuffer>;
}

/** Hands pieces over in batches; knows what was handed over already. */
class Bringing {
  readonly names = new Set<ContentHash>();
  broughtPieces = 0;
  broughtBytes = 0;
  #batch: Batch[] = [];
  #batchBytes = 0;
  readonly #options: UploadOptions;

  constructor(options: UploadOptions) {
    this.#options = options;
  }

  async add(keys: BackupKeys, plain: Uint8Array): Promise<PieceReference> {
    const { reference, sealed } = sealPiece(this.#options.crypto, keys, plain);
    if (this.names.has(reference.name)) return reference;
    this.names.add(reference.name);
    this.#batch.push({ name: reference.name, sealed });
    this.#batchBytes += sealed.length;
    if (this.#batch.length >= BATCH_PIECES || this.#batchBytes >= BATCH_BYTES) await this.flush();
    return reference;
  }

  async flush(): Promise<void> {
    const { mother, device, checkpoint } = this.#options;
    const batch = this.#batch;
    this.#batch = [];
    this.#batchBytes = 0;
    if (batch.length === 0) return;
    checkpoint();
    const missing = new Set(await mother.missing(device, batch.map(({ name }) => name)));
    const waiting = batch.filter(({ name }) => missing.has(name));
    const lane = async () => {
      for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
        checkpoint();
        await mother.putPiece(device, next.name, next.sealed);
        this.broughtPieces++;
        this.broughtBytes += next.sealed.length;
      }
    };
    await Promise.all(Array.from({ length: LANES }, lane));
  }
}

/** The files of a backup folder, in an order that stays the same. */
function filesIn(folder: string, below = ""): readonly string[] {
  const entries = [...Deno.readDirSync(join(folder, below))]
    .sort((a, b) => a.name < b.name ? -1 : 1);
  return entries.flatMap(({ name, isDirectory, isFile }) => {
    const path = below === "" ? name : `${below}/${name}`;
    if (isDirectory) return filesIn(folder, path);
    return isFile && isBackupPath(path) ? [path] : [];
  });
}

/** Brings everything in `folder` and makes a version of it. */
export async function uploadBackup(options: UploadOptions): Promise<UploadResult> {
  const { mother, device, folder, secret, crypto, random, clock, signer, onProgress } = options;
  const keys = keysOf(crypto, secret.secret);
  const bringing = new Bringing(options);
  const paths = filesIn(folder);
  const total = paths.reduce((sum, path) => sum + Deno.statSync(join(folder, path)).size, 0);
  let doneBytes = 0;
  const files: IndexedFile[] = [];
  for (const path of paths) {
    const hash = createHash("sha256");
    const pieces: PieceReference[] = [];
    let bytes = 0;
    using file = await Deno.open(join(folder, path));
    for await (const piece of piecesOf(file.readable, keys.gear)) {
      hash.update(piece);
      pieces.push(await bringing.add(keys, piece));
      bytes += piece.length;
      doneBytes += piece.length;
      onProgress(doneBytes, total);
    }
    files.push({ path, bytes, sha256: hash.digest("hex") as ContentHash, pieces });
  }
  const encoded = encodeIndex(files);
  const index: PieceReference[] = [];
  for await (const piece of piecesOf(ReadableStream.from([encoded]), keys.gear)) {
    index.push(await bringing.add(keys, piece));
  }
  await bringing.flush();
  const open = {
    version: 1 as const,
    device: signer.publicKey,
    kdf: secret.kdf,
    check: keys.check,
    timeMs: clock.wallMs(),
    bytes: total,
    files: files.length,
    names: [...bringing.names].sort(),
  };
  const version = await mother.commit(
    device,
    encodeVersion({ crypto, random, signer, keys }, open, { indexBytes: encoded.length, index }),
  );
  const { broughtPieces, broughtBytes, names } = bringing;
  return { version, pieces: names.size, broughtPieces, broughtBytes };
}
