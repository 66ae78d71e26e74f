/** `submind config`: shows and changes settings. Works without a running node; changes count from the next start. */
import { object, or } from "@optique/core/constructs";
import { map, withDefault } from "@optique/core/modifiers";
import { argument, command, flag } from "@optique/core/primitives";
import { choice, string } from "@optique/core/valueparser";
import {
  configFileOf,
  type ConfigOutcome,
  type ConfigProblem,
  loadConfig,
} from "../../deployments/config.ts";
import {
  CONFIG_FIELDS,
  type ConfigField,
  fieldOf,
  nearest,
  valueAt,
  valueOfText,
} from "../../deployments/config_fields.ts";
import { withSetting, writeConfigFile } from "../../deployments/config_file.ts";
import {
  type Action,
  type CommandContext,
  configOf,
  configOutcomeOf,
  dataDirectoryOf,
  describeProblem,
  plain,
} from "../command.ts";
import { CliError, EXIT } from "../exit_codes.ts";
import { formatTable } from "../output/table.ts";
import type { Texts } from "../texts.ts";

/** Stands for a secret, whatever its length. */
export const HIDDEN = "********";
const KEYS = CONFIG_FIELDS.map((field) => field.key);

/** Parser of the command. */
export function configCommand(texts: Texts) {
  const key = () =>
    argument(
      choice(KEYS, {
        metavar: "KEY",
        errors: {
          invalidChoice: (input) =>
            plain(texts.config.unknownKey("submind config", input, nearest(input, KEYS))),
        },
      }),
      { description: plain(texts.options.key) },
    );
  const reveal = () =>
    withDefault(flag("--reveal", { description: plain(texts.options.reveal) }), false);
  return command(
    "config",
    or(
      command(
        "show",
        map(
          object({ reveal: reveal() }),
          (found): Action => (context) => runShow(context, found.reveal),
        ),
        { brief: plain(texts.help.configShow) },
      ),
      command(
        "get",
        map(
          object({ key: key(), reveal: reveal() }),
          (found): Action => (context) => runGet(context, found.key, found.reveal),
        ),
        { brief: plain(texts.help.configGet) },
      ),
      command(
        "set",
        map(
          object({
            key: key(),
            value: argument(string({ metavar: "VALUE" }), {
              description: plain(texts.options.value),
            }),
          }),
          (found): Action => (context) => runSet(context, found.key, found.value),
        ),
        { brief: plain(texts.help.configSet) },
      ),
      command("path", map(object({}), (): Action => runPath), {
        brief: plain(texts.help.configPath),
      }),
    ),
    { brief: plain(texts.help.config) },
  );
}

function loadedOutcome(context: CommandContext): Extract<ConfigOutcome, { type: "loaded" }> {
  configOf(context);
  const outcome = configOutcomeOf(context);
  if (outcome.type === "loaded") return outcome;
  throw new CliError(context.texts.config.changedMeanwhile, {
    code: "badConfig",
    exitCode: EXIT.failed,
  });
}

/** The value as people may see it. An empty secret is none, and shown as such. */
function shown(field: ConfigField | undefined, value: unknown, reveal: boolean): unknown {
  return field?.secret === true && !reveal && value !== "" ? HIDDEN : value;
}

/** A copy of the settings in which no secret can be read. */
function withoutSecrets(config: object): object {
  const copy = structuredClone(config) as Record<string, unknown>;
  for (const field of CONFIG_FIELDS.filter(({ secret }) => secret)) {
    const parent = valueAt(copy, field.path.slice(0, -1)) as Record<string, unknown>;
    const name = field.path.at(-1)!;
    parent[name] = shown(field, parent[name], false);
  }
  return copy;
}

function runShow(context: CommandContext, reveal: boolean) {
  const loaded = loadedOutcome(context);
  const { origins, file } = loaded;
  const config = (reveal ? loaded.config : withoutSecrets(loaded.config)) as typeof loaded.config;
  context.output.result({ file, config, origins }, () => {
    const texts = context.texts.config;
    const { dim } = context.output.terminal.colors;
    const rows = [
      ["dataDirectory", config.dataDirectory, "", ""],
      ...CONFIG_FIELDS.map((field) => {
        const origin = origins[field.key] ?? "default";
        return [
          field.key,
          JSON.stringify(valueAt(config, field.path)),
          origin === "default" ? dim(texts.isDefault) : origin,
          dim(field.expected[context.language]),
        ];
      }),
    ];
    const head = [texts.key, texts.value, texts.origin, texts.expected];
    return formatTable(context.output.terminal, head, rows);
  });
  return Promise.resolve(EXIT.ok);
}

function runGet(context: CommandContext, key: string, reveal: boolean) {
  const field = fieldOf(key);
  const value = shown(field, valueAt(configOf(context), field?.path ?? []), reveal);
  if (value === HIDDEN && !reveal) context.output.note(context.texts.config.hidden(key));
  context.output.result(value, () => Array.isArray(value) ? value.join("\n") : String(value));
  return Promise.resolve(EXIT.ok);
}

function runSet(context: CommandContext, key: string, text: string) {
  const field = fieldOf(key);
  if (field === undefined) {
    throw new CliError(context.texts.config.unknownKey("", key, nearest(key, KEYS)), {
      code: "usage",
      exitCode: EXIT.usage,
    });
  }
  const file = configFileOf(dataDirectoryOf(context));
  const value = valueOfText(field, text);
  let changed: string;
  try {
    changed = withSetting(readIfPresent(file), field, value);
  } catch (error) {
    const cause = error instanceof Error ? error.message.split("\n")[0] ?? "" : String(error);
    throw new CliError(context.texts.config.unreadable(file, cause), {
      code: "badConfig",
      exitCode: EXIT.usage,
      hint: context.texts.config.hint,
      cause: error,
    });
  }
  // Checked with defaults only: what the environment says today is not part of the file.
  const outcome = loadConfig({
    dataDirectory: dataDirectoryOf(context),
    environment: {},
    hostName: "localhost",
    readFile: () => changed,
  });
  const problems = outcome.type === "invalid" ? outcome.problems : [];
  const isIncomplete = (problem: ConfigProblem) =>
    problem.type === "badValue" && problem.incomplete === true;
  if (!problems.every(isIncomplete)) {
    throw new CliError(
      problems.map((problem) => describeProblem(context, problem)).join("\n"),
      { code: "badConfig", exitCode: EXIT.usage, hint: context.texts.config.unchanged(file) },
    );
  }
  writeConfigFile(file, changed);
  const visible = shown(field, value, false);
  context.output.result(
    { key, value: visible, file },
    () => context.texts.config.set(key, field.secret ? String(visible) : text, file),
  );
  // Certificate and key can only be set one after the other: the first is right, and not enough.
  for (const problem of problems) {
    context.output.note(context.texts.config.incomplete(describeProblem(context, problem)));
  }
  return Promise.resolve(EXIT.ok);
}

function readIfPresent(file: string): string {
  try {
    return Deno.readTextFileSync(file);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return "";
    throw error;
  }
}

function runPath(context: CommandContext) {
  const path = configFileOf(dataDirectoryOf(context));
  context.output.result({ path }, () => path);
  return Promise.resolve(EXIT.ok);
}
