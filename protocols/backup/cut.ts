/**
 * Where content is cut into pieces: where the content itself says so, so that what is inserted or removed changes the pieces around it
 * and no others. FastCDC (Xia et al., USENIX ATC 2016) with a secret gear table.
 */
import { PIECE_BYTES_MAX, PIECE_BYTES_MIN, PIECE_BYTES_USUAL } from "./format.ts";

// Two bits harder before the usual size and two easier after it, as the paper proposes: sizes gather around it.
const HARD = 0xfffffc00 | 0;
const EASY = 0xffffc000 | 0;

/**
 * The length of the first piece of `bytes`, which is either the rest of the content or at least `PIECE_BYTES_MAX` long.
 *
 * @param gear 256 random 32-bit numbers; the hash of a place covers the 32 bytes before it
 */
export function firstPieceBytes(bytes: Uint8Array, gear: Uint32Array): number {
  const end = Math.min(bytes.length, PIECE_BYTES_MAX);
  if (end <= PIECE_BYTES_MIN) return end;
  const usual = Math.min(end, PIECE_BYTES_USUAL);
  let hash = 0;
  let i = PIECE_BYTES_MIN - 32;
  for (; i < PIECE_BYTES_MIN; i++) hash = (hash << 1) + gear[bytes[i]!]! | 0;
  for (; i < usual; i++) {
    hash = (hash << 1) + gear[bytes[i]!]! | 0;
    if ((hash & HARD) === 0) return i + 1;
  }
  for (; i < end; i++) {
    hash = (hash << 1) + gear[bytes[i]!]! | 0;
    if ((hash & EASY) === 0) return i + 1;
  }
  return end;
}

/** The content of a stream in pieces, in order. Holds 8 MiB and what one read gives. */
export async function* piecesOf(
  stream: AsyncIterable<Uint8Array>,
  gear: Uint32Array,
): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  const kept = new Uint8Array(2 * PIECE_BYTES_MAX);
  let length = 0;
  function take(): Uint8Array<ArrayBuffer> {
    const size = firstPieceBytes(kept.subarray(0, length), gear);
    const piece = kept.slice(0, size);
    kept.copyWithin(0, size, length);
    length -= size;
    return piece;
  }
  for await (const part of stream) {
    for (let at = 0; at < part.length;) {
      const fits = part.subarray(at, at + kept.length - length);
      kept.set(fits, length);
      length += fits.length;
      at += fits.length;
      // Only with this much the place of a cut does not depend on how the stream was read.
      while (length >= PIECE_BYTES_MAX) yield take();
    }
  }
  while (length > 0) yield take();
}
