/** Headers under which a body that somebody else wrote can be handed to a browser without running as one of our pages. */
import type { Block } from "../protocols/blocks/block.ts";
import { shortId } from "../protocols/ids.ts";

/** What a browser may show itself; all of it inert. SVG and PDF are not: both can carry scripts. */
const SHOWN = new Set([
  "text/plain",
  "text/markdown",
  "text/csv",
  "image/png",
  "image/jpeg",
  "image/gif",
  "image/webp",
  "image/avif",
  "audio/mpeg",
  "audio/ogg",
  "audio/wav",
  "audio/webm",
  "video/mp4",
  "video/webm",
]);

/** Endings for downloads; others get none, which every system can live with. */
const ENDINGS: Readonly<Record<string, string>> = {
  "text/plain": ".txt",
  "text/markdown": ".md",
  "text/html": ".html",
  "text/csv": ".csv",
  "application/json": ".json",
  "application/pdf": ".pdf",
  "application/zip": ".zip",
  "image/png": ".png",
  "image/jpeg": ".jpg",
  "image/gif": ".gif",
  "image/webp": ".webp",
  "image/svg+xml": ".svg",
};

const SAFE_MEDIA_TYPE = /^[a-z0-9][a-z0-9!#$&^_.+-]{0,62}\/[a-z0-9][a-z0-9!#$&^_.+-]{0,62}$/;

/**
 * The headers of a block's body. The file name is made of our own characters only, whatever the block says; the sandbox policy
 * takes scripts, forms and same origin away even from a body that is opened directly.
 */
export function bodyHeaders({ id, header }: Block) {
  const { mediaType, bodyBytes } = header;
  return inertHeaders({ mediaType, bytes: bodyBytes, baseName: shortId(id), etag: id });
}

/** Longest file name that a download proposes, characters. */
const FILE_NAME_MAX = 120;

/** A name that somebody else has chosen, as the last part of a path: nothing that leads elsewhere, hides the file or cannot be seen. */
export function safeFileName(name: string): string {
  const last = name.toWellFormed().split(/[\\/]/).at(-1) ?? "";
  const plain = last.normalize("NFC").replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}<>:"|?*]/gu, "_");
  const shown = plain.trim().replace(/^\.+/, "").replace(/[. ]+$/, "");
  return [...shown].slice(-FILE_NAME_MAX).join("") || "attachment";
}

/** The headers of an attachment: as a body's, and the name its author gave it, made harmless, is proposed for saving. */
export function attachmentHeaders(
  attachment: { readonly name: string; readonly mediaType: string; readonly bytes: number },
  { message, index }: { readonly message: string; readonly index: number },
) {
  const { mediaType, bytes, name } = attachment;
  const baseName = `${message.slice(0, 8)}-${index}`;
  const headers = inertHeaders({ mediaType, bytes, baseName, etag: `${message}-${index}` });
  const encoded = encodeURIComponent(safeFileName(name)).replaceAll(
    /['()*!]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );
  const disposition = `${headers["Content-Disposition"]}; filename*=UTF-8''${encoded}`;
  return { ...headers, "Content-Disposition": disposition };
}

function inertHeaders(
  { mediaType: given, bytes, baseName, etag }: {
    readonly mediaType: string;
    readonly bytes: number;
    readonly baseName: string;
    readonly etag: string;
  },
) {
  const stated = given.toLowerCase();
  const mediaType = SAFE_MEDIA_TYPE.test(stated) ? stated : "application/octet-stream";
  const disposition = SHOWN.has(mediaType) ? "inline" : "attachment";
  const ending = Object.hasOwn(ENDINGS, mediaType) ? ENDINGS[mediaType] : "";
  // Browsers would take a Markdown file for a download; as plain text it is read.
  const shown = mediaType === "text/markdown" ? "text/plain" : mediaType;
  return {
    "Content-Type": shown.startsWith("text/") ? `${shown}; charset=utf-8` : shown,
    "Content-Length": String(bytes),
    "Content-Disposition": `${disposition}; filename="${baseName}${ending}"`,
    "Content-Security-Policy": "sandbox; default-src 'none'; img-src 'self'; media-src 'self'",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "private, max-age=31536000, immutable",
    "Accept-Ranges": "bytes",
    ETag: `"${etag}"`,
  };
}
