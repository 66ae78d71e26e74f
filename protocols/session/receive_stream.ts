/** The receiving half of a link: stream bytes in, whole envelopes out, with no more memory than one envelope. */
import { ENVELOPE_BYTES_MAX, ENVELOPE_HEADER_BYTES } from "../envelope.ts";
import { LENGTH_BYTES } from "./send_stream.ts";

export type ReceiveOutcome =
  /** Envelopes that are complete now, in order; may be views of the frame. */
  | { readonly type: "received"; readonly envelopes: readonly Uint8Array[] }
  /** Bytes before these are missing: the path has lost some, the stream itself is intact. */
  | { readonly type: "gap"; readonly reason: string }
  | { readonly type: "violation"; readonly reason: string };

/** Puts envelopes together again. */
export class ReceiveStream {
  #received = 0;
  readonly #length = new Uint8Array(LENGTH_BYTES);
  #lengthFilled = 0;
  #envelope: Uint8Array | undefined;
  #envelopeFilled = 0;

  /** Stream bytes that have arrived: the position expected next. */
  get received(): number {
    return this.#received;
  }

  /** Position at which the envelope begins that has come only in part; null between two envelopes. */
  get unfinishedFrom(): number | null {
    if (this.#envelope !== undefined) return this.#received - this.#envelopeFilled - LENGTH_BYTES;
    return this.#lengthFilled > 0 ? this.#received - this.#lengthFilled : null;
  }

  /** Takes the bytes of one data frame. Duplicates are skipped; an impossible length is a violation. */
  take(offset: number, bytes: Uint8Array): ReceiveOutcome {
    if (offset > this.#received) {
      return {
        type: "gap",
        reason: `data starts at ${offset}, expected <= ${this.#received}`,
      };
    }
    let at = this.#received - offset;
    if (at >= bytes.length) return { type: "received", envelopes: [] };
    this.#received = offset + bytes.length;
    const envelopes: Uint8Array[] = [];
    while (at < bytes.length) {
      if (this.#envelope === undefined) {
        const taken = Math.min(LENGTH_BYTES - this.#lengthFilled, bytes.length - at);
        this.#length.set(bytes.subarray(at, at + taken), this.#lengthFilled);
        this.#lengthFilled += taken;
        at += taken;
        if (this.#lengthFilled < LENGTH_BYTES) break;
        this.#lengthFilled = 0;
        const length = new DataView(this.#length.buffer).getUint32(0);
        if (length < ENVELOPE_HEADER_BYTES || length > ENVELOPE_BYTES_MAX) {
          return violation(
            `envelope has ${length} bytes, expected ${ENVELOPE_HEADER_BYTES}-${ENVELOPE_BYTES_MAX}`,
          );
        }
        if (bytes.length - at >= length) {
          envelopes.push(bytes.subarray(at, at + length));
          at += length;
          continue;
        }
        this.#envelope = new Uint8Array(length);
        this.#envelopeFilled = 0;
        continue;
      }
      const taken = Math.min(this.#envelope.length - this.#envelopeFilled, bytes.length - at);
      this.#envelope.set(bytes.subarray(at, at + taken), this.#envelopeFilled);
      this.#envelopeFilled += taken;
      at += taken;
      if (this.#envelopeFilled < this.#envelope.length) break;
      envelopes.push(this.#envelope);
      this.#envelope = undefined;
    }
    return { type: "received", envelopes };
  }
}

function violation(reason: string): ReceiveOutcome {
  return { type: "violation", reason };
}
