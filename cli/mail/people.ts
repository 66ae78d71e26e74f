/** Whom a person means by a word: members by name or id, conversations by id, title or the other member. */
import type { MemberView } from "../../actors/handle.ts";
import type { ConversationView } from "../../actors/mail_handle.ts";
import type { DeviceId } from "../../protocols/ids.ts";
import type { NodeClient } from "../client.ts";
import type { CommandContext } from "../command.ts";
import { CliError, EXIT } from "../exit_codes.ts";

/** Shortest beginning of an id that counts. */
const PREFIX_MIN = 4;

/** Everybody a message can come from or go to, and where people talk. */
export interface People {
  readonly members: readonly MemberView[];
  readonly conversations: readonly ConversationView[];
  /** A member's name, "you" for this device, the short id of strangers. */
  nameOf(id: DeviceId): string;
  /** A conversation's title, or the names of the others in it. */
  titleOf(conversation: ConversationView): string;
}

/** Asks the node for members and conversations. */
export async function peopleOf(context: CommandContext, client: NodeClient): Promise<People> {
  const [members, conversations] = await Promise.all([
    client.members(),
    client.mail.conversations(),
  ]);
  const known = new Map(members.map((member) => [member.deviceId, member]));
  const nameOf = (id: DeviceId) => {
    const member = known.get(id);
    if (member?.self) return context.texts.mail.you;
    return member?.displayName ?? id.slice(0, 8);
  };
  return {
    members,
    conversations,
    nameOf,
    titleOf({ title, members: inside }) {
      if (title !== "") return title;
      return inside.filter((id) => !known.get(id)?.self).map(nameOf).join(", ") ||
        context.texts.mail.group;
    },
  };
}

export type Named =
  | { readonly type: "member"; readonly member: MemberView }
  | { readonly type: "conversation"; readonly conversation: ConversationView };

function matches(people: People, text: string): readonly Named[] {
  const members = people.members.filter(({ revoked }) => !revoked);
  const asMember = (member: MemberView): Named => ({ type: "member", member });
  const asConversation = (conversation: ConversationView): Named => {
    return { type: "conversation", conversation };
  };
  const exact = [
    ...members.filter(({ deviceId, displayName }) => deviceId === text || displayName === text)
      .map(asMember),
    ...people.conversations
      .filter(({ conversation, title }) => conversation === text || title === text)
      .map(asConversation),
  ];
  if (exact.length > 0 || text.length < PREFIX_MIN) return exact;
  return [
    ...members.filter(({ deviceId }) => deviceId.startsWith(text)).map(asMember),
    ...people.conversations.filter(({ conversation }) => conversation.startsWith(text))
      .map(asConversation),
  ];
}

/**
 * The member or conversation that `text` names.
 *
 * @throws {CliError} "notFound" or "ambiguous"
 */
export function findNamed(context: CommandContext, people: People, text: string): Named {
  const [found, second, ...more] = matches(people, text);
  if (found !== undefined && second === undefined) return found;
  const texts = context.texts.mail;
  const options = { exitCode: EXIT.refused };
  if (found === undefined) {
    throw new CliError(texts.unknown(text), {
      ...options,
      code: "notFound",
      hint: texts.unknownHint,
    });
  }
  throw new CliError(texts.ambiguous(text, more.length + 2), {
    ...options,
    code: "ambiguous",
    hint: texts.ambiguousHint,
  });
}

/** The conversation that `text` names; a member stands for the direct conversation with them. */
export function findConversation(
  context: CommandContext,
  people: People,
  text: string,
): ConversationView {
  const named = findNamed(context, people, text);
  if (named.type === "conversation") return named.conversation;
  const { deviceId, displayName } = named.member;
  const direct = people.conversations.find((each) =>
    each.direct && each.members.includes(deviceId)
  );
  if (direct !== undefined) return direct;
  throw new CliError(context.texts.mail.unknown(displayName), {
    code: "notFound",
    exitCode: EXIT.refused,
    hint: context.texts.mail.none,
  });
}
