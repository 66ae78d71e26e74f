/** Reads a file of somebody's pictures: whole, but nothing that has no end or is larger than any set. */
import { errorText } from "../../platform/error_text.ts";
import { IDX_BYTES_MAX } from "../../learning/data/idx.ts";

/** The bytes. Rejects with a `RangeError` that names the file and says why it is not read. */
export async function readPictureFile(path: string): Promise<Uint8Array<ArrayBuffer>> {
  try {
    const { size, isFile } = await Deno.stat(path);
    // A link may lead to a device or a pipe.
    if (!isFile) throw new RangeError(`Cannot read ${path}: it is no file`);
    if (size > IDX_BYTES_MAX) {
      throw new RangeError(
        `Cannot read ${path}: it has ${size} bytes, expected at most ${IDX_BYTES_MAX}`,
      );
    }
    return await Deno.readFile(path);
  } catch (cause) {
    if (cause instanceof RangeError) throw cause;
    throw new RangeError(`Cannot read ${path}: ${errorText(cause)}`, { cause });
  }
}
