/** Changes one setting in `config.toml` and keeps everything else there, comments included. */
import { dirname } from "node:path";
import { stringify } from "smol-toml";
import { isDeepStrictEqual } from "node:util";
import { parseConfigText } from "./config.ts";
import { type ConfigField, withValue } from "./config_fields.ts";

/**
 * The text of a configuration file with one value changed or added. Comments and order stay when the line can be
 * changed alone; a file that spells the key in an unusual way (dotted, inline tables) is written anew without comments.
 * Throws when `text` is not TOML.
 */
export function withSetting(text: string, field: ConfigField, value: unknown): string {
  const wanted = withValue(parseConfigText(text), field.path, value);
  const edited = editedLine(text, field, value);
  try {
    if (isDeepStrictEqual(plain(parseConfigText(edited)), plain(wanted))) return edited;
  } catch {
    // The edit did not survive parsing: the rewritten file below is always right.
  }
  return stringify(wanted);
}

/** Replaces the file at once, so that a crash leaves the old or the new one. Creates the folder with mode 0700. */
export function writeConfigFile(path: string, text: string): void {
  Deno.mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const beside = `${path}.new`;
  Deno.writeTextFileSync(beside, text, { mode: 0o600 });
  Deno.renameSync(beside, path);
}

function plain(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value));
}

function editedLine(text: string, field: ConfigField, value: unknown): string {
  const name = field.path.at(-1) ?? "";
  const section = field.path.slice(0, -1).join(".");
  const line = stringify({ [name]: value }).trim();
  const lines = text === "" ? [] : text.replace(/\n$/, "").split("\n");
  let here = "";
  let sectionEnd = section === "" ? 0 : -1;
  for (const [index, raw] of lines.entries()) {
    const header = /^\s*\[([^[\]]+)\]\s*(#.*)?$/.exec(raw);
    if (header !== null) here = (header[1] ?? "").trim();
    if (here === section && (raw.trim() !== "" || sectionEnd === -1)) sectionEnd = index + 1;
    if (here === section && raw.trimStart().split(/[\s=]/)[0] === name) {
      return [...lines.slice(0, index), line, ...lines.slice(index + 1)].join("\n") + "\n";
    }
  }
  if (sectionEnd === -1) {
    const gap = lines.length === 0 ? [] : [""];
    return [...lines, ...gap, `[${section}]`, line].join("\n") + "\n";
  }
  return [...lines.slice(0, sectionEnd), line, ...lines.slice(sectionEnd)].join("\n") + "\n";
}
