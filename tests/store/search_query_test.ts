/** What people type becomes terms. */
import assert from "node:assert/strict";
import { parseSearchQuery, QUERY_TERMS_MAX } from "../../store/search_query.ts";
import { HIT_END, HIT_START, snippetOf } from "../../store/snippet.ts";

function term(words: string, options: { prefix?: boolean; excluded?: boolean } = {}) {
  return { words: words.split(" "), prefix: false, excluded: false, ...options };
}

const EXAMPLES: readonly (readonly [string, ReturnType<typeof term>[]])[] = [
  ["two words", [term("two"), term("words")]],
  ['"a Phrase" here', [term("a phrase"), term("here")]],
  ['"not closed', [term("not closed")]],
  ["-gone", [term("gone", { excluded: true })]],
  ['-"gone too"', [term("gone too", { excluded: true })]],
  ["tom*", [term("tom", { prefix: true })]],
  ['"sow tom"*', [term("sow tom", { prefix: true })]],
  ["t*", [term("t")]],
  ["e-mail", [term("e mail")]],
  ["Crème BRÛLÉE", [term("creme"), term("brulee")]],
  ["AND OR NOT NEAR(a b)", [term("and"), term("or"), term("not"), term("near a"), term("b")]],
  ["日本 語*", [term("日本"), term("語")]],
  ['"" - * -"" ^ : {}', []],
];

for (const [text, expected] of EXAMPLES) {
  Deno.test(`search query ${JSON.stringify(text)} is understood`, () => {
    assert.deepEqual(parseSearchQuery(text), expected);
  });
}

Deno.test("search queries have at most so many terms", () => {
  assert.equal(parseSearchQuery("word ".repeat(200)).length, QUERY_TERMS_MAX);
});

Deno.test("a snippet shows the first hit with words before and after, and marks all hits", () => {
  const words = Array.from({ length: 60 }, (_, i) => `w${i}`);
  words[30] = "Needle,";
  words[40] = "needles";
  const text = words.join("\n");
  const snippet = snippetOf(text, parseSearchQuery("needle* -w1"));
  assert.equal(snippet.split(" ").length, 24);
  assert.ok(snippet.startsWith(`…w26 w27 w28 w29 ${HIT_START}Needle,${HIT_END} w31`));
  assert.ok(snippet.includes(`${HIT_START}needles${HIT_END}`) && snippet.endsWith("w49…"));
  assert.equal(snippetOf("only these", parseSearchQuery("other")), "only these");
});
