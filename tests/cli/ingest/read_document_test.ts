import assert from "node:assert/strict";
import fc from "fast-check";
import { bytesOf } from "../../../cli/ingest/split.ts";
import { rootTag, shortened, sourceTag } from "../../../cli/ingest/draft.ts";
import { readDocument } from "../../../cli/ingest/read_document.ts";
import { kindOf, mediaTypeOf } from "../../../cli/ingest/media_type.ts";
import { onePagePdf } from "./pdf_fixture.ts";

const utf8 = new TextEncoder();
const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

async function read(name: string, content: string | Uint8Array) {
  const bytes = typeof content === "string" ? utf8.encode(content) : content;
  const source = { name, rootTag: rootTag("test"), bytes };
  return await readDocument(source, { topic: "notes", tags: ["mine"] });
}

async function drafts(name: string, content: string | Uint8Array) {
  const outcome = await read(name, content);
  assert.equal(outcome.type, "read", JSON.stringify(outcome));
  return outcome.type === "read" ? outcome.drafts : [];
}

Deno.test("a Markdown file becomes drafts with title, source, hash and part", async () => {
  const [draft, ...rest] = await drafts("guide/install.md", "# Install\n\nRun it.\n");
  assert(draft);
  assert.equal(rest.length, 0);
  assert.equal(text(draft.body), "# Install\n\nRun it.\n");
  assert.equal(draft.mediaType, "text/markdown");
  assert.equal(draft.topic, "notes");
  assert.deepEqual(draft.tags.map((tag) => tag.replace(/[0-9a-f]{16}/, "…")), [
    "mine",
    "part:1/1",
    "root:…",
    "sha256:…",
    "source:guide/install.md",
  ]);
});

Deno.test("a later section carries the headings above it in its title", async () => {
  const long = "word ".repeat(300);
  const all = await drafts(
    "a.md",
    `# Guide\n\n${long}\n\n## Install\n\n${long}\n\n### [Link](x)\n\n${long}`,
  );
  assert.deepEqual(all.map((draft) => text(draft.body).split("\n")[0]), [
    "# Guide",
    "# Guide › Install",
    "# Guide › Install › Link",
  ]);
  assert(text(all[2]?.body ?? new Uint8Array()).includes("### [Link](x)"), "a link is not dropped");
});

Deno.test("an HTML page loses navigation and scripts and keeps headings and text", async () => {
  const html = `<html><head><title>Garden &amp; tools</title><script>evil()</script></head><body>
    <nav>Menu</nav><main><h1>Roses</h1><p>Cut in <b>March</b>.</p><ul><li>gloves</li></ul>
    <style>p{}</style><h2>Water</h2><p>Daily.</p></main><footer>Imprint</footer></body></html>`;
  const body = text((await drafts("g.html", html))[0]?.body ?? new Uint8Array());
  assert.match(body, /^# Garden & tools › Roses\n/);
  for (const word of ["March", "gloves", "## Water", "Daily."]) assert(body.includes(word), word);
  for (const word of ["evil", "Menu", "Imprint", "p{}"]) assert(!body.includes(word), word);
});

Deno.test("a PDF becomes text with page numbers", async () => {
  const all = await drafts("paper.pdf", onePagePdf("The quick brown fox"));
  assert(text(all[0]?.body ?? new Uint8Array()).includes("The quick brown fox"));
  assert(all[0]?.tags.includes("page:1"));
});

Deno.test("a damaged PDF is skipped and says so", async () => {
  const outcome = await read("broken.pdf", "%PDF-1.7\nnothing");
  assert.equal(outcome.type, "skipped");
  assert.equal(outcome.type === "skipped" ? outcome.reason : "", "damaged");
});

Deno.test("a picture is kept whole under its media type", async () => {
  const png = Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 0, 1, 2);
  const [draft] = await drafts("photo", png);
  assert.equal(draft?.mediaType, "image/png");
  assert.deepEqual(draft?.body, png);
});

Deno.test("an empty file is skipped", async () => {
  assert.equal((await read("a.md", "")).type, "skipped");
  assert.equal((await read("a.md", " \n\n ")).type, "skipped");
});

Deno.test("text is recognised by its bytes when the name says nothing", async () => {
  assert.equal((await drafts("README", "hello"))[0]?.mediaType, "text/plain");
  assert.equal(
    (await drafts("data", Uint8Array.of(1, 0, 2)))[0]?.mediaType,
    "application/octet-stream",
  );
  assert.equal(mediaTypeOf("main.ts", utf8.encode("const a = 1;")), "text/plain");
  assert.equal(kindOf(mediaTypeOf("a.pdf.txt", utf8.encode("%PDF-1.4"))).kind, "pdf");
});

Deno.test("old encodings are read, not refused", async () => {
  const latin = Uint8Array.of(0x47, 0x72, 0xfc, 0xdf, 0x65);
  assert(text((await drafts("a.txt", latin))[0]?.body ?? latin).includes("Grüße"));
  const utf16 = Uint8Array.of(0xff, 0xfe, 0x48, 0, 0x69, 0);
  assert(text((await drafts("a.txt", utf16))[0]?.body ?? latin).includes("Hi"));
});

Deno.test("tags and titles stay within their limits whatever the path is", () => {
  fc.assert(
    fc.property(fc.string({ unit: "grapheme", maxLength: 200 }), (name) => {
      const tag = sourceTag(name);
      assert(bytesOf(tag) <= 64 && tag.startsWith("source:"));
      assert(bytesOf(shortened(name, 40)) <= 40);
    }),
    { seed: 7 },
  );
  assert.notEqual(sourceTag(`a/${"x".repeat(80)}`), sourceTag(`b/${"x".repeat(80)}`));
});

Deno.test("whatever the bytes are, reading ends with an outcome", async () => {
  const names = fc.constantFrom("a.md", "a.html", "a.txt", "a", "a.json", "a.png");
  await fc.assert(
    fc.asyncProperty(names, fc.uint8Array({ maxLength: 300 }), async (name, bytes) => {
      const outcome = await read(name, bytes);
      assert(outcome.type === "read" || outcome.type === "skipped");
    }),
    { seed: 11, numRuns: 200 },
  );
});
