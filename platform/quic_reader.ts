/** Reads exact numbers of bytes from a stream that comes in pieces of any size. */

export class QuicReader {
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  #piece = new Uint8Array(0) as Uint8Array;
  #at = 0;

  constructor(stream: ReadableStream<Uint8Array>) {
    this.#reader = stream.getReader();
  }

  /**
   * The next `length` bytes, in memory of their own; undefined when the stream ends before them. At most `length` bytes and one
   * piece of the stream are held.
   */
  async exactly(length: number): Promise<Uint8Array | undefined> {
    const out = new Uint8Array(length);
    let filled = 0;
    while (filled < length) {
      if (this.#at === this.#piece.length) {
        const { done, value } = await this.#reader.read();
        if (done) return undefined;
        this.#piece = value;
        this.#at = 0;
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
}
