/** What the program says, in the language of the person. English is the reference; the compiler keeps German complete. */
import { de } from "./texts/de.ts";
import { en, type Texts } from "./texts/en.ts";

export type { Texts } from "./texts/en.ts";

export type Language = "de" | "en";
export const LANGUAGES: readonly Language[] = ["de", "en"];

const TABLES: Readonly<Record<Language, Texts>> = { de, en };

/** The texts of a language. */
export function textsOf(language: Language): Texts {
  return TABLES[language];
}

/**
 * The language to speak: `--lang`, else SUBMIND_LANG, else the system's (LC_ALL, LC_MESSAGES, LANG), else English. Looked up
 * before the command line is parsed, because help texts need it.
 */
export function chooseLanguage(
  args: readonly string[],
  environment: Readonly<Record<string, string>>,
): Language {
  const at = args.findIndex((arg) => arg === "--lang" || arg.startsWith("--lang="));
  const given = at === -1 ? undefined : args[at]?.slice("--lang=".length) || args[at + 1];
  const system = environment["LC_ALL"] || environment["LC_MESSAGES"] || environment["LANG"];
  const wanted = given ?? environment["SUBMIND_LANG"] ?? system ?? "";
  return LANGUAGES.find((language) => wanted.toLowerCase().startsWith(language)) ?? "en";
}
