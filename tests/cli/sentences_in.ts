/** Sentences as sources have them, for tests that hold translations against what can be said. */

/** Words that no German sentence has. */
export const ENGLISH =
  /\b(the|and|or|is|are|were|has|have|its?|of|expected|cannot|possible|would|with|devices?|rounds?|this|that|by|for|at|than|not)\b/i;

/** A literal of text, or one with parts to be filled in. */
const LITERAL = String.raw`(\`(?:[^\`\\]|\\.)*\`|"(?:[^"\\]|\\.)*")`;

/** A sentence as the source has it, its parts filled in with something that is no word. */
function filled(literal: string): string {
  let text = "";
  let depth = 0;
  const inner = literal.slice(1, -1);
  for (let i = 0; i < inner.length; i++) {
    if (inner.startsWith("${", i)) depth++;
    if (depth === 0) text += inner[i];
    else if (inner[i] === "}" && --depth === 0) text += "7";
  }
  return text.replaceAll(/\s+/g, " ");
}

/** Text of a source below the root of the repository. */
export function sourceOf(path: string): string {
  return Deno.readTextFileSync(new URL(`../../${path}`, import.meta.url));
}

/** The sentences in a source before which one of `before`, the source of an expression, stands. */
export function sentencesIn(path: string, before: readonly string[]): readonly string[] {
  const source = sourceOf(path);
  return before.flatMap((how) =>
    [...source.matchAll(new RegExp(how + LITERAL, "g"))].map(([, literal]) => filled(literal!))
  ).filter((text) => /[a-z] [a-z]/.test(text));
}

/** All sources in a folder and below, as paths from the root of the repository. */
export function* sourcesIn(folder: string): Generator<string> {
  for (
    const { name, isDirectory } of Deno.readDirSync(new URL(`../../${folder}`, import.meta.url))
  ) {
    const path = `${folder}/${name}`;
    if (isDirectory) yield* sourcesIn(path);
    else if (path.endsWith(".ts")) yield path;
  }
}
