/** `submind conversations`: who talks with whom; show one, and change the members or the title of a group. */
import { object, or } from "@optique/core/constructs";
import { map, multiple, withDefault } from "@optique/core/modifiers";
import { argument, command, option } from "@optique/core/primitives";
import { integer, string } from "@optique/core/valueparser";
import type { ConversationChange, MessageView } from "../../actors/mail_handle.ts";
import { type Action, clientOf, type CommandContext, findMember, plain } from "../command.ts";
import { EXIT } from "../exit_codes.ts";
import { formatConversations, formatMessage, SHOWN_ID } from "../mail/format.ts";
import { findConversation, peopleOf } from "../mail/people.ts";
import { printable } from "../output/table.ts";
import type { Texts } from "../texts.ts";

/** Messages of one request. */
const PAGE = 200;
const SHOWN_DEFAULT = 20;
const SHOWN_MAX = 10_000;

/** Parser of the command. */
export function conversationsCommand(texts: Texts) {
  const { options, help } = texts.mail;
  const id = () =>
    argument(string({ metavar: "CONVERSATION" }), { description: plain(options.conversation) });
  const members = () =>
    multiple(
      argument(string({ metavar: "MEMBER" }), { description: plain(texts.options.member) }),
      { min: 1 },
    );
  const show = command(
    "show",
    map(
      object({
        id: id(),
        limit: withDefault(
          option("--limit", integer({ min: 1, max: SHOWN_MAX, metavar: "COUNT" }), {
            description: plain(options.limit),
          }),
          SHOWN_DEFAULT,
        ),
      }),
      (found): Action => (context) => runShow(context, found),
    ),
    { brief: plain(help.conversationsShow) },
  );
  const change = (name: "add" | "remove", brief: string) =>
    command(
      name,
      map(object({ id: id(), members: members() }), (found): Action => async (context) => {
        const all = await clientOf(context).members();
        const devices = found.members.map((text) => findMember(context, all, text).deviceId);
        return await runChange(context, found.id, { [name]: devices });
      }),
      { brief: plain(brief) },
    );
  const title = command(
    "title",
    map(
      object({
        id: id(),
        title: argument(string({ metavar: "TITLE" }), { description: plain(options.newTitle) }),
      }),
      ({ id, title }): Action => (context) => runChange(context, id, { title }),
    ),
    { brief: plain(help.conversationsTitle) },
  );
  return command(
    "conversations",
    or(
      show,
      change("add", help.conversationsAdd),
      change("remove", help.conversationsRemove),
      title,
      map(object({}), (): Action => runList),
    ),
    { brief: plain(help.conversations) },
  );
}

async function runList(context: CommandContext) {
  const people = await peopleOf(context, clientOf(context));
  const { conversations } = people;
  context.output.result(
    { conversations },
    () => formatConversations(context, people, conversations),
  );
  return EXIT.ok;
}

async function runShow(
  context: CommandContext,
  { id, limit }: { readonly id: string; readonly limit: number },
) {
  const client = clientOf(context);
  const people = await peopleOf(context, client);
  const conversation = findConversation(context, people, id);
  const { messages, complete } = await newestMessages(context, conversation.conversation, limit);
  context.output.result({ conversation, messages }, () => {
    const table = formatConversations(context, people, [conversation]);
    const shown = messages.map((message) => formatMessage(context, people, message));
    return [table, ...shown].join("\n\n");
  });
  const shownId = conversation.conversation.slice(0, SHOWN_ID);
  const more = String(Math.min(limit * 5, SHOWN_MAX));
  if (!complete) context.output.note(context.texts.mail.older(more, shownId));
  return EXIT.ok;
}

/** The newest `limit` messages of a conversation, oldest first, and whether there are no older ones. */
async function newestMessages(
  context: CommandContext,
  id: string,
  limit: number,
): Promise<{ readonly messages: readonly MessageView[]; readonly complete: boolean }> {
  const client = clientOf(context);
  let messages: readonly MessageView[] = [];
  let cursor: string | undefined;
  do {
    const rest = Math.min(PAGE, limit - messages.length);
    const page = await client.mail.messages(id, { cursor, limit: rest });
    messages = [...page.messages, ...messages];
    cursor = page.nextCursor ?? undefined;
  } while (cursor !== undefined && messages.length < limit);
  return { messages, complete: cursor === undefined };
}

async function runChange(context: CommandContext, text: string, change: ConversationChange) {
  const client = clientOf(context);
  const people = await peopleOf(context, client);
  const { conversation } = findConversation(context, people, text);
  const changed = await client.mail.changeConversation(conversation, change);
  context.output.result(changed, () => {
    const table = formatConversations(context, people, [changed]);
    return `${table}\n\n${context.texts.mail.changed(printable(people.titleOf(changed)))}`;
  });
  return EXIT.ok;
}
