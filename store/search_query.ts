/**
 * What a person typed into a search box, as terms. Any text parses: what cannot be searched for is left out.
 *
 * Words, "quoted phrases", -excluded words or phrases, prefix*. A word with punctuation inside ("e-mail") is a phrase.
 */

/** Longest query text, characters; more is cut. */
export const QUERY_CHARACTERS_MAX = 512;
/** Terms in one query; more are left out. */
export const QUERY_TERMS_MAX = 16;

export interface SearchTerm {
  /** Adjacent words, at least one, lower case, without diacritics. */
  readonly words: readonly string[];
  /** The last word may go on. Only for words of two letters or more: one letter would stand for half of the language. */
  readonly prefix: boolean;
  /** Documents with this term are not wanted. */
  readonly excluded: boolean;
}

const TERM = /(-?)(?:"([^"]*)"?|([^\s"]+))(\*?)/gu;
// The same classes that FTS5's unicode61 tokenizer keeps: letters, numbers, private use; marks belong to their letter.
const WORD = /[\p{L}\p{N}\p{Co}\p{M}]+/gu;
const MARKS = /\p{M}+/gu;

// deno-lint-ignore no-control-regex
const ASCII = /^[\u0000-\u007f]*$/;
const ASCII_WORD = /[a-z0-9]+/g;

/** Splits text into the words that are compared: lower case, diacritics removed. */
export function wordsOf(text: string): string[] {
  if (ASCII.test(text)) return text.toLowerCase().match(ASCII_WORD) ?? [];
  const plain = text.normalize("NFD").replace(MARKS, "").toLowerCase();
  return plain.match(WORD) ?? [];
}

/** Parses a query. An empty result, or one with only excluded terms, finds nothing. */
export function parseSearchQuery(text: string): readonly SearchTerm[] {
  const terms: SearchTerm[] = [];
  for (const match of text.slice(0, QUERY_CHARACTERS_MAX).matchAll(TERM)) {
    const [, minus, quoted, bare, star] = match;
    const words = wordsOf(quoted ?? bare ?? "");
    if (words.length === 0) continue;
    terms.push({
      words,
      prefix: (star === "*" || (bare ?? "").endsWith("*")) && words.at(-1)!.length > 1,
      excluded: minus === "-",
    });
    if (terms.length === QUERY_TERMS_MAX) break;
  }
  return terms;
}
