/** What is found in bodies of different types, and that no body costs more than its length. */
import assert from "node:assert/strict";
import fc from "fast-check";
import {
  SEARCHABLE_BYTES_MAX,
  searchableText,
  TITLE_CHARACTERS_MAX,
} from "../../store/searchable_text.ts";
import { stretched } from "../busy_machine.ts";

function found(mediaType: string, body: string | Uint8Array) {
  const bytes = typeof body === "string" ? new TextEncoder().encode(body) : body;
  return searchableText({ kind: "put", mediaType, bodyBytes: bytes.length }, bytes);
}

Deno.test("plain text has its first line as title", () => {
  assert.deepEqual(found("text/plain; charset=utf-8", "\n  Shopping \nmilk\n"), {
    title: "Shopping",
    text: "Shopping \nmilk",
  });
});

Deno.test("markdown loses its marks and has its heading or front matter as title", () => {
  assert.deepEqual(
    found("text/markdown", "intro\n\n## The *Plan* ##\n\n- see [here](http://x.y) **now**"),
    {
      title: "The Plan",
      text: "intro\n\nThe Plan ##\n\nsee here now",
    },
  );
  assert.equal(
    found("text/markdown", '---\ntitle: "From above"\n---\n# Heading')?.title,
    "From above",
  );
});

Deno.test("markdown keeps what links and images are called", () => {
  const text = 'a ![picture](p.png) and [one](u)[two](v "t") but [no](\nlink) or ](x)';
  assert.equal(
    found("text/markdown", text)?.text,
    "a picture and onetwo but [no](\nlink) or ](x)",
  );
});

Deno.test("JSON gives its strings and numbers, not its keys", () => {
  const text = JSON.stringify({
    title: "Sensor",
    unit: "kelvin",
    values: [280.5, { deep: "roof" }],
  });
  assert.deepEqual(found("application/json", text), {
    title: "Sensor",
    text: "Sensor\nkelvin\n280.5\nroof",
  });
  assert.equal(found("application/ld+json", "{ not json")?.text, "{ not json");
});

Deno.test("HTML gives its text without scripts", () => {
  const html =
    "<html><head><title>A &amp; B</title></head><script>var hidden</script><p>Seen <b>bold</b></p>";
  assert.deepEqual(found("text/html", html), { title: "A & B", text: "Seen bold" });
});

Deno.test("nothing is indexed of other types, other kinds and empty bodies", () => {
  assert.equal(found("image/png", "text"), null);
  assert.equal(found("text/plain", ""), null);
  assert.equal(found("text/plain", " \n "), null);
  const crdt = { kind: "crdt", mediaType: "text/plain", bodyBytes: 4 } as const;
  assert.equal(searchableText(crdt, new TextEncoder().encode("text")), null);
});

Deno.test("control characters, which would pass for marks of hits, never get through", () => {
  const types = ["text/plain", "text/markdown", "text/html", "application/json"];
  fc.assert(
    fc.property(fc.constantFrom(...types), fc.uint8Array({ maxLength: 200 }), (type, bytes) => {
      const text = found(type, bytes);
      // deno-lint-ignore no-control-regex
      assert.ok(text === null || !/[\u0000-\u0008]/.test(text.title + text.text));
      assert.ok(text === null || text.title.length <= TITLE_CHARACTERS_MAX);
    }),
    { seed: 11, numRuns: 500 },
  );
  assert.equal(found("application/json", '{"a":"x\\u0002y"}')?.text, "x y");
});

Deno.test("hostile bodies of full length cost milliseconds, not seconds", () => {
  const hostile: [string, string][] = [
    ["text/markdown", "["],
    ["text/markdown", "---\n"],
    ["text/markdown", "# "],
    ["text/markdown", "[](("],
    ["text/markdown", "]("],
    ["text/markdown", "[]("],
    ["text/html", "<script"],
    ["text/html", "<"],
    ["text/html", "&a"],
    ["application/json", "["],
  ];
  for (const [type, piece] of hostile) {
    const body = piece.repeat(SEARCHABLE_BYTES_MAX / piece.length);
    const startedMs = performance.now();
    found(type, body);
    const ms = performance.now() - startedMs;
    assert.ok(ms < stretched(500), `${type} of "${piece}" took ${ms} ms`);
  }
});

Deno.test("a picture is found by the name of its file", () => {
  const picture = { kind: "put", mediaType: "image/jpeg", bodyBytes: 3 } as const;
  const bytes = Uint8Array.of(255, 216, 255);
  const tags = ["part:1/1", "source:holiday/beach-sunset.jpg"];
  assert.deepEqual(searchableText({ ...picture, tags }, bytes), {
    title: "beach-sunset.jpg",
    text: "holiday/beach-sunset.jpg",
  });
  assert.equal(searchableText({ ...picture, tags: ["part:1/1"] }, bytes), null);
});
