/** `submind inbox`: what nobody has read yet, or what arrives from now on; `inbox save` writes an attachment into a file. */
import { object, or } from "@optique/core/constructs";
import { map, optional, withDefault } from "@optique/core/modifiers";
import { argument, command, flag, option } from "@optique/core/primitives";
import { integer, string } from "@optique/core/valueparser";
import { path } from "@optique/run/valueparser";
import type { MessageView } from "../../actors/mail_handle.ts";
import { safeFileName } from "../../gateway/body_headers.ts";
import type { NodeClient } from "../client.ts";
import { type Action, clientOf, type CommandContext, plain } from "../command.ts";
import { CliError, EXIT } from "../exit_codes.ts";
import { exists, writeStream } from "../folder.ts";
import { formatMessage, SHOWN_ID } from "../mail/format.ts";
import { findConversation, type People, peopleOf } from "../mail/people.ts";
import { markShown, newestMessages, unreadMessages } from "../mail/unread.ts";
import { watchMessages } from "../mail/watch.ts";
import { formatBytes } from "../output/units.ts";
import type { Texts } from "../texts.ts";

const SHOWN_DEFAULT = 100;
const SHOWN_MAX = 10_000;
/** Shortest beginning of a message's id that counts. */
const PREFIX_MIN = 6;
/** Messages of each conversation among which a beginning of an id is looked for. */
const SEARCHED = 1_000;

interface InboxArguments {
  readonly all: boolean;
  readonly watch: boolean;
  readonly markRead: boolean;
  readonly peek: boolean;
  readonly from: string | undefined;
  readonly limit: number;
}

const BARE: InboxArguments = {
  all: false,
  watch: false,
  markRead: false,
  peek: false,
  from: undefined,
  limit: SHOWN_DEFAULT,
};

/** Parser of the command. */
export function inboxCommand(texts: Texts) {
  const { options, help } = texts.mail;
  const truth = (name: `--${string}`, description: string) =>
    withDefault(flag(name, { description: plain(description) }), false);
  const save = command(
    "save",
    map(
      object({
        message: argument(string({ metavar: "MESSAGE" }), { description: plain(options.message) }),
        index: argument(integer({ min: 0, max: 15, metavar: "INDEX" }), {
          description: plain(options.index),
        }),
        output: optional(
          option("-o", "--output", path({ metavar: "FILE" }), {
            description: plain(options.output),
          }),
        ),
        force: truth("--force", texts.options.force),
      }),
      (found): Action => (context) => runSave(context, found),
    ),
    { brief: plain(help.inboxSave) },
  );
  const show = map(
    object({
      all: truth("--all", options.all),
      watch: truth("--watch", options.watch),
      markRead: truth("--mark-read", options.markRead),
      peek: truth("--peek", options.peek),
      from: optional(
        option("--with", string({ metavar: "WHOM" }), { description: plain(options.with) }),
      ),
      limit: withDefault(
        option("--limit", integer({ min: 1, max: SHOWN_MAX, metavar: "COUNT" }), {
          description: plain(options.limit),
        }),
        SHOWN_DEFAULT,
      ),
    }),
    (found): Action => (context) => runInbox(context, found),
  );
  // The parser takes a branch without any word for itself only when it has no options either.
  const bare = map(object({}), (): Action => (context) => runInbox(context, BARE));
  return command("inbox", or(save, show, bare), { brief: plain(help.inbox) });
}

/** Whether what was shown counts as read: a person has seen it; a program only says so itself. */
function counts(context: CommandContext, { markRead, peek }: InboxArguments): boolean {
  return !peek && (markRead || !context.output.json);
}

function show(context: CommandContext, people: People, message: MessageView): void {
  context.output.event(message, () => `${formatMessage(context, people, message)}\n`);
}

async function runInbox(context: CommandContext, found: InboxArguments) {
  const client = clientOf(context);
  const people = await peopleOf(context, client);
  const only = found.from === undefined ? null : findConversation(context, people, found.from);
  const chosen = only === null ? people.conversations : [only];
  if (found.watch) return await runWatch(context, found, only?.conversation ?? null);
  const messages = found.all
    ? await newestMessages(client, chosen, found.limit)
    : await unreadMessages(client, chosen, found.limit);
  for (const message of messages) show(context, people, message);
  if (messages.length === 0) {
    const { nothing, nothingUnread } = context.texts.mail;
    context.output.note(found.all ? nothing : nothingUnread);
  }
  if (counts(context, found)) await markShown(client, messages);
  return EXIT.ok;
}

async function runWatch(context: CommandContext, found: InboxArguments, only: string | null) {
  context.output.note(context.texts.mail.watching);
  for await (const batch of watchMessages(context, { only, limit: found.limit })) {
    const people = await peopleOf(context, clientOf(context));
    for (const message of batch) show(context, people, message);
    if (counts(context, found)) await markShown(clientOf(context), batch);
  }
  // Ended by Ctrl-C, which is how one ends it.
  return EXIT.ok;
}

async function findMessage(
  context: CommandContext,
  client: NodeClient,
  text: string,
): Promise<MessageView> {
  const texts = context.texts.mail;
  if (/^[0-9a-f]{32}$/.test(text)) return await client.mail.message(text);
  const refused = (message: string, code: string) =>
    new CliError(message, { code, exitCode: EXIT.refused, hint: texts.unknownMessageHint });
  if (!/^[0-9a-f]+$/.test(text) || text.length < PREFIX_MIN) {
    throw refused(texts.unknownMessage(text), "notFound");
  }
  const all = await newestMessages(client, await client.mail.conversations(), SEARCHED);
  const [first, second] = all.filter(({ message }) => message.startsWith(text));
  if (first === undefined) throw refused(texts.unknownMessage(text), "notFound");
  if (second !== undefined) throw refused(texts.ambiguousMessage(text), "ambiguous");
  return first;
}

async function runSave(
  context: CommandContext,
  found: {
    readonly message: string;
    readonly index: number;
    readonly output: string | undefined;
    readonly force: boolean;
  },
) {
  const texts = context.texts.mail;
  const client = clientOf(context);
  const { message, attachments } = await findMessage(context, client, found.message);
  const attachment = attachments[found.index];
  const refused = (text: string, hint: string, code: string) =>
    new CliError(text, { code, exitCode: EXIT.refused, hint });
  if (attachment === undefined) {
    const id = message.slice(0, SHOWN_ID);
    const problem = texts.noAttachment(id, found.index, attachments.length);
    throw refused(problem, texts.noAttachmentHint, "notFound");
  }
  // The name comes from somebody else: only its last part, and nothing hidden.
  const file = found.output ?? safeFileName(attachment.name);
  if (!found.force && exists(file)) {
    throw refused(context.texts.get.fileExists(file), context.texts.get.fileExistsHint, "refused");
  }
  const body = await client.mail.attachment(message, found.index);
  const bytes = await writeStream(body, file);
  context.output.result(
    { ok: true, message, index: found.index, file, bytes },
    () => texts.saved(file, formatBytes(bytes, context.language)),
  );
  return EXIT.ok;
}
