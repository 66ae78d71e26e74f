/** `submind send TO… TEXT`: a message to members, a new group or a conversation; waits for its delivery on request. */
import { object } from "@optique/core/constructs";
import { map, multiple, optional } from "@optique/core/modifiers";
import { argument, command, option } from "@optique/core/primitives";
import { choice, string } from "@optique/core/valueparser";
import { path } from "@optique/run/valueparser";
import { basename } from "node:path";
import type { DeliveryState, MessageView, NewMessage } from "../../actors/mail_handle.ts";
import { errorText } from "../../platform/error_text.ts";
import {
  ATTACHMENT_BYTES_MAX,
  ATTACHMENTS_MAX,
  TEXT_BYTES_MAX,
} from "../../protocols/mailbox/content.ts";
import {
  type Action,
  clientOf,
  type CommandContext,
  plain,
  throwIfInterrupted,
} from "../command.ts";
import { CliError, EXIT } from "../exit_codes.ts";
import { mediaTypeOf } from "../ingest/media_type.ts";
import { formatMessage } from "../mail/format.ts";
import { findNamed, type People, peopleOf } from "../mail/people.ts";
import { timeOf } from "../mail/time_option.ts";
import { startProgress } from "../output/progress.ts";
import { formatBytes } from "../output/units.ts";
import type { Texts } from "../texts.ts";
import { poll } from "../wait.ts";

const DAY_MS = 86_400_000;
const WAIT_DEFAULT_MS = 5 * 60_000;
const LOOK_EVERY_MS = 250;
const WAIT_STATES = ["delivered", "read"] as const;

interface SendArguments {
  readonly words: readonly string[];
  readonly attach: readonly string[];
  readonly title: string | undefined;
  readonly expires: string | undefined;
  readonly vanish: string | undefined;
  readonly wait: typeof WAIT_STATES[number] | undefined;
  readonly timeout: string | undefined;
  readonly key: string | undefined;
}

/** Parser of the command. */
export function sendCommand(texts: Texts) {
  const { options, help } = texts.mail;
  const time = (name: "--expires" | "--vanish" | "--timeout", description: string) =>
    optional(option(name, string({ metavar: "TIME" }), { description: plain(description) }));
  const parser = object({
    words: multiple(
      argument(string({ metavar: "TO… TEXT" }), { description: plain(options.words) }),
      { min: 1 },
    ),
    attach: multiple(
      option("--attach", path({ metavar: "FILE" }), { description: plain(options.attach) }),
    ),
    title: optional(
      option("--title", string({ metavar: "TITLE" }), { description: plain(options.title) }),
    ),
    expires: time("--expires", options.expires),
    vanish: time("--vanish", options.vanish),
    wait: optional(
      option("--wait", choice(WAIT_STATES, { metavar: "STATE" }), {
        description: plain(options.wait),
      }),
    ),
    timeout: time("--timeout", options.timeout),
    key: optional(
      option("--key", string({ metavar: "KEY", pattern: /^[\x21-\x7e]{1,64}$/ }), {
        description: plain(options.key),
      }),
    ),
  });
  return command("send", map(parser, (found): Action => (context) => runSend(context, found)), {
    brief: plain(help.send),
  });
}

function usage(message: string, hint = ""): CliError {
  return new CliError(message, { code: "usage", exitCode: EXIT.usage, hint });
}

async function runSend(context: CommandContext, found: SendArguments) {
  const timeoutMs = found.timeout === undefined ? WAIT_DEFAULT_MS : timeOf(context, {
    option: "--timeout",
    text: found.timeout,
    maxMs: 30 * DAY_MS,
    most: "30d",
  });
  const attachments = readAttachments(context, found.attach);
  const { to, text } = await splitWords(context, found, attachments.length > 0);
  const client = clientOf(context);
  const people = await peopleOf(context, client);
  const key = found.key ?? context.random.bytes(16).toHex();
  const sent = await client.mail.send({
    ...recipientsOf(context, people, { to, title: found.title }),
    text,
    ...(attachments.length === 0 ? {} : { attachments }),
    ...lifetimeOf(context, found),
  }, key);
  if (found.wait === undefined) {
    context.output.result(sent, () => formatMessage(context, people, sent));
    return EXIT.ok;
  }
  const done = await waitFor(context, { people, sent, state: found.wait, timeoutMs });
  context.output.result(done, () => formatMessage(context, people, done));
  return EXIT.ok;
}

/** The last word is the text. Without a second one everything is attached. */
async function splitWords(
  context: CommandContext,
  { words }: SendArguments,
  attached: boolean,
): Promise<{ readonly to: readonly string[]; readonly text: string }> {
  const texts = context.texts.mail;
  if (words.length === 1) {
    if (!attached) throw usage(texts.noText, texts.noTextHint);
    return { to: words, text: "" };
  }
  const last = words.at(-1) ?? "";
  const text = last === "-" ? await readStdin(context) : last;
  const bytes = new TextEncoder().encode(text).length;
  if (bytes > TEXT_BYTES_MAX) throw textTooLong(context, bytes);
  if (text === "" && !attached) throw usage(texts.noText, texts.noTextHint);
  return { to: words.slice(0, -1), text };
}

function textTooLong(context: CommandContext, bytes: number): CliError {
  const size = (value: number) => formatBytes(value, context.language);
  const { textTooLong, textTooLongHint } = context.texts.mail;
  return usage(textTooLong(size(bytes), size(TEXT_BYTES_MAX)), textTooLongHint);
}

