/** Unpacks gzip with a bound on what may come out: a kilobyte of zeros packed a thousandfold is a known way to fill a memory. */
import { promisify } from "node:util";
import { gunzip as unpack } from "node:zlib";

/** Begins like gzip (RFC 1952). */
export function isGzip(bytes: Uint8Array): boolean {
  return bytes.length >= 2 && bytes[0] === 0x1f && bytes[1] === 0x8b;
}

/**
 * The unpacked bytes of all members, one after the other (RFC 1952, 2.2: `cat a.gz b.gz` and packers that work in parallel make several, which the web's own
 * `DecompressionStream` refuses). Zeros behind the last one are padding, as they are to `gzip` itself. Throws a `RangeError` when more than `bytesMax`
 * come out, or when a member is damaged, cut off, or followed by something else; `what` names it in the message.
 */
export async function gunzip(
  packed: Uint8Array<ArrayBuffer>,
  options: { readonly bytesMax: number; readonly what: string },
): Promise<Uint8Array<ArrayBuffer>> {
  const { bytesMax, what } = options;
  try {
    const { buffer, engine } = await unpackTold(packed, { maxOutputLength: bytesMax, info: true });
    // Unpacking ends at the first zero behind a member, whatever comes then.
    if (packed.subarray(engine.bytesWritten).some((byte) => byte !== 0)) {
      throw new Error("bytes follow the padding");
    }
    return new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.length);
  } catch (cause) {
    if ((cause as { code?: unknown }).code === "ERR_BUFFER_TOO_LARGE") {
      throw new RangeError(`Cannot unpack ${what}: more than ${bytesMax} bytes come out`, {
        cause,
      });
    }
    throw new RangeError(`Cannot unpack ${what}: it is damaged or cut off`, { cause });
  }
}

/** With `info`, which its types do not know: the bytes that came out, and how many of the packed ones they took. */
const unpackTold = promisify(unpack) as unknown as (
  packed: Uint8Array,
  options: { readonly maxOutputLength: number; readonly info: true },
) => Promise<{
  readonly buffer: Uint8Array<ArrayBuffer>;
  readonly engine: { readonly bytesWritten: number };
}>;
