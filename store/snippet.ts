/** The part of a text that shows why it was found, with the hits marked. */
import { type SearchTerm, wordsOf } from "./search_query.ts";

/** Before and after a hit: control characters, so that no text can hold them by itself and every view marks its own way. */
export const HIT_START = "\u0002";
export const HIT_END = "\u0003";

const SNIPPET_WORDS = 24;
/** Words shown before the first hit. */
const LEAD_WORDS = 4;
/** How far into a text is looked for a hit, characters. */
const LOOKED_AT_MAX = 65_536;

/** Up to 24 words of `text` around its first hit, or its beginning when there is none. */
export function snippetOf(text: string, terms: readonly SearchTerm[]): string {
  const isHit = hitTest(terms);
  const parts = text.slice(0, LOOKED_AT_MAX).match(/\S+/gu) ?? [];
  const hit = parts.findIndex(isHit);
  const from = Math.max(0, hit - LEAD_WORDS);
  const shown = parts.slice(from, from + SNIPPET_WORDS)
    .map((part, i) => hit >= 0 && from + i >= hit && isHit(part) ? marked(part) : part);
  const goesOn = from + SNIPPET_WORDS < parts.length || text.length > LOOKED_AT_MAX;
  return (from > 0 ? "…" : "") + shown.join(" ") + (goesOn ? "…" : "");
}

function marked(part: string): string {
  return HIT_START + part + HIT_END;
}

function hitTest(terms: readonly SearchTerm[]): (part: string) => boolean {
  const exact = new Set<string>();
  const prefixes: string[] = [];
  for (const { words, prefix, excluded } of terms) {
    if (excluded) continue;
    for (const word of prefix ? words.slice(0, -1) : words) exact.add(word);
    if (prefix) prefixes.push(words.at(-1)!);
  }
  return (part) =>
    wordsOf(part).some((word) =>
      exact.has(word) || prefixes.some((prefix) => word.startsWith(prefix))
    );
}