async function readStdin(context: CommandContext): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  let bytes = 0;
  for await (const part of Deno.stdin.readable) {
    bytes += part.length;
    if (bytes > TEXT_BYTES_MAX + 1) throw textTooLong(context, bytes);
    text += decoder.decode(part, { stream: true });
  }
  // The line end that `echo` and editors add belongs to the file, not to what is said.
  text = (text + decoder.decode()).replace(/\r?\n$/, "");
  if (text === "") throw usage(context.texts.mail.noStdin, context.texts.mail.noTextHint);
  return text;
}

function readAttachments(
  context: CommandContext,
  files: readonly string[],
): NonNullable<NewMessage["attachments"]> {
  const texts = context.texts.mail;
  const size = (bytes: number) => formatBytes(bytes, context.language);
  if (files.length > ATTACHMENTS_MAX) {
    throw usage(texts.tooManyFiles(files.length, ATTACHMENTS_MAX), texts.severalHint);
  }
  return files.map((file) => {
    try {
      const { size: bytes, isFile } = Deno.statSync(file);
      if (!isFile) throw usage(texts.cannotAttach(file, "—"), texts.cannotAttachHint);
      if (bytes > ATTACHMENT_BYTES_MAX) {
        const message = texts.fileTooLarge(file, size(bytes), size(ATTACHMENT_BYTES_MAX));
        throw usage(message, texts.fileTooLargeHint);
      }
      const body = Deno.readFileSync(file);
      return { name: basename(file), mediaType: mediaTypeOf(file, body), body };
    } catch (error) {
      if (error instanceof CliError) throw error;
      const cause = errorText(error);
      throw usage(texts.cannotAttach(file, cause), texts.cannotAttachHint);
    }
  });
}

function recipientsOf(
  context: CommandContext,
  people: People,
  { to, title }: { readonly to: readonly string[]; readonly title: string | undefined },
): Pick<NewMessage, "conversation" | "to" | "title"> {
  const texts = context.texts.mail;
  const named = to.map((text) => findNamed(context, people, text));
  const [first] = named;
  const conversation = named.find((each) => each.type === "conversation");
  if (conversation !== undefined) {
    if (named.length > 1 || first === undefined) throw usage(texts.mixed, texts.mixedHint);
    if (title !== undefined) throw usage(texts.titleNeedsGroup);
    return { conversation: conversation.conversation.conversation };
  }
  const members = named.filter((each) => each.type === "member").map(({ member }) => member);
  if (members.some(({ self }) => self)) throw usage(texts.yourself, texts.yourselfHint);
  const devices = [...new Set(members.map(({ deviceId }) => deviceId))];
  if (title !== undefined && devices.length < 2) throw usage(texts.titleNeedsGroup);
  return { to: devices, ...(title === undefined ? {} : { title }) };
}

function lifetimeOf(
  context: CommandContext,
  { expires, vanish }: SendArguments,
): Pick<NewMessage, "validMs" | "vanishMs"> {
  const of = (option: string, text: string, maxMs: number, most: string) =>
    timeOf(context, { option, text, maxMs, most });
  return {
    ...(expires === undefined ? {} : { validMs: of("--expires", expires, 30 * DAY_MS, "30d") }),
    ...(vanish === undefined ? {} : { vanishMs: of("--vanish", vanish, 366 * DAY_MS, "366d") }),
  };
}

/** The message once every recipient has it (or has read it). */
async function waitFor(
  context: CommandContext,
  { people, sent, state, timeoutMs }: {
    readonly people: People;
    readonly sent: MessageView;
    readonly state: typeof WAIT_STATES[number];
    readonly timeoutMs: number;
  },
): Promise<MessageView> {
  const texts = context.texts.mail;
  const { clock, output, interrupted } = context;
  const reached = (each: DeliveryState) => each === "read" || each === state;
  const progress = startProgress(output, clock, texts.waiting);
  const told = new Map<string, DeliveryState>();
  let newest = sent;
  try {
    const done = await poll(
      { clock, everyMs: LOOK_EVERY_MS, timeoutMs, signal: interrupted },
      async () => {
        newest = await clientOf(context).mail.message(sent.message);
        for (const { deviceId, state: now } of newest.deliveries) {
          if (told.get(deviceId) === now) continue;
          told.set(deviceId, now);
          output.note(texts.waitedFor(people.nameOf(deviceId), texts.states[now]));
        }
        const there = newest.deliveries.filter((each) => reached(each.state)).length;
        progress.update(there, newest.deliveries.length);
        const lost = newest.deliveries.find(({ state: now }) =>
          now === "failed" || now === "expired"
        );
        if (lost !== undefined) {
          const why = lost.problem ?? texts.expiredWhy;
          throw new CliError(texts.neverArrives(people.nameOf(lost.deviceId), why), {
            code: lost.state === "expired" ? "expired" : "failed",
            exitCode: EXIT.failed,
          });
        }
        return there === newest.deliveries.length ? newest : null;
      },
    );
    if (done !== null) return done;
  } finally {
    progress.stop();
  }
  throwIfInterrupted(context);
  const missing = newest.deliveries.filter((each) => !reached(each.state))
    .map(({ deviceId, state: now }) => `${people.nameOf(deviceId)} (${texts.states[now]})`);
  throw new CliError(texts.notArrived(missing.join(", ")), {
    code: "timedOut",
    exitCode: EXIT.failed,
    hint: texts.notArrivedHint,
  });
}
