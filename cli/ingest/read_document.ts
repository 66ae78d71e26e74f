/** One file's bytes as the drafts that should stand for it. */
import { errorText } from "../../platform/error_text.ts";
import type { BlockDraft } from "../../protocols/blocks/block.ts";
import { draftOfFile, draftsOfSections, type Placement, type Source } from "./draft.ts";
import { kindOf, mediaTypeOf } from "./media_type.ts";
import { parseMarkdown } from "./markdown.ts";
import { decodeText, parsePlainText } from "./plain_text.ts";
import { DEFAULT_SECTION_LIMITS, type ParsedDocument, type SectionLimits } from "./section.ts";
import { splitIntoSections } from "./split.ts";

export type ReadOutcome =
  | { readonly type: "read"; readonly drafts: readonly BlockDraft[] }
  /** Nothing in it, or it cannot be understood. */
  | { readonly type: "skipped"; readonly reason: "empty" | "damaged"; readonly detail: string };

/** Understands a file and cuts it into drafts. Damaged files are values, not errors. */
export async function readDocument(
  source: Source,
  placement: Placement,
  limits: SectionLimits = DEFAULT_SECTION_LIMITS,
): Promise<ReadOutcome> {
  if (source.bytes.length === 0) return { type: "skipped", reason: "empty", detail: "0 bytes" };
  const mediaType = mediaTypeOf(source.name, source.bytes);
  let document: ParsedDocument | null;
  try {
    document = await parse(source, mediaType);
  } catch (error) {
    const detail = errorText(error);
    return { type: "skipped", reason: "damaged", detail: `${mediaType}: ${detail}` };
  }
  if (document === null) {
    const stored = mediaType.startsWith("text/") ? "application/octet-stream" : mediaType;
    return { type: "read", drafts: [draftOfFile(source, placement, stored)] };
  }
  const sections = splitIntoSections(document.pieces, limits);
  if (sections.length === 0) {
    // A scanned PDF has pages but no text: it is worth keeping as it is.
    return mediaType === "application/pdf"
      ? { type: "read", drafts: [draftOfFile(source, placement, mediaType)] }
      : { type: "skipped", reason: "empty", detail: "no text in it" };
  }
  return { type: "read", drafts: draftsOfSections({ source, placement, document, sections }) };
}

/** Null when the file is to be kept whole. The parsers for HTML and PDF are large: they are loaded when one comes. */
async function parse(source: Source, mediaType: string): Promise<ParsedDocument | null> {
  const { kind, certain } = kindOf(mediaType);
  if (kind === "binary") return null;
  if (kind === "pdf") return (await import("./pdf.ts")).parsePdf(source.bytes);
  const text = decodeText(source.bytes, certain);
  if (text === null) return null;
  if (kind === "html") return (await import("./html.ts")).parseHtml(text);
  return kind === "markdown" ? parseMarkdown(text) : parsePlainText(text);
}
