/** Reads exact numbers of bytes from a stream that comes in pieces of any size. */

/** Pieces are read into memory of this size: a header, and small frames behind it. What is larger is read where it belongs, bytes. */
const PIECE_BYTES = 16 * 1024;

export class QuicReader {
  readonly #reader: ReadableStreamDefaultReader<Uint8Array> | ReadableStreamBYOBReader;
  #piece = new Uint8Array(0) as Uint8Array;
  #at = 0;

  constructor(stream: ReadableStream<Uint8Array>) {
    this.#reader = openReader(stream);
  }

  /**
   * The next `length` bytes, in memory of their own; undefined when the stream ends before them. At most `length` bytes and one
   * piece of the stream are held.
   */
  async exactly(length: number): Promise<Uint8Array | undefined> {
    let out = new Uint8Array(length);
    let filled = 0;
    while (filled < length) {
      if (this.#at === this.#piece.length) {
        const missing = length - filled;
        if (this.#reader instanceof ReadableStreamBYOBReader && missing > PIECE_BYTES) {
          // The memory travels through the stream and comes back: no second one, and no copy.
          const rest = new Uint8Array(out.buffer, filled, missing);
          const { done, value } = await this.#reader.read(rest);
          if (done) return undefined;
          out = new Uint8Array(value.buffer);
          filled += value.length;
          continue;
        }
        if (!await this.#nextPiece()) return undefined;
        continue;
      }
      const part = this.#piece.subarray(this.#at, this.#at + length - filled);
      out.set(part, filled);
      filled += part.length;
      this.#at += part.length;
    }
    return out;
  }

  /** Nothing more is wanted. */
  cancel(): void {
    this.#reader.cancel().catch(() => {});
  }

  async #nextPiece(): Promise<boolean> {
    const { done, value } = this.#reader instanceof ReadableStreamBYOBReader
      ? await this.#reader.read(emptied(this.#piece))
      : await this.#reader.read();
    if (done) return false;
    this.#piece = value;
    this.#at = 0;
    return true;
  }
}

/** The memory of a piece that was used up, or new one. */
function emptied(piece: Uint8Array): Uint8Array<ArrayBuffer> {
  const { buffer } = piece;
  return buffer instanceof ArrayBuffer && buffer.byteLength === PIECE_BYTES
    ? new Uint8Array(buffer)
    : new Uint8Array(PIECE_BYTES);
}

/** Reads into our own memory where the stream can do that. */
function openReader(
  stream: ReadableStream<Uint8Array>,
): ReadableStreamDefaultReader<Uint8Array> | ReadableStreamBYOBReader {
  try {
    return stream.getReader({ mode: "byob" });
  } catch {
    return stream.getReader();
  }
}
