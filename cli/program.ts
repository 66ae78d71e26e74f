/** The command line as a whole: every command, the options they share, help and completion. Runs what was parsed. */
import { merge, object, or } from "@optique/core/constructs";
import { runParser } from "@optique/core/facade";
import type { Message } from "@optique/core/message";
import { formatMessage } from "@optique/core/message";
import { map, optional, withDefault } from "@optique/core/modifiers";
import { flag, option } from "@optique/core/primitives";
import { choice } from "@optique/core/valueparser";
import { path } from "@optique/run/valueparser";
import type { Clock, Random } from "../platform/ports.ts";
import { type Action, type CommandContext, plain } from "./command.ts";
import { addCommand } from "./commands/add.ts";
import { backupCommand } from "./commands/backup.ts";
import { configCommand } from "./commands/config.ts";
import { conversationsCommand } from "./commands/conversations.ts";
import { demoCommand } from "./commands/demo.ts";
import { doctorCommand } from "./commands/doctor.ts";
import { getCommand } from "./commands/get.ts";
import { inboxCommand } from "./commands/inbox.ts";
import { interestCommand } from "./commands/interest.ts";
import { learnCommand } from "./commands/learn.ts";
import { leaveCommand } from "./commands/leave.ts";
import { membersCommand } from "./commands/members.ts";
import { openCommand } from "./commands/open.ts";
import { pairCommand } from "./commands/pair.ts";
import { peersCommand } from "./commands/peers.ts";
import { relayCommand } from "./commands/relay.ts";
import { restoreCommand } from "./commands/restore.ts";
import { searchCommand } from "./commands/search.ts";
import { sendCommand } from "./commands/send.ts";
import { sensorsCommand } from "./commands/sensors.ts";
import { statusCommand } from "./commands/status.ts";
import { tokenCommand } from "./commands/token.ts";
import { upCommand } from "./commands/up.ts";
import { CliError, EXIT, type ExitCode } from "./exit_codes.ts";
import { createOutput, toJson } from "./output/output.ts";
import type { Terminal } from "./output/terminal.ts";
import { parserMessageInGerman } from "./texts/parser_de.ts";
import { chooseLanguage, LANGUAGES, type Texts, textsOf } from "./texts.ts";

/** The world as the program sees it. */
export interface World {
  readonly args: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  /** Made after parsing, because `--no-color` decides how. */
  readonly terminal: (options: { readonly color: boolean; readonly columns?: string }) => Terminal;
  readonly clock: Clock;
  readonly random: Random;
  readonly interrupted: AbortSignal;
  readonly version: string;
}

interface Parsed {
  readonly action: Action;
  readonly json: boolean;
  readonly data: string | undefined;
}

/** The parser of a whole command line; what it gives runs the command. */
export function programParser(texts: Texts) {
  const first = or(
    upCommand(texts),
    demoCommand(texts),
    addCommand(texts),
    searchCommand(texts),
    getCommand(texts),
    statusCommand(texts),
    peersCommand(texts),
    openCommand(texts),
  );
  const second = or(
    sendCommand(texts),
    inboxCommand(texts),
    conversationsCommand(texts),
    sensorsCommand(texts),
    relayCommand(texts),
    learnCommand(texts),
  );
  const third = or(
    pairCommand(texts),
    membersCommand(texts),
    interestCommand(texts),
    leaveCommand(texts),
    doctorCommand(texts),
    tokenCommand(texts),
    backupCommand(texts),
    restoreCommand(texts),
    configCommand(texts),
  );
  const shared = object(texts.program.global, {
    json: withDefault(flag("--json", { description: plain(texts.program.json) }), false),
    data: optional(
      option("--data", path({ metavar: "FOLDER", type: "directory" }), {
        description: plain(texts.program.data),
      }),
    ),
    lang: optional(
      option("--lang", choice(LANGUAGES, { metavar: "LANGUAGE" }), {
        description: plain(texts.program.lang),
      }),
    ),
    noColor: withDefault(
      flag("--no-color", { description: plain(texts.program.noColor) }),
      false,
    ),
  });
  return merge(map(or(first, second, third), (action: Action) => ({ action })), shared);
}

