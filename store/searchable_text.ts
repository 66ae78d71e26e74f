/**
 * What full-text search knows of a body: a title and plain text. Pure; never throws, whatever the bytes are.
 */
import type { BlockHeader } from "../protocols/blocks/block.ts";

/** Bodies are indexed up to this many bytes; what follows is not found. */
export const SEARCHABLE_BYTES_MAX = 256 * 1024;
/** Longest title, characters. */
export const TITLE_CHARACTERS_MAX = 200;

export interface SearchableText {
  readonly title: string;
  readonly text: string;
}

/** What indexing looks at. Without tags there is no file name. */
export type SearchableHeader =
  & Pick<BlockHeader, "kind" | "mediaType" | "bodyBytes">
  & Partial<Pick<BlockHeader, "tags">>;

/** Whether a block can be found by words: content (not protocol state) of a text type, or with the name of a file. */
export function isSearchable(header: SearchableHeader): boolean {
  if (header.kind !== "put" && header.kind !== "supersede") return false;
  if (header.bodyBytes === 0) return false;
  return textFormat(header.mediaType) !== null || sourceName(header) !== null;
}

const SOURCE_TAG = "source:";

/** The path that `submind add` writes into the tag `source:`; pictures and archives are found by it. */
function sourceName({ tags = [] }: SearchableHeader): string | null {
  const tag = tags.find((one) => one.startsWith(SOURCE_TAG));
  const name = withoutControls(tag?.slice(SOURCE_TAG.length) ?? "").trim();
  return name === "" ? null : name;
}

/**
 * Title and text of a body, or null when there is nothing to index.
 *
 * @param body the whole body, or its beginning when it is longer than `SEARCHABLE_BYTES_MAX`
 */
export function searchableText(
  header: SearchableHeader,
  body: Uint8Array,
): SearchableText | null {
  if (!isSearchable(header)) return null;
  const format = textFormat(header.mediaType);
  if (format === null) {
    const name = sourceName(header) ?? "";
    const title = name.split("/").at(-1) || name;
    return { title: title.slice(0, TITLE_CHARACTERS_MAX), text: name };
  }
  const cut = body.subarray(0, SEARCHABLE_BYTES_MAX);
  // Not fatal: a wrong byte in a long note must not hide the note.
  const raw = withoutControls(new TextDecoder("utf-8").decode(cut));
  const found = format === "markdown"
    ? fromMarkdown(raw)
    : format === "json"
    ? fromJson(raw)
    : format === "html"
    ? fromHtml(raw)
    : { title: firstLine(raw), text: raw };
  if (found.text.trim() === "" && found.title.trim() === "") return null;
  return { title: found.title.slice(0, TITLE_CHARACTERS_MAX).trim(), text: found.text.trim() };
}

type TextFormat = "plain" | "markdown" | "json" | "html";

function textFormat(mediaType: string): TextFormat | null {
  const type = (mediaType.split(";")[0] ?? "").trim().toLowerCase();
  if (type === "text/markdown") return "markdown";
  if (type === "text/html" || type === "application/xhtml+xml") return "html";
  if (type === "application/json" || type.endsWith("+json")) return "json";
  return type.startsWith("text/") ? "plain" : null;
}

// Control characters would collide with the snippet marks (U+0002, U+0003), and SQLite cuts text at U+0000.
// deno-lint-ignore no-control-regex
const CONTROLS = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f]/g;

/** Control characters replaced by spaces; tabs and line ends stay. */
export function withoutControls(text: string): string {
  return text.replace(CONTROLS, " ");
}

function firstLine(text: string): string {
  for (const line of text.split("\n", 50)) {
    const trimmed = line.trim();
    if (trimmed !== "") return trimmed;
  }
  return "";
}

// Every pattern below looks at a bounded stretch from each start: text of strangers must not cost quadratic time.
const FRONT_MATTER = /^---\r?\n([\s\S]{0,8000}?)\r?\n---(?:\r?\n|$)/;
const HEADING = /^ {0,3}#{1,6}[ \t]+(.+)$/;

