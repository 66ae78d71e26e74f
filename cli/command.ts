/** What every command is given and gives back, and the helpers that several commands share. */
import { type Message, message, text as messageText } from "@optique/core/message";
import type { Clock, Random } from "../platform/ports.ts";
import type { MemberView } from "../actors/handle.ts";
import {
  chooseDataDirectory,
  type Config,
  type ConfigOutcome,
  type ConfigProblem,
  loadConfig,
} from "../deployments/config.ts";
import { NodeClient } from "./client.ts";
import { CliError, EXIT, type ExitCode } from "./exit_codes.ts";
import { readNodeFile } from "./node_file.ts";
import type { Output } from "./output/output.ts";
import type { Language, Texts } from "./texts.ts";

/** Everything a command may use of the world. */
export interface CommandContext {
  readonly output: Output;
  readonly texts: Texts;
  readonly language: Language;
  readonly clock: Clock;
  readonly random: Random;
  /** Environment variables. */
  readonly environment: Readonly<Record<string, string>>;
  /** `--data` as given. */
  readonly dataArgument: string | undefined;
  /** Aborted by Ctrl-C or SIGTERM. */
  readonly interrupted: AbortSignal;
}

/** A parsed command line: run it and get the exit code. */
export type Action = (context: CommandContext) => Promise<ExitCode>;

/** A description for the parser from a plain text. */
export function plain(text: string): Message {
  return message`${messageText(text)}`;
}

/** The data folder in force, absolute. */
export function dataDirectoryOf(context: CommandContext): string {
  return chooseDataDirectory(context.dataArgument, context.environment);
}

/** The configuration from all sources, problems included. */
export function configOutcomeOf(
  context: CommandContext,
  overrides: Readonly<Record<string, unknown>> = {},
): ConfigOutcome {
  return loadConfig({
    dataDirectory: context.dataArgument,
    environment: context.environment,
    overrides,
    hostName: Deno.hostname(),
  });
}

/** The configuration, or an error that names every problem. */
export function configOf(
  context: CommandContext,
  overrides: Readonly<Record<string, unknown>> = {},
): Config {
  const outcome = configOutcomeOf(context, overrides);
  if (outcome.type === "loaded") return outcome.config;
  throw new CliError(
    outcome.problems.map((problem) => describeProblem(context, problem)).join("\n"),
    { code: "badConfig", exitCode: EXIT.usage, hint: context.texts.config.hint },
  );
}

/** One problem of the configuration in words. */
export function describeProblem(context: CommandContext, problem: ConfigProblem): string {
  const { texts, language } = context;
  switch (problem.type) {
    case "unknownKey":
      return texts.config.unknownKey(problem.where, problem.key, problem.nearest);
    case "badValue": {
      const value = JSON.stringify(problem.value) ?? "—";
      return texts.config.badValue(
        problem.where,
        problem.key,
        value.slice(0, 100),
        problem.expected[language],
      );
    }
    case "unreadable":
      return texts.config.unreadable(problem.where, problem.cause);
    default:
      return problem satisfies never;
  }
}

/** A client for the node that runs on this data folder, or an error that says how to start one. */
export function clientOf(context: CommandContext): NodeClient {
  const dataDirectory = dataDirectoryOf(context);
  const found = readNodeFile(dataDirectory);
  if (found.type === "found") return new NodeClient(found.node, context.texts);
  const { notRunning } = context.texts;
  const why = found.type === "absent"
    ? notRunning.absent(dataDirectory)
    : found.type === "stale"
    ? notRunning.stale(dataDirectory, found.pid)
    : notRunning.unreadable(found.path, found.cause);
  throw new CliError(why, {
    code: "notRunning",
    exitCode: EXIT.notRunning,
    hint: notRunning.hint(context.dataArgument),
  });
}

/** The member that a person means: a whole id, the beginning of one, or a name. */
export function findMember(
  context: CommandContext,
  members: readonly MemberView[],
  text: string,
): MemberView {
  const exact = members.filter((member) => member.deviceId === text || member.displayName === text);
  const found = exact.length > 0
    ? exact
    : members.filter((member) => text.length >= 4 && member.deviceId.startsWith(text));
  const [member, second] = found;
  if (member !== undefined && second === undefined) return member;
  const problem = second === undefined
    ? context.texts.members.unknown(text)
    : context.texts.members.ambiguous(text, found.length);
  throw new CliError(problem, {
    code: second === undefined ? "notFound" : "ambiguous",
    exitCode: EXIT.refused,
    hint: context.texts.members.hint,
  });
}

/** Ends a command that Ctrl-C has stopped. */
export function throwIfInterrupted(context: CommandContext): void {
  if (!context.interrupted.aborted) return;
  throw new CliError(context.texts.interrupted, {
    code: "interrupted",
    exitCode: EXIT.interrupted,
  });
}
