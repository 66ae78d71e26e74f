/** Unpacks gzip with a bound on what may come out: a kilobyte of zeros packed a thousandfold is a known way to fill a memory. */

/** Begins like gzip (RFC 1952). */
export function isGzip(bytes: Uint8Array): boolean {
  return bytes.length >= 2 && bytes[0] === 0x1f && bytes[1] === 0x8b;
}

/**
 * The unpacked bytes. Throws a `RangeError` when more than `bytesMax` come out, or when the stream is damaged, cut off, or followed by
 * something else; `what` names it in the message.
 */
export async function gunzip(
  packed: Uint8Array<ArrayBuffer>,
  options: { readonly bytesMax: number; readonly what: string },
): Promise<Uint8Array<ArrayBuffer>> {
  const { bytesMax, what } = options;
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  const reader = stream.getReader();
  const parts: Uint8Array[] = [];
  let length = 0;
  for (;;) {
    const { done, value } = await reader.read().catch((cause: unknown) => {
      throw new RangeError(`Cannot unpack ${what}: it is damaged or cut off`, { cause });
    });
    if (done) break;
    length += value.length;
    if (length > bytesMax) {
      await reader.cancel();
      throw new RangeError(`Cannot unpack ${what}: more than ${bytesMax} bytes come out`);
    }
    parts.push(value);
  }
  const unpacked = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    unpacked.set(part, at);
    at += part.length;
  }
  return unpacked;
}
