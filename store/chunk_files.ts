/**
 * Files by hash in a folder: `ab/abcd…`. A file appears under its name only when its bytes are on the disk, so whatever has
 * its name is whole, unless the disk has damaged it later.
 */
import { join } from "node:path";
import type { ContentHash } from "../protocols/ids.ts";

/** The folder of unfinished files; emptied when the store is opened. */
const UNFINISHED = "unfinished";
/** The folder of files whose bytes were found damaged. */
const DAMAGED = "damaged";

/** Bytes to keep under their hash. */
export interface ChunkFile {
  readonly hash: ContentHash;
  readonly bytes: Uint8Array;
}

/** The chunk files of one data folder. Call `open` before anything else. */
export class ChunkFiles {
  readonly directory: string;
  #unfinished = 0;

  constructor(directory: string) {
    this.directory = directory;
  }

  /** Makes the folders and removes what a crash has left unfinished. */
  async open(): Promise<void> {
    await Deno.mkdir(this.directory, { recursive: true });
    await Deno.remove(join(this.directory, UNFINISHED), { recursive: true })
      .catch((error) => ignoreMissing(error));
    await Deno.mkdir(join(this.directory, UNFINISHED));
  }

  /** Where the file with this hash is or would be. */
  pathOf(hash: ContentHash): string {
    return join(this.directory, hash.slice(0, 2), hash);
  }

  /** Writes files durably: bytes, then names, then the folders that hold the names. */
  async write(files: readonly ChunkFile[]): Promise<void> {
    const folders = new Set<string>();
    for (const { hash, bytes } of files) {
      const unfinished = join(this.directory, UNFINISHED, `${this.#unfinished++}`);
      const folder = join(this.directory, hash.slice(0, 2));
      if (!folders.has(folder)) await this.#makeFolder(folder);
      folders.add(folder);
      try {
        await writeDurably(unfinished, bytes);
        await Deno.rename(unfinished, this.pathOf(hash));
      } catch (error) {
        await Deno.remove(unfinished).catch((failure) => ignoreMissing(failure));
        throw error;
      }
    }
    for (const folder of folders) await syncFolder(folder);
  }

  /** The bytes of a file; undefined when there is none. */
  async read(hash: ContentHash): Promise<Uint8Array | undefined> {
    try {
      return await Deno.readFile(this.pathOf(hash));
    } catch (error) {
      ignoreMissing(error);
      return undefined;
    }
  }

  /** Moves a damaged file out of the way. */
  async setAside(hash: ContentHash): Promise<void> {
    await Deno.mkdir(join(this.directory, DAMAGED), { recursive: true });
    await Deno.rename(this.pathOf(hash), join(this.directory, DAMAGED, hash))
      .catch((error) => ignoreMissing(error));
  }

  /** The hashes of all files, in no order. */
  async *hashes(): AsyncGenerator<ContentHash> {
    for await (const folder of Deno.readDir(this.directory)) {
      if (!folder.isDirectory || !/^[0-9a-f]{2}$/.test(folder.name)) continue;
      for await (const file of Deno.readDir(join(this.directory, folder.name))) {
        if (file.isFile && /^[0-9a-f]{64}$/.test(file.name)) yield file.name as ContentHash;
      }
    }
  }

  async #makeFolder(folder: string): Promise<void> {
    try {
      await Deno.mkdir(folder);
    } catch (error) {
      if (error instanceof Deno.errors.AlreadyExists) return;
      throw error;
    }
    await syncFolder(this.directory);
  }
}

/** Writes a new file and waits until the disk has its bytes. */
export async function writeDurably(path: string, bytes: Uint8Array): Promise<void> {
  const file = await Deno.open(path, { write: true, create: true, truncate: true });
  try {
    for (let done = 0; done < bytes.length;) done += await file.write(bytes.subarray(done));
    await file.sync();
  } finally {
    file.close();
  }
}

/** Waits until the disk has the names in a folder. Windows has no such call and needs none. */
export async function syncFolder(folder: string): Promise<void> {
  if (Deno.build.os === "windows") return;
  const handle = await Deno.open(folder);
  try {
    await handle.sync();
  } finally {
    handle.close();
  }
}

function ignoreMissing(error: unknown): void {
  if (!(error instanceof Deno.errors.NotFound)) throw error;
}
