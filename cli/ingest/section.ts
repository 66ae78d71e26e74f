/** What documents become on their way to blocks: pieces that belong together, and sections made of them. */

/** Target and limit of one section, bytes of UTF-8. */
export interface SectionLimits {
  /** A heading starts a new section once the current one has this much. */
  readonly sectionBytesMin: number;
  /** No section is longer than this. At least 16. */
  readonly sectionBytesMax: number;
}

/** Small enough to be one answer to one question, large enough to carry its context. */
export const DEFAULT_SECTION_LIMITS: SectionLimits = {
  sectionBytesMin: 1_024,
  sectionBytesMax: 4_096,
};

/** Something of a document that is only cut when it is too long by itself: a paragraph, a list, a heading. */
export interface Piece {
  readonly text: string;
  /** Set when the piece is a heading: 1 is the outermost. */
  readonly heading: { readonly level: number; readonly title: string } | null;
  /** The page it starts on, from 1; null where a document has no pages. */
  readonly page: number | null;
}

/** A document that was understood. */
export interface ParsedDocument {
  /** What the document calls itself; null when it says nothing. */
  readonly title: string | null;
  /** How the texts of its sections are written. */
  readonly mediaType: "text/markdown" | "text/plain";
  readonly pieces: readonly Piece[];
}

/** A part of a document that becomes one block. */
export interface Section {
  /** The headings above this part, outermost first. */
  readonly headings: readonly string[];
  /** True when `text` begins with the line of the last heading. */
  readonly startsWithHeading: boolean;
  readonly text: string;
  readonly page: number | null;
}