/** Thrown by the parser's callbacks: help was shown, or the arguments were wrong. Caught below. */
class Ended extends Error {
  constructor(readonly exitCode: ExitCode, readonly problem: Message | null) {
    super("ended");
  }
}

/** Parses and runs one command line. Never throws: every outcome is an exit code. */
export async function runProgram(world: World): Promise<ExitCode> {
  const { args, environment } = world;
  const texts = textsOf(chooseLanguage(args, environment));
  const color = !args.includes("--no-color") && (environment["NO_COLOR"] ?? "") === "";
  const columns = world.environment.COLUMNS;
  const terminal = world.terminal({ color, ...(columns !== undefined && { columns }) });
  const json = args.slice(0, endOfOptions(args)).includes("--json");
  try {
    const parsed = parse(world, texts, terminal);
    return await parsed.action(contextOf(world, terminal, parsed));
  } catch (error) {
    if (error instanceof Ended) {
      if (error.problem === null) return error.exitCode;
      const english = formatMessage(error.problem, { colors: false, quotes: true });
      const isGerman = chooseLanguage(args, environment) === "de";
      const message = isGerman ? parserMessageInGerman(english) : english;
      const wrong = new CliError(message, {
        code: "usage",
        exitCode: EXIT.usage,
        hint: "submind --help",
      });
      return reportError(terminal, json, texts, wrong);
    }
    return reportError(terminal, json, texts, error);
  }
}

function endOfOptions(args: readonly string[]): number {
  const end = args.indexOf("--");
  return end === -1 ? args.length : end;
}

function contextOf(world: World, terminal: Terminal, parsed: Parsed): CommandContext {
  const language = chooseLanguage(world.args, world.environment);
  return {
    output: createOutput(terminal, parsed.json),
    texts: textsOf(language),
    language,
    clock: world.clock,
    random: world.random,
    environment: world.environment,
    dataArgument: parsed.data,
    interrupted: world.interrupted,
  };
}

function parse(world: World, texts: Texts, terminal: Terminal): Parsed {
  const shown = () => {
    throw new Ended(EXIT.ok, null);
  };
  return runParser(programParser(texts), "submind", world.args, {
    help: {
      command: true,
      option: { names: ["-h", "--help"] },
      onShow: (exitCode) => {
        throw new Ended(exitCode === 0 ? EXIT.ok : EXIT.usage, null);
      },
    },
    version: { value: world.version, option: true, onShow: shown },
    completion: { command: true, onShow: shown },
    onError: (_, problem) => {
      throw new Ended(EXIT.usage, problem);
    },
    aboveError: "none",
    colors: terminal.colors.isColorSupported,
    maxWidth: terminal.width,
    termWidth: "auto",
    commandList: "top-level",
    usageLine: [{ type: "ellipsis" }],
    brief: plain(texts.program.brief),
    footer: plain(texts.program.footer),
    showDefault: true,
    showChoices: true,
    stdout: (text) => terminal.out(text),
    // The problem is reported once, in our own form.
    stderr: () => undefined,
  });
}

function reportError(terminal: Terminal, json: boolean, texts: Texts, error: unknown): ExitCode {
  const known = error instanceof CliError ? error : unexpectedError(texts, error);
  if (json) {
    const { code, message, hint, exitCode } = known;
    terminal.out(toJson({ ok: false, error: { code, message, hint, exitCode } }));
  } else {
    terminal.err(`${texts.error}: ${known.message}`);
    if (known.hint !== "") terminal.err(`→ ${known.hint}`);
  }
  return known.exitCode;
}

/** What the operating system says when a disk takes nothing more: no fault of ours. */
const DISK_CODES: readonly unknown[] = ["ENOSPC", "EDQUOT", "EROFS"];

function unexpectedError(texts: Texts, error: unknown): CliError {
  if (error instanceof Error && "code" in error && DISK_CODES.includes(error.code)) {
    return new CliError(texts.diskRefuses(error.message), {
      code: "failed",
      exitCode: EXIT.failed,
      hint: texts.diskRefusesHint,
      cause: error,
    });
  }
  const detail = error instanceof Error ? error.stack ?? error.message : String(error);
  return new CliError(`${texts.unexpected}\n${detail}`, {
    code: "internal",
    exitCode: EXIT.failed,
    hint: texts.unexpectedHint,
    cause: error,
  });
}
