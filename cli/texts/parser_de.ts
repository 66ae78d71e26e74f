/** What the parser says about wrong arguments, in German: its own sentences are English and fixed, so they are known by their form. */

const SENTENCES: readonly (readonly [RegExp, string])[] = [
  [
    /Unexpected option or (?:argument|subcommand): (.+)\./,
    "Unbekannte Option oder überzähliges Argument: $1.",
  ],
  [/No matching .*(?:command|argument|option) found\./, "Kein Befehl genannt."],
  [
    /Expected at least (\S+) values?, but got only (\S+)\./,
    "Erwartet mindestens $1, angegeben sind $2.",
  ],
  [/Expected at most (\S+) values?, but got (\S+)\./, "Erwartet höchstens $1, angegeben sind $2."],
  [/Expected a `([^`]+)`, but too few arguments\./, "`$1` fehlt."],
  [/(`[^`]+`) requires (`[^`]+`)\./, "$1 verlangt $2."],
  [/(`[^`]+`) cannot be used multiple times\./, "$1 darf nur einmal stehen."],
  [
    /Expected a value greater than or equal to (\S+), but got (.+)\./,
    "Erwartet mindestens $1, angegeben ist $2.",
  ],
  [
    /Expected a value less than or equal to (\S+), but got (.+)\./,
    "Erwartet höchstens $1, angegeben ist $2.",
  ],
  [
    /Expected a port number (?:greater|less) than or equal to (\S+), but got (.+)\./,
    "Erwartet eine Portnummer bis 65535, angegeben ist $2.",
  ],
  [/Expected a valid integer, but got (.+)\./, "Erwartet eine ganze Zahl, angegeben ist $1."],
  [/Expected a valid port number, but got (.+)\./, "Erwartet eine Portnummer, angegeben ist $1."],
  [/Expected one of (.+), but got (.+)\./, "Erwartet eines von $1, angegeben ist $2."],
  [
    /Expected a string matching pattern (.+), but got (.+)\./,
    "Erwartet Text nach dem Muster $1, angegeben ist $2.",
  ],
  [
    /Option (`[^`]+`) is a Boolean flag, but got a value: (.+)\./,
    "$1 nimmt keinen Wert, angegeben ist $2.",
  ],
  [/Expected an argument, but got end of input\./, "Ein Argument fehlt."],
  [/Did you mean (.+)\?/, "Gemeint ist wohl $1."],
];

/** The sentence in German; what is not known stays as it is. */
export function parserMessageInGerman(message: string): string {
  let translated = message;
  for (const [sentence, german] of SENTENCES) translated = translated.replace(sentence, german);
  return translated.replaceAll(/", and "/g, '" und "').replaceAll(/" and "/g, '" und "');
}
