/** Which kind of document a file is: by its first bytes, then by its name. Pure. */
import mime from "mime";

/** How a file is read. `binary` is stored whole. */
export type DocumentKind = "markdown" | "html" | "pdf" | "text" | "binary";

/** Signatures at the start of files whose names often say nothing. */
const SIGNATURES: readonly (readonly [mediaType: string, bytes: readonly number[]])[] = [
  ["application/pdf", [0x25, 0x50, 0x44, 0x46, 0x2d]],
  ["image/png", [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]],
  ["image/jpeg", [0xff, 0xd8, 0xff]],
  ["image/gif", [0x47, 0x49, 0x46, 0x38]],
  ["application/gzip", [0x1f, 0x8b]],
  ["application/zip", [0x50, 0x4b, 0x03, 0x04]],
  ["audio/ogg", [0x4f, 0x67, 0x67, 0x53]],
];

const TEXT_TYPES = [
  "application/json",
  "application/javascript",
  "application/xml",
  "application/yaml",
  "application/toml",
  "application/sql",
  "application/x-sh",
];

/** The media type of a file: its signature, else its extension, else unknown. */
export function mediaTypeOf(name: string, bytes: Uint8Array): string {
  const byName = mime.getType(name);
  const signature = SIGNATURES.find(([, start]) => start.every((byte, i) => bytes[i] === byte));
  // Office documents and e-books are zip files: there the name knows more.
  if (signature !== undefined && !(signature[0] === "application/zip" && byName !== null)) {
    return signature[0];
  }
  // ".ts" is registered for video streams; a stream starts with 0x47, a program does not.
  if (byName === "video/mp2t" && bytes[0] !== 0x47) return "text/plain";
  return byName ?? "application/octet-stream";
}

/** How a file of this media type is read, and whether its name alone says that it is text. */
export function kindOf(
  mediaType: string,
): { readonly kind: DocumentKind; readonly certain: boolean } {
  if (mediaType === "text/markdown") return { kind: "markdown", certain: true };
  if (mediaType === "text/html" || mediaType === "application/xhtml+xml") {
    return { kind: "html", certain: true };
  }
  if (mediaType === "application/pdf") return { kind: "pdf", certain: true };
  if (mediaType.startsWith("text/") || TEXT_TYPES.includes(mediaType)) {
    return { kind: "text", certain: true };
  }
  if (mediaType === "application/octet-stream") return { kind: "text", certain: false };
  return { kind: "binary", certain: true };
}
