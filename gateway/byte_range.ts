/** Range requests (RFC 9110, section 14): films and sound are played from the middle, downloads go on where they broke off. */

/** Bytes from `first` to `last`, both included. */
export interface ByteRange {
  readonly first: number;
  readonly last: number;
}

/**
 * What a `Range` header asks of a body of `bytes` bytes. Undefined: all of it, which is also the answer to what this gateway does
 * not offer (other units, several ranges, nonsense), as the RFC allows.
 */
export function parseRange(
  header: string | undefined,
  bytes: number,
): ByteRange | "unsatisfiable" | undefined {
  const match = /^bytes=(\d{0,15})-(\d{0,15})$/i.exec(header ?? "");
  const [, from = "", to = ""] = match ?? [];
  if (match === null || (from === "" && to === "")) return undefined;
  if (from === "") {
    const suffixBytes = Math.min(Number(to), bytes);
    return suffixBytes === 0 ? "unsatisfiable" : { first: bytes - suffixBytes, last: bytes - 1 };
  }
  const first = Number(from);
  if (to !== "" && Number(to) < first) return undefined;
  if (first >= bytes) return "unsatisfiable";
  return { first, last: to === "" ? bytes - 1 : Math.min(Number(to), bytes - 1) };
}

/** The part of `stream` that `range` names. What comes after it is not read. */
export function slicedStream(
  stream: ReadableStream<Uint8Array>,
  { first, last }: ByteRange,
): ReadableStream<Uint8Array> {
  const reader = stream.getReader();
  let position = 0;
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      while (true) {
        const { value, done } = await reader.read();
        if (done) return controller.close();
        const start = position;
        position += value.length;
        if (position <= first) continue;
        controller.enqueue(value.subarray(Math.max(0, first - start), last + 1 - start));
        if (position <= last) return;
        controller.close();
        return await reader.cancel();
      }
    },
    cancel: (reason) => reader.cancel(reason),
  }, { highWaterMark: 0 });
}
