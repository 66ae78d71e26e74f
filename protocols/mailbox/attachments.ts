/**
 * Attachments: a file encrypted once under a key of its own, in parts that travel separately. The construction is STREAM (Hoang,
 * Reyhanitabar, Rogaway, Vizár, CRYPTO 2015) over ChaCha20-Poly1305 with the nonces of age: eleven bytes of part number, big-endian, and one
 * byte that is 1 for the last part. A part that is changed, cut, swapped, or taken for the last one does not open. The key
 * is random and used for one file only, so nonces may start at zero.
 */
import { invariant } from "../../platform/invariant.ts";
import type { Crypto, Random } from "../../platform/ports.ts";
import type { ContentHash } from "../ids.ts";
import { ATTACHMENT_BYTES_MAX, type AttachmentReference, PART_BYTES } from "./content.ts";

const TAG_BYTES = 16;
/** Plain bytes in one part: all parts but the last are full. */
export const PART_PLAIN_BYTES = PART_BYTES - TAG_BYTES;
const ASSOCIATED = new TextEncoder().encode("kiana attachment v1");

/** Parts of an attachment of this plain size; an empty one has one. */
export function partsOf(plainBytes: number): number {
  return Math.max(1, Math.ceil(plainBytes / PART_PLAIN_BYTES));
}

/** What `sealAttachment` gives: the fields of a reference that follow from the file, and its ciphertext. */
export interface SealedAttachment
  extends Pick<AttachmentReference, "bytes" | "blob" | "key" | "parts"> {
  /** Each at most `PART_BYTES`, in order. */
  readonly ciphertext: readonly Uint8Array[];
}

/** Encrypts a file (at most `ATTACHMENT_BYTES_MAX`) under a fresh key. */
export function sealAttachment(
  body: Uint8Array,
  deps: { readonly crypto: Pick<Crypto, "seal" | "sha256">; readonly random: Random },
): SealedAttachment {
  invariant(
    body.length <= ATTACHMENT_BYTES_MAX,
    () => `Cannot seal attachment: ${body.length} bytes, expected <= ${ATTACHMENT_BYTES_MAX}`,
  );
  const { crypto, random } = deps;
  const key = random.bytes(32);
  const parts = partsOf(body.length);
  const ciphertext = Array.from({ length: parts }, (_, index) =>
    crypto.seal({
      key,
      nonce: nonceOf(index, parts),
      plaintext: body.subarray(index * PART_PLAIN_BYTES, (index + 1) * PART_PLAIN_BYTES),
      associated: ASSOCIATED,
    }));
  const blob = crypto.sha256(...ciphertext).toHex() as ContentHash;
  return { bytes: body.length, blob, key, parts, ciphertext };
}

/** Opens one part; undefined when it is not the part `index` of `parts` of this file. */
export function openPart(
  reference: Pick<AttachmentReference, "key" | "parts">,
  index: number,
  ciphertext: Uint8Array,
  crypto: Pick<Crypto, "open">,
): Uint8Array<ArrayBuffer> | undefined {
  if (!Number.isInteger(index) || index < 0 || index >= reference.parts) return undefined;
  if (ciphertext.length < TAG_BYTES || ciphertext.length > PART_BYTES) return undefined;
  const nonce = nonceOf(index, reference.parts);
  return crypto.open({ key: reference.key, nonce, ciphertext, associated: ASSOCIATED });
}

/**
 * Opens a whole attachment from all its parts in order; undefined when a part is missing, too many, changed or in another place, when
 * they are not the blob that the reference names, or when the size is another one.
 */
export function openAttachment(
  reference: Pick<AttachmentReference, "bytes" | "blob" | "key" | "parts">,
  ciphertext: readonly Uint8Array[],
  crypto: Pick<Crypto, "open" | "sha256">,
): Uint8Array<ArrayBuffer> | undefined {
  const { bytes, parts } = reference;
  if (ciphertext.length !== parts || parts !== partsOf(bytes) || bytes > ATTACHMENT_BYTES_MAX) {
    return undefined;
  }
  if (crypto.sha256(...ciphertext).toHex() !== reference.blob) return undefined;
  const body = new Uint8Array(bytes);
  let offset = 0;
  for (const [index, part] of ciphertext.entries()) {
    const plain = openPart(reference, index, part, crypto);
    if (plain === undefined || plain.length !== plainBytesAt(index, bytes)) return undefined;
    body.set(plain, offset);
    offset += plain.length;
  }
  return body;
}

function plainBytesAt(index: number, bytes: number): number {
  return Math.min(PART_PLAIN_BYTES, bytes - index * PART_PLAIN_BYTES);
}

function nonceOf(index: number, parts: number): Uint8Array<ArrayBuffer> {
  const nonce = new Uint8Array(12);
  // The eleven bytes end at offset 11; the number of a part always fits into the last four of them.
  new DataView(nonce.buffer).setUint32(7, index);
  nonce[11] = index === parts - 1 ? 1 : 0;
  return nonce;
}
