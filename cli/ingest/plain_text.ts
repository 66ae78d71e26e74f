/** Plain text as pieces (paragraphs), and bytes as text. */
import type { ParsedDocument } from "./section.ts";

/** Understands plain text: paragraphs are separated by empty lines. */
export function parsePlainText(source: string): ParsedDocument {
  const pieces = source.split(/\n[^\S\n]*\n/).map((text) => ({ text, heading: null, page: null }));
  return { title: null, mediaType: "text/plain", pieces };
}

/**
 * The text in a file's bytes with line feeds as line ends, or null when they are no text. Byte order marks are obeyed,
 * then UTF-8 is tried; `assumeText` reads what is neither as Windows-1252 (old notes), else it counts as binary.
 */
export function decodeText(bytes: Uint8Array, assumeText: boolean): string | null {
  const encoding = bytes[0] === 0xff && bytes[1] === 0xfe
    ? "utf-16le"
    : bytes[0] === 0xfe && bytes[1] === 0xff
    ? "utf-16be"
    : null;
  if (encoding !== null) return normalised(new TextDecoder(encoding).decode(bytes));
  if (bytes.includes(0)) return null;
  try {
    return normalised(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch {
    return assumeText ? normalised(new TextDecoder("windows-1252").decode(bytes)) : null;
  }
}

function normalised(text: string): string {
  return text.replaceAll("\r\n", "\n").replaceAll("\r", "\n");
}
