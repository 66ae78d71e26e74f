/** Markdown as pieces: every top-level element with its heading level, in the words of the source. */
import { fromMarkdown } from "mdast-util-from-markdown";
import type { ParsedDocument, Piece } from "./section.ts";

/** Longer texts are split as plain text with headings found line by line: the full parser would take many seconds. */
const PARSED_CHARACTERS_MAX = 2_000_000;
const FRONT_MATTER = /^---\r?\n[\s\S]{0,16384}?\r?\n(?:---|\.\.\.)(?:\r?\n|$)/;

/** Understands Markdown (CommonMark). Front matter stays as the first piece; its `title` names the document. */
export function parseMarkdown(source: string): ParsedDocument {
  const front = FRONT_MATTER.exec(source)?.[0] ?? "";
  const named = /^title:[ \t]*(.{1,200})$/m.exec(front)?.[1]?.trim().replace(
    /^(["'])(.*)\1$/,
    "$2",
  );
  const body = source.slice(front.length);
  const pieces = body.length > PARSED_CHARACTERS_MAX ? piecesByLine(body) : piecesByParser(body);
  const all = front.trim() === "" ? pieces : [plainPiece(front), ...pieces];
  const firstHeading = pieces.find((piece) => piece.heading !== null)?.heading?.title;
  return { title: named ?? firstHeading ?? null, mediaType: "text/markdown", pieces: all };
}

function plainPiece(text: string): Piece {
  return { text, heading: null, page: null };
}

function piecesByParser(body: string): readonly Piece[] {
  const nodes = fromMarkdown(body).children;
  const starts = nodes.map((node) => node.position?.start.offset ?? 0);
  const pieces: Piece[] = [];
  const before = body.slice(0, starts[0] ?? body.length);
  if (before.trim() !== "") pieces.push(plainPiece(before));
  for (const [index, node] of nodes.entries()) {
    // Up to the next element, so that nothing between two elements is lost.
    const start = lineStart(body, starts[index] ?? 0);
    const next = starts[index + 1];
    const text = body.slice(start, next === undefined ? body.length : lineStart(body, next));
    const heading = node.type === "heading"
      ? { level: node.depth, title: plainText(node).trim() }
      : null;
    pieces.push({ text, heading: heading?.title === "" ? null : heading, page: null });
  }
  return pieces;
}

// The indentation in front of an element belongs to it.
function lineStart(body: string, offset: number): number {
  const newline = body.lastIndexOf("\n", offset - 1);
  return body.slice(newline + 1, offset).trim() === "" ? newline + 1 : offset;
}

interface TextNode {
  readonly value?: unknown;
  readonly alt?: unknown;
  readonly children?: readonly unknown[];
}

function plainText(node: TextNode): string {
  if (typeof node.value === "string") return node.value;
  if (typeof node.alt === "string") return node.alt;
  return (node.children ?? []).map((child) => plainText(child as TextNode)).join("");
}

function piecesByLine(body: string): readonly Piece[] {
  return body.split(/\n(?=#{1,6}[ \t])|\n\s*\n/).map((text) => {
    const match = /^(#{1,6})[ \t]+(.{1,400}?)[ \t#]*(?:\n|$)/.exec(text);
    const heading = match === null
      ? null
      : { level: match[1]?.length ?? 1, title: (match[2] ?? "").trim() };
    return { text, heading, page: null };
  });
}
