/** Sections and files as block drafts, with their source in the tags. Pure. */
import { createHash } from "node:crypto";
import type { BlockDraft } from "../../protocols/blocks/block.ts";
import type { ParsedDocument, Section } from "./section.ts";
import { bytesOf } from "./split.ts";

/** Longest tag, bytes of UTF-8: the limit of the block format. */
const TAG_BYTES_MAX = 64;
const TITLE_BYTES_MAX = 200;
const utf8 = new TextEncoder();

/** Where a draft comes from. */
export interface Source {
  /** Path below the folder that was added, with "/"; the file name when a file was added. */
  readonly name: string;
  /** Tells apart equal names from different places: see `rootTag`. */
  readonly rootTag: string;
  readonly bytes: Uint8Array;
}

/** What the person asked for. */
export interface Placement {
  readonly topic: string;
  /** Tags of the person; at most 24, so that those of the source fit beside them. */
  readonly tags: readonly string[];
}

/** SHA-256 as lower-case hex. */
export function sha256Hex(bytes: Uint8Array | string): string {
  return createHash("sha256").update(bytes).digest("hex");
}

/** "root:…" for the place (device and absolute path) that was added, so that other folders with equal names stay apart. */
export function rootTag(place: string): string {
  return `root:${sha256Hex(place).slice(0, 16)}`;
}

/** "source:path"; paths that do not fit keep their end, behind eight digits of the hash of the whole. */
export function sourceTag(name: string): string {
  const whole = `source:${name}`;
  if (bytesOf(whole) <= TAG_BYTES_MAX) return whole;
  const head = `source:${sha256Hex(name).slice(0, 8)}…`;
  let tail = "";
  for (const point of [...name].reverse()) {
    if (bytesOf(head) + bytesOf(point + tail) > TAG_BYTES_MAX) break;
    tail = point + tail;
  }
  return head + tail;
}

/** Cuts a text to `bytesMax` bytes of UTF-8 at a code point, with "…" at the end. */
export function shortened(text: string, bytesMax: number): string {
  if (bytesOf(text) <= bytesMax) return text;
  let out = "";
  for (const point of text) {
    if (bytesOf(out + point) > bytesMax - 3) break;
    out += point;
  }
  return `${out}…`;
}

/** One draft per section. Its first line is the title (document and headings), the text follows after an empty line. */
export function draftsOfSections(
  options: {
    readonly source: Source;
    readonly placement: Placement;
    readonly document: ParsedDocument;
    readonly sections: readonly Section[];
  },
): readonly BlockDraft[] {
  const { source, placement, document, sections } = options;
  return sections.map((section, index) => ({
    kind: "put",
    topic: placement.topic,
    tags: tagsOf(source, placement, [
      `part:${index + 1}/${sections.length}`,
      ...(section.page === null ? [] : [`page:${section.page}`]),
    ]),
    mediaType: document.mediaType,
    body: utf8.encode(bodyOf(section, document, source.name)),
  }));
}

/** One draft for a file that is kept whole: pictures, archives, recordings. */
export function draftOfFile(
  source: Source,
  placement: Placement,
  mediaType: string,
): BlockDraft {
  return {
    kind: "put",
    topic: placement.topic,
    tags: tagsOf(source, placement, ["part:1/1"]),
    mediaType,
    body: source.bytes,
  };
}

function tagsOf(source: Source, placement: Placement, more: readonly string[]): readonly string[] {
  const tags = [
    ...placement.tags,
    ...more,
    source.rootTag,
    sourceTag(source.name),
    `sha256:${sha256Hex(source.bytes).slice(0, 16)}`,
  ];
  return [...new Set(tags)].sort(byBytes);
}

/** The order of tags in a block: by their UTF-8 bytes. */
export function byBytes(left: string, right: string): number {
  const [a, b] = [utf8.encode(left), utf8.encode(right)];
  for (let index = 0; index < Math.min(a.length, b.length); index++) {
    const difference = (a[index] ?? 0) - (b[index] ?? 0);
    if (difference !== 0) return difference;
  }
  return a.length - b.length;
}

function bodyOf(section: Section, document: ParsedDocument, name: string): string {
  const title = titleOf(section, document, name);
  const mark = document.mediaType === "text/markdown" ? "# " : "";
  const heading = section.startsWithHeading ? section.headings.at(-1) ?? null : null;
  const said = heading !== null && title.endsWith(heading);
  const text = said ? withoutHeading(section.text, heading) : section.text;
  return text.trim() === "" ? `${mark}${title}\n` : `${mark}${title}\n\n${text.trimEnd()}\n`;
}

/** "Guide › Install": the document (its own title, else its file name) and the headings above the section. */
function titleOf(section: Section, document: ParsedDocument, name: string): string {
  const own = document.title ?? name.split("/").at(-1) ?? name;
  const path = section.headings[0] === own ? section.headings : [own, ...section.headings];
  return shortened(path.join(" › ").replaceAll(/\s+/g, " ").trim(), TITLE_BYTES_MAX);
}

// The title line says it already. Only a heading that says nothing else is dropped: one with links or emphasis stays.
function withoutHeading(text: string, heading: string): string {
  const [first = "", second = "", ...rest] = text.split("\n");
  const atx = /^ {0,3}#{1,6}[ \t]+(.*?)(?:[ \t]+#*)?[ \t]*$/.exec(first);
  if (atx?.[1] === heading) return [second, ...rest].join("\n").replace(/^\n+/, "");
  const setext = first.trim() === heading && /^ {0,3}(?:=+|-+)[ \t]*$/.test(second);
  return setext ? rest.join("\n").replace(/^\n+/, "") : text;
}
