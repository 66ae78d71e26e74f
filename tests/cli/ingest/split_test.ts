import assert from "node:assert/strict";
import fc from "fast-check";
import { bytesOf, cutToSize, splitIntoSections } from "../../../cli/ingest/split.ts";
import { parseMarkdown } from "../../../cli/ingest/markdown.ts";
import { parsePlainText } from "../../../cli/ingest/plain_text.ts";

const squeezed = (text: string) => text.replaceAll(/\s+/g, "");
const limits = { sectionBytesMin: 40, sectionBytesMax: 160 };

/** Texts that look like documents: headings, lists, code, wide characters, odd white space. */
const documents = fc.array(
  fc.oneof(
    fc.string({ unit: "grapheme", maxLength: 80 }),
    fc.lorem({ maxCount: 60 }),
    fc.constantFrom(
      "# Title",
      "## Part two ##",
      "Setext\n===",
      "* one\n* two\n  * three",
      "```ts\nconst a = 1;\n\n\nconst b = 2;\n```",
      "> quoted\n> twice",
      "---",
      "[a]: http://example.org",
      "| a | b |\n|---|---|\n| 1 | 2 |",
      "    indented code",
      "🦊".repeat(70),
      "ä".repeat(200),
      "<div>\n<p>html</p>\n</div>",
    ),
  ),
  { maxLength: 20 },
).map((parts) => parts.join("\n\n"));

Deno.test("splitting Markdown loses nothing but white space and keeps every section within bounds", () => {
  fc.assert(
    fc.property(documents, (text) => {
      const sections = splitIntoSections(parseMarkdown(text).pieces, limits);
      assert.equal(squeezed(sections.map((section) => section.text).join("")), squeezed(text));
      for (const section of sections) {
        assert(bytesOf(section.text) <= limits.sectionBytesMax);
        assert(section.text.isWellFormed());
        assert.notEqual(section.text.trim(), "");
      }
    }),
    { seed: 20261121, numRuns: 300 },
  );
});

Deno.test("splitting plain text loses nothing but white space and keeps every section within bounds", () => {
  fc.assert(
    fc.property(documents, fc.integer({ min: 16, max: 400 }), (text, sectionBytesMax) => {
      const bounds = { sectionBytesMin: 10, sectionBytesMax };
      const sections = splitIntoSections(parsePlainText(text).pieces, bounds);
      assert.equal(squeezed(sections.map((section) => section.text).join("")), squeezed(text));
      for (const section of sections) assert(bytesOf(section.text) <= sectionBytesMax);
    }),
    { seed: 20261122, numRuns: 300 },
  );
});

Deno.test("a text that is too long is cut after a sentence, else after a word, never inside a code point", () => {
  assert.deepEqual(cutToSize("One two three. Four five six.", 20), [
    "One two three.",
    "Four five six.",
  ]);
  assert.deepEqual(cutToSize("alpha beta gamma delta", 12), ["alpha beta", "gamma delta"]);
  assert.deepEqual(cutToSize("🦊🦊🦊", 9), ["🦊🦊", "🦊"]);
  assert.deepEqual(cutToSize("", 9), []);
});

Deno.test("a heading starts a new section once the one before is large enough", () => {
  const long = "word ".repeat(12).trim();
  const text = `# Guide\n\n${long}\n\n## Install\n\nshort\n\n## Run\n\n${long}\n`;
  const sections = splitIntoSections(parseMarkdown(text).pieces, limits);
  assert.deepEqual(sections.map((section) => section.headings), [
    ["Guide"],
    ["Guide", "Install"],
  ]);
  assert(sections[1]?.text.includes("## Run"));
});

Deno.test("the headings above a section follow the outline, also when it goes back up", () => {
  const long = "word ".repeat(12).trim();
  const text = ["# A", long, "### B", long, "## C", long, "# D", long].join("\n\n");
  const sections = splitIntoSections(parseMarkdown(text).pieces, limits);
  assert.deepEqual(sections.map((section) => section.headings.join("/")), ["A", "A/B", "A/C", "D"]);
});

Deno.test("front matter names the document and is not taken for a heading", () => {
  const parsed = parseMarkdown('---\ntitle: "My notes"\ntags: [a]\n---\n# Heading\n\ntext\n');
  assert.equal(parsed.title, "My notes");
  assert.deepEqual(parsed.pieces.map((piece) => piece.heading?.title ?? null), [
    null,
    "Heading",
    null,
  ]);
});
