/** Vectors as files by hash, in `models/` of the data folder. */
import { join } from "node:path";
import type { Crypto, Random } from "../platform/ports.ts";
import type { ContentHash } from "../protocols/ids.ts";
import { ChunkFiles } from "./chunk_files.ts";
import { openScratchFile } from "./scratch_file.ts";
import type { VectorStore } from "./vectors.ts";

/** The folder of what is being worked on. */
const SCRATCH = "scratch";

/** Opens the folder and removes what a crash has left unfinished. */
export async function openVectorFiles(
  directory: string,
  { crypto, random }: {
    readonly crypto: Pick<Crypto, "sha256Hex">;
    /** For the keys of what is only worked with. */
    readonly random: Pick<Random, "bytes">;
  },
): Promise<VectorStore> {
  const files = new ChunkFiles(directory);
  await files.open();
  // A crash leaves them behind.
  await Deno.remove(join(directory, SCRATCH), { recursive: true }).catch((error) => {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  });
  const has = async (hash: ContentHash): Promise<boolean> => {
    try {
      return (await Deno.stat(files.pathOf(hash))).isFile;
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return false;
      throw error;
    }
  };
  return {
    has,
    async put(hash, bytes) {
      if (!await has(hash)) await files.write([{ hash, bytes }]);
    },
    async get(hash) {
      const bytes = await files.read(hash);
      if (bytes === undefined) return undefined;
      if (crypto.sha256Hex(bytes) === hash) return bytes as Uint8Array<ArrayBuffer>;
      await files.setAside(hash);
      return undefined;
    },
    async remove(hash) {
      try {
        await Deno.remove(files.pathOf(hash));
      } catch (error) {
        if (!(error instanceof Deno.errors.NotFound)) throw error;
      }
    },
    scratch: () => openScratchFile(join(directory, SCRATCH), random),
    async list() {
      const found = [];
      for await (const hash of files.hashes()) {
        found.push({ hash, bytes: (await Deno.stat(files.pathOf(hash))).size });
      }
      return found;
    },
  };
}
