/** Small questions about folders, and a copy that can be trusted. */
import { join } from "node:path";

/** Bytes of all files below a folder; 0 when it is not there. */
export function folderSize(directory: string): number {
  let bytes = 0;
  try {
    for (const entry of Deno.readDirSync(directory)) {
      const path = join(directory, entry.name);
      if (entry.isDirectory) bytes += folderSize(path);
      else if (entry.isFile) bytes += Deno.lstatSync(path).size;
    }
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  return bytes;
}

/** Whether anything lies at this path. */
export function exists(path: string): boolean {
  try {
    Deno.lstatSync(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/** Copies files and folders below `from` to the new folder `to`, synced to disk, readable by the owner only. */
export function copyFolder(
  from: string,
  to: string,
  onCopied: (bytes: number, path: string) => void,
): void {
  Deno.mkdirSync(to, { recursive: true, mode: 0o700 });
  for (const entry of Deno.readDirSync(from)) {
    const [source, target] = [join(from, entry.name), join(to, entry.name)];
    if (entry.isDirectory) copyFolder(source, target, onCopied);
    else if (entry.isFile) {
      Deno.copyFileSync(source, target);
      Deno.chmodSync(target, 0o600);
      using file = Deno.openSync(target, { write: true });
      file.syncSync();
      onCopied(file.statSync().size, target);
    }
  }
}

/** Writes a stream into a file, new or emptied before. Returns how many bytes it has. */
export async function writeStream(body: ReadableStream<Uint8Array>, path: string): Promise<number> {
  using file = await Deno.open(path, { write: true, create: true, truncate: true });
  let bytes = 0;
  for await (const part of body) {
    bytes += part.length;
    let rest = part;
    while (rest.length > 0) rest = rest.subarray(await file.write(rest));
  }
  return bytes;
}
