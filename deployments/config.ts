/**
 * Where settings come from: defaults, `config.toml` in the data folder, SUBMIND_* variables, command line, each over the
 * one before. Strict: what is not known is an error that names the nearest known key, never a silent default.
 */
import envPaths from "env-paths";
import { parse as parseToml, TomlError } from "smol-toml";
import type { z } from "zod";
import { isAbsolute, join, resolve } from "node:path";
import { errorText } from "../platform/error_text.ts";
import { type Config, configFileSchema } from "./config_schema.ts";
import { CONFIG_FIELDS, nearest, valueAt, valueOfText, withValue } from "./config_fields.ts";

export type { Config } from "./config_schema.ts";

/** Largest configuration file that is read, bytes. */
export const CONFIG_BYTES_MAX = 256 * 1024;

/** Something in the configuration that cannot be used. */
export type ConfigProblem =
  | {
    readonly type: "unknownKey";
    readonly where: string;
    readonly key: string;
    readonly nearest: string | null;
  }
  | {
    readonly type: "badValue";
    readonly where: string;
    readonly key: string;
    readonly value: unknown;
    readonly expected: { readonly en: string; readonly de: string };
    /** The value is right by itself; another setting that belongs to it is missing. */
    readonly incomplete?: true;
  }
  | { readonly type: "unreadable"; readonly where: string; readonly cause: string };

export type ConfigOutcome =
  | {
    readonly type: "loaded";
    readonly config: Config;
    /** For every dotted key where its value came from: "default", the file, the variable or "command line". */
    readonly origins: Readonly<Record<string, string>>;
    readonly file: string;
  }
  | {
    readonly type: "invalid";
    readonly problems: readonly ConfigProblem[];
    readonly file: string;
  };

export interface ConfigSources {
  /** `--data`, if given. */
  readonly dataDirectory?: string | undefined;
  readonly environment: Readonly<Record<string, string>>;
  /** Dotted keys from the command line, already of the right kind. */
  readonly overrides?: Readonly<Record<string, unknown>>;
  /** Used when nobody chose a name. */
  readonly hostName: string;
  /** The text of the configuration file, or null when there is none; throws what the file system throws. */
  readonly readFile?: (path: string) => string | null;
}

/** Variables that are ours but not settings of a node. */
const OTHER_VARIABLES: readonly string[] = ["SUBMIND_DATA_DIRECTORY", "SUBMIND_LANG"];

/** The data folder: the argument, else SUBMIND_DATA_DIRECTORY, else the user's data folder of this system. Absolute. */
export function chooseDataDirectory(
  argument: string | undefined,
  environment: Readonly<Record<string, string>>,
): string {
  const chosen = argument ?? environment["SUBMIND_DATA_DIRECTORY"] ?? "";
  const path = chosen === "" ? envPaths("submind", { suffix: "" }).data : chosen;
  return isAbsolute(path) ? path : resolve(path);
}

/** The configuration file of a data folder. */
export function configFileOf(dataDirectory: string): string {
  return join(dataDirectory, "config.toml");
}

/** Collects the settings from all sources. Expected failures are values; every problem is reported, not only the first. */
export function loadConfig(sources: ConfigSources): ConfigOutcome {
  const dataDirectory = chooseDataDirectory(sources.dataDirectory, sources.environment);
  const file = configFileOf(dataDirectory);
  const table = readTable(file, sources.readFile ?? readIfPresent);
  if (table.type === "unreadable") return { type: "invalid", problems: [table], file };

  const problems: ConfigProblem[] = [];
  const origins: Record<string, string> = {};
  let merged = table.value;
  for (const field of CONFIG_FIELDS) {
    const text = sources.environment[field.variable];
    if (valueAt(table.value, field.path) !== undefined) origins[field.key] = file;
    if (text !== undefined) {
      merged = withValue(merged, field.path, valueOfText(field, text));
      origins[field.key] = field.variable;
    }
    const override = sources.overrides?.[field.key];
    if (override !== undefined) {
      merged = withValue(merged, field.path, override);
      origins[field.key] = "command line";
    }
    origins[field.key] ??= "default";
  }
  problems.push(...unknownVariables(sources.environment));
  const parsed = configFileSchema.safeParse(merged);
  if (!parsed.success) {
    problems.push(
      ...parsed.error.issues.flatMap((issue) => problemsOf(issue, merged, origins, file)),
    );
  }
  problems.push(...checkTogether(parsed.data, origins));
  if (!parsed.success || problems.length > 0) return { type: "invalid", problems, file };
  const displayName = parsed.data.displayName ?? fallbackName(sources.hostName);
  return { type: "loaded", config: { ...parsed.data, displayName, dataDirectory }, origins, file };
}

type TableOutcome =
  | { readonly type: "table"; readonly value: Record<string, unknown> }
  | Extract<ConfigProblem, { type: "unreadable" }>;

