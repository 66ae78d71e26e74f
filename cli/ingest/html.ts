/** HTML as pieces: its main part is turned into Markdown, then understood as such. */
import { convert } from "html-to-text";
import { parseMarkdown } from "./markdown.ts";
import type { ParsedDocument } from "./section.ts";

const SKIPPED = [
  "nav",
  "footer",
  "aside",
  "script",
  "style",
  "noscript",
  "template",
  "form",
  "svg",
];

interface Builder {
  openBlock(options: { leadingLineBreaks: number }): void;
  closeBlock(options: { trailingLineBreaks: number }): void;
  addInline(text: string): void;
}
interface Element {
  readonly name: string;
  readonly children: readonly unknown[];
}
type Walk = (children: readonly unknown[], builder: Builder) => void;

function heading(element: Element, walk: Walk, builder: Builder): void {
  const level = Math.min(6, Math.max(1, Number(element.name.slice(1)) || 1));
  builder.openBlock({ leadingLineBreaks: 2 });
  builder.addInline(`${"#".repeat(level)} `);
  walk(element.children, builder);
  builder.closeBlock({ trailingLineBreaks: 2 });
}

function toMarkdown(html: string, base: readonly string[]): string {
  return convert(html, {
    wordwrap: false,
    // Refuses to work for hours on hostile nesting; what lies deeper is left out.
    limits: { maxInputLength: 1 << 24, maxDepth: 256, maxChildNodes: 1 << 16 },
    baseElements: { selectors: [...base], returnDomByDefault: base[0] === "body" },
    formatters: { markdownHeading: heading },
    selectors: [
      ...["h1", "h2", "h3", "h4", "h5", "h6"].map((selector) => ({
        selector,
        format: "markdownHeading",
      })),
      ...SKIPPED.map((selector) => ({ selector, format: "skip" })),
      { selector: "a", options: { ignoreHref: true } },
      { selector: "img", format: "skip" },
      { selector: "table", format: "dataTable", options: { uppercaseHeaderCells: false } },
    ],
  }) as string;
}

/** Understands an HTML page: `main`, else `article`, else everything but navigation, forms and scripts. */
export function parseHtml(source: string): ParsedDocument {
  const candidates = ["main", "article"].filter((name) => source.includes(`<${name}`));
  let text = "";
  for (const base of [...candidates, "body"]) {
    if (text.trim() === "") text = toMarkdown(source, [base]);
  }
  const parsed = parseMarkdown(text);
  const title = /<title[^>]{0,200}>([^<]{1,1000})<\/title/i.exec(source)?.[1];
  const named = title === undefined ? "" : (convert(title, { wordwrap: false }) as string).trim();
  return { ...parsed, title: named === "" ? parsed.title : named };
}
