/** QR codes in the terminal, two rows of modules a line. */
import { renderUnicodeCompact } from "uqr";

/** A QR code for `text` (at most about 2,000 characters), light on dark terminals included. Medium error correction. */
export function formatQr(text: string): string {
  return renderUnicodeCompact(text, { border: 2, ecc: "M" });
}
