/** The sending half of a link: envelopes become one stream of bytes, of which frames of any size are cut. */
import { invariant } from "../../platform/invariant.ts";
import { type Envelope, ENVELOPE_HEADER_BYTES, writeEnvelope } from "../envelope.ts";
import { DATA_HEADER_BYTES, writeDataHeader } from "./wire.ts";

/** Bytes of the length in front of each envelope. */
export const LENGTH_BYTES = 4;

interface Chunk {
  readonly start: number;
  readonly bytes: Uint8Array;
}

/** Stands where a chunk was that nobody needs any more, so that its bytes are free at once. */
const RELEASED: Chunk = { start: 0, bytes: new Uint8Array(0) };

/** Keeps every byte until the other side has acknowledged it, so that a new path can go on from any position. */
export class SendStream {
  #chunks: Chunk[] = [];
  #head = 0; // index of the first chunk that is still needed
  #cursor = 0; // index of the chunk that `#next` lies in
  #acknowledged = 0;
  #next = 0;
  #end = 0;

  /** Bytes accepted and not acknowledged. */
  get buffered(): number {
    return this.#end - this.#acknowledged;
  }

  /** Bytes sent on the current path and not acknowledged. */
  get unacknowledged(): number {
    return this.#next - this.#acknowledged;
  }

  /** Envelopes of which at least the last byte is not acknowledged. */
  get messages(): number {
    return this.#chunks.length - this.#head;
  }

  /** Bytes held in memory: not more than the envelopes that are not acknowledged to their end. */
  get held(): number {
    return this.#chunks.reduce((sum, { bytes }) => sum + bytes.length, 0);
  }

  get acknowledged(): number {
    return this.#acknowledged;
  }

  get end(): number {
    return this.#end;
  }

  /** True when there is something to send. */
  get pending(): boolean {
    return this.#next < this.#end;
  }

  /** Appends one envelope with its length in front. */
  append(envelope: Envelope): void {
    const length = ENVELOPE_HEADER_BYTES + envelope.body.length;
    const bytes = new Uint8Array(LENGTH_BYTES + length);
    new DataView(bytes.buffer).setUint32(0, length);
    writeEnvelope(envelope, bytes, LENGTH_BYTES);
    this.#chunks.push({ start: this.#end, bytes });
    this.#end += bytes.length;
  }

  /** Cuts the next data frame of at most `frameBytesMax` bytes and counts it as sent. Call only while `pending`. */
  cut(frameBytesMax: number, acknowledged: number): Uint8Array {
    const length = Math.min(frameBytesMax - DATA_HEADER_BYTES, this.#end - this.#next);
    invariant(length > 0, () => `Cannot cut frame: ${length} bytes to send, expected > 0`);
    const frame = new Uint8Array(DATA_HEADER_BYTES + length);
    writeDataHeader(frame, this.#next, acknowledged);
    let at = DATA_HEADER_BYTES;
    while (at < frame.length) {
      const chunk = this.#chunks[this.#cursor];
      invariant(chunk !== undefined, "a byte that is to be sent lies in a chunk");
      const from = this.#next - chunk.start;
      const taken = Math.min(chunk.bytes.length - from, frame.length - at);
      frame.set(chunk.bytes.subarray(from, from + taken), at);
      at += taken;
      this.#next += taken;
      if (from + taken === chunk.bytes.length) this.#cursor += 1;
    }
    return frame;
  }

  /** Forgets everything before `position`. False when that was never sent, which a correct peer cannot claim. */
  acknowledge(position: number): boolean {
    if (position <= this.#acknowledged) return true;
    if (position > this.#next) return false;
    this.#acknowledged = position;
    this.#forget();
    return true;
  }

  /** A new path: go on at `position`, or behind what was acknowledged since that was said. False when that cannot be. */
  rewind(position: number): boolean {
    // Frames that were handed to the old path may have arrived, so anything up to the end is believable.
    if (position > this.#end) return false;
    // The old path still works while a better one opens: acknowledgements may have overtaken the resume frame.
    this.#acknowledged = Math.max(this.#acknowledged, position);
    this.#next = this.#acknowledged;
    this.#forget();
    this.#cursor = this.#head;
    return true;
  }

  #forget(): void {
    let chunk = this.#chunks[this.#head];
    while (chunk !== undefined && chunk.start + chunk.bytes.length <= this.#acknowledged) {
      this.#chunks[this.#head] = RELEASED;
      this.#head += 1;
      chunk = this.#chunks[this.#head];
    }
    if (this.#head < 64 || this.#head * 2 < this.#chunks.length) return;
    this.#chunks = this.#chunks.slice(this.#head);
    this.#cursor -= this.#head;
    this.#head = 0;
  }
}