function fromMarkdown(raw: string): SearchableText {
  const frontMatter = FRONT_MATTER.exec(raw);
  const content = frontMatter === null ? raw : raw.slice(frontMatter[0].length);
  const text = withoutAddresses(content)
    .replace(/^ {0,3}(?:#{1,6}|>|[-*+]|\d{1,9}[.)])[ \t]+/gm, "")
    .replace(/[*_`~]{1,3}/g, "");
  const named = /^title:[ \t]*(.{1,200})$/m.exec(frontMatter?.[1] ?? "")?.[1];
  const title = named?.replace(/^["']|["']$/g, "") ?? firstHeading(content) ?? firstLine(text);
  return { title: title.replace(/[*_`~]{1,3}/g, ""), text };
}

const LABEL_MAX = 200;
const ADDRESS_MAX = 500;

/** Links and images: what is read stays, the address goes. A pattern would look from every bracket; this looks around "](" only. */
function withoutAddresses(markdown: string): string {
  const kept: string[] = [];
  let from = 0;
  let middle = markdown.indexOf("](");
  while (middle >= 0) {
    const label = markdown.slice(Math.max(from, middle - LABEL_MAX), middle);
    const address = markdown.slice(middle + 2, middle + 2 + ADDRESS_MAX);
    const open = label.lastIndexOf("[");
    const close = address.indexOf(")");
    const isLink = open >= 0 && close >= 0 && !label.includes("\n", open) &&
      !address.slice(0, close).includes("\n");
    if (isLink) {
      const start = middle - label.length + open;
      const isImage = start > from && markdown.charAt(start - 1) === "!";
      kept.push(markdown.slice(from, isImage ? start - 1 : start), label.slice(open + 1));
      from = middle + 2 + close + 1;
    }
    middle = markdown.indexOf("](", isLink ? from : middle + 2);
  }
  kept.push(markdown.slice(from));
  return kept.join("");
}

function firstHeading(markdown: string): string | undefined {
  for (const line of markdown.split("\n", 200)) {
    const heading = HEADING.exec(line.slice(0, 2 * TITLE_CHARACTERS_MAX))?.[1];
    if (heading !== undefined) return heading.replace(/[ \t]#+[ \t]*$/, "");
  }
  return undefined;
}

const TITLE_KEYS = ["title", "name", "subject", "label"];
const JSON_DEPTH_MAX = 32;

function fromJson(raw: string): SearchableText {
  let value: unknown;
  try {
    value = JSON.parse(raw);
  } catch {
    // Cut at the limit or simply not JSON: its words are still worth finding.
    return { title: firstLine(raw), text: raw };
  }
  const words: string[] = [];
  collectStrings(value, words, 0);
  const text = withoutControls(words.join("\n"));
  return { title: withoutControls(titleField(value)) || firstLine(text), text };
}

function titleField(value: unknown): string {
  if (typeof value !== "object" || value === null) return "";
  for (const key of TITLE_KEYS) {
    const candidate: unknown = Object.getOwnPropertyDescriptor(value, key)?.value;
    if (typeof candidate === "string" && candidate.trim() !== "") return candidate;
  }
  return "";
}

function collectStrings(value: unknown, into: string[], depth: number): void {
  if (depth > JSON_DEPTH_MAX) return;
  if (typeof value === "string") into.push(value);
  else if (typeof value === "number") into.push(String(value));
  else if (Array.isArray(value)) {
    for (const item of value) {
      collectStrings(item, into, depth + 1);
    }
  } else if (typeof value === "object" && value !== null) {
    for (const item of Object.values(value)) collectStrings(item, into, depth + 1);
  }
}

const ENTITIES: Readonly<Record<string, string>> = {
  amp: "&",
  lt: "<",
  gt: ">",
  quot: '"',
  apos: "'",
  nbsp: " ",
};

function fromHtml(raw: string): SearchableText {
  const titled = /<title[^>]{0,200}>([^<]{0,1000})<\/title/i.exec(raw)?.[1] ?? "";
  const text = withoutTags(withoutElements(raw, ["script", "style", "head"]));
  return { title: entities(titled).trim() || firstLine(text), text };
}

function withoutElements(html: string, names: readonly string[]): string {
  let out = html;
  for (const name of names) out = withoutElement(out, name);
  return out;
}

function withoutElement(html: string, name: string): string {
  const lower = html.toLowerCase();
  // Lower case may change the length of rare letters; offsets would then be wrong.
  if (lower.length !== html.length) return html;
  const kept: string[] = [];
  let from = 0;
  while (true) {
    const open = lower.indexOf(`<${name}`, from);
    const close = open < 0 ? -1 : lower.indexOf(`</${name}`, open);
    if (close < 0) break;
    kept.push(html.slice(from, open), " ");
    // The closing tag stays; it goes with all other tags.
    from = close;
  }
  kept.push(html.slice(from));
  return kept.join("");
}

function withoutTags(html: string): string {
  return entities(html.replace(/<[^<>]*>/g, " ")).replace(/[ \t]+/g, " ");
}

function entities(text: string): string {
  return text.replace(
    /&([a-z]{2,6});/gi,
    (whole, name: string) => ENTITIES[name.toLowerCase()] ?? whole,
  );
}
