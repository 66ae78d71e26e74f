/**
 * Puts the pieces of a document together into sections of bounded size. Pure. Keeps every character but white space at
 * the edges of sections, never cuts inside a code point, and cuts a piece only when it alone is too long.
 */
import type { Piece, Section, SectionLimits } from "./section.ts";

const utf8 = new TextEncoder();

/** Length as UTF-8, bytes. */
export function bytesOf(text: string): number {
  return utf8.encode(text).length;
}

interface Draft {
  headings: readonly string[];
  startsWithHeading: boolean;
  parts: string[];
  bytes: number;
  page: number | null;
}

/** Cuts a document into sections, in order. Empty when the pieces hold nothing but white space. */
export function splitIntoSections(
  pieces: readonly Piece[],
  limits: SectionLimits,
): readonly Section[] {
  const sections: Section[] = [];
  const outline: { level: number; title: string }[] = [];
  let draft: Draft | null = null;

  const close = () => {
    const finished = draft === null ? null : finish(draft);
    if (finished !== null) sections.push(finished);
    draft = null;
  };

  for (const piece of pieces) {
    const { heading } = piece;
    if (heading !== null) {
      while ((outline.at(-1)?.level ?? 0) >= heading.level) outline.pop();
      outline.push(heading);
    }
    for (const text of cutToSize(piece.text, limits.sectionBytesMax)) {
      const bytes = bytesOf(text);
      const current: Draft | null = draft;
      if (current !== null && mustClose(current, piece, bytes, limits)) close();
      draft ??= {
        headings: outline.map((entry) => entry.title),
        startsWithHeading: heading !== null && text.length === piece.text.trim().length,
        parts: [],
        bytes: 0,
        page: piece.page,
      };
      draft.parts.push(text);
      draft.bytes += bytes + 2;
    }
  }
  close();
  return sections;
}

function mustClose(draft: Draft, piece: Piece, bytes: number, limits: SectionLimits): boolean {
  if (draft.bytes + bytes > limits.sectionBytesMax) return true;
  const boundary = piece.heading !== null || piece.page !== draft.page;
  return boundary && draft.bytes >= limits.sectionBytesMin;
}

function finish(draft: Draft): Section | null {
  const text = draft.parts.join("\n\n");
  if (text.trim() === "") return null;
  const { headings, startsWithHeading, page } = draft;
  return { headings, startsWithHeading, text, page };
}

/** Cuts a text into runs of at most `bytesMax` bytes, preferably after a line, a sentence or a word. Edges are trimmed. */
export function cutToSize(text: string, bytesMax: number): readonly string[] {
  const runs: string[] = [];
  let rest = trimmedLines(text);
  while (rest !== "") {
    if (bytesOf(rest) <= bytesMax) {
      runs.push(rest);
      break;
    }
    const window = longestPrefix(rest, bytesMax);
    const cut = bestCut(window);
    runs.push(trimmedLines(rest.slice(0, cut)));
    rest = trimmedLines(rest.slice(cut));
  }
  return runs.filter((run) => run !== "");
}

// Indentation carries meaning in code and lists: only whole empty lines and trailing white space go.
function trimmedLines(text: string): string {
  return text.replace(/^(?:[^\S\n]*\n)+/, "").trimEnd();
}

/** The longest prefix of whole code points within `bytesMax` bytes (at least one code point). */
function longestPrefix(text: string, bytesMax: number): string {
  let bytes = 0;
  let end = 0;
  for (const point of text) {
    const code = point.codePointAt(0) ?? 0;
    const size = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x1_0000 ? 3 : 4;
    if (bytes + size > bytesMax && end > 0) break;
    bytes += size;
    end += point.length;
  }
  return text.slice(0, end);
}

/** Where to cut inside a window: after the last line, sentence or word of its second half, else at its end. */
function bestCut(window: string): number {
  const half = Math.floor(window.length / 2);
  const line = window.lastIndexOf("\n") + 1;
  if (line > half) return line;
  const sentence = lastMatchEnd(window, /[.!?…。！？]["'”’»)\]]*\s+/g, half);
  if (sentence > 0) return sentence;
  const word = lastMatchEnd(window, /\s+/g, half);
  return word > 0 ? word : window.length;
}

function lastMatchEnd(text: string, pattern: RegExp, after: number): number {
  let end = -1;
  for (const match of text.slice(after).matchAll(pattern)) {
    end = after + match.index + match[0].length;
  }
  return end;
}