function readTable(file: string, readFile: (path: string) => string | null): TableOutcome {
  try {
    const text = readFile(file);
    return { type: "table", value: text === null ? {} : parseConfigText(text) };
  } catch (error) {
    return { type: "unreadable", where: file, cause: causeOf(error) };
  }
}

/** Parses the text of a configuration file into nested tables. Throws with line and column when it is not TOML. */
export function parseConfigText(text: string): Record<string, unknown> {
  return parseToml(text) as Record<string, unknown>;
}

function causeOf(error: unknown): string {
  if (error instanceof TomlError) {
    const line = error.message.split("\n")[0] ?? "";
    return `${line} (line ${error.line}, column ${error.column})`;
  }
  return errorText(error);
}

function readIfPresent(path: string): string | null {
  try {
    const size = Deno.statSync(path).size;
    if (size > CONFIG_BYTES_MAX) {
      throw new Error(`the file has ${size} bytes, expected at most ${CONFIG_BYTES_MAX}`);
    }
    return Deno.readTextFileSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  }
}

function unknownVariables(environment: Readonly<Record<string, string>>): ConfigProblem[] {
  const known = [...CONFIG_FIELDS.map((field) => field.variable), ...OTHER_VARIABLES];
  return Object.keys(environment)
    .filter((name) => name.startsWith("SUBMIND_") && !known.includes(name))
    .map((name) => ({
      type: "unknownKey",
      where: "environment",
      key: name,
      nearest: nearest(name, known),
    }));
}

function problemsOf(
  issue: z.core.$ZodIssue,
  merged: Record<string, unknown>,
  origins: Readonly<Record<string, string>>,
  file: string,
): ConfigProblem[] {
  const path = issue.path.map(String);
  if (issue.code === "unrecognized_keys") {
    return issue.keys.map((key) => {
      const dotted = [...path, key].join(".");
      const known = [...CONFIG_FIELDS.map((field) => field.key)];
      return { type: "unknownKey", where: file, key: dotted, nearest: nearest(dotted, known) };
    });
  }
  const field = CONFIG_FIELDS.find((candidate) =>
    candidate.path.every((part, index) => path[index] === part)
  );
  const key = field?.key ?? path.join(".");
  return [{
    type: "badValue",
    where: origins[key] === undefined || origins[key] === "default" ? file : origins[key],
    key,
    value: valueAt(merged, field?.path ?? path),
    expected: field?.expected ??
      { en: "a table of settings", de: "eine Tabelle von Einstellungen" },
  }];
}

/** Rules that concern several settings at once. */
function checkTogether(
  config: z.output<typeof configFileSchema> | undefined,
  origins: Readonly<Record<string, string>>,
): ConfigProblem[] {
  if (config === undefined) return [];
  const { host, tlsCertificate, tlsKey } = config.gateway;
  const bad = (key: string, value: unknown, en: string, de: string): ConfigProblem => ({
    type: "badValue",
    where: origins[key] ?? "default",
    key,
    value,
    expected: { en, de },
    incomplete: true,
  });
  if ((tlsCertificate === "") !== (tlsKey === "")) {
    const key = tlsCertificate === "" ? "gateway.tlsCertificate" : "gateway.tlsKey";
    return [bad(key, "", "certificate and key together", "Zertifikat und Schlüssel zusammen")];
  }
  if (!isLoopback(host) && tlsCertificate === "") {
    return [bad(
      "gateway.host",
      host,
      "a loopback address, or gateway.tlsCertificate and gateway.tlsKey as well",
      "eine Loopback-Adresse, oder dazu gateway.tlsCertificate und gateway.tlsKey",
    )];
  }
  const { turnServers, turnSecret, turnUsername, turnPassword, relayOnly } = config.ice;
  if (turnServers.length > 0 && turnSecret === "" && (turnUsername === "" || turnPassword === "")) {
    return [bad(
      "ice.turnSecret",
      "",
      "the secret of the TURN servers, or ice.turnUsername and ice.turnPassword",
      "das Geheimnis der TURN-Server, oder ice.turnUsername und ice.turnPassword",
    )];
  }
  const { enabled, servers, hubs } = config.bridge;
  // A broker shows no addresses either.
  const hasBroker = enabled !== "false" && servers.length + hubs.length > 0;
  if (relayOnly && turnServers.length === 0 && !hasBroker) {
    return [bad(
      "ice.turnServers",
      "",
      "at least one server, or bridge.servers or bridge.hubs, because ice.relayOnly is true",
      "mindestens ein Server, oder bridge.servers oder bridge.hubs, weil ice.relayOnly true ist",
    )];
  }
  return [];
}

/** True for addresses that only this device reaches. */
export function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || /^127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/.test(host);
}

function fallbackName(hostName: string): string {
  const plain = hostName.replaceAll(/[^\p{L}\p{N} ._-]/gu, "").slice(0, 15).trim();
  return plain === "" ? "submind" : plain;
}
