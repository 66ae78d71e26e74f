/** Messages and conversations as people see them in a terminal. */
import type { ConversationView, Delivery, MessageView } from "../../actors/mail_handle.ts";
import type { CommandContext } from "../command.ts";
import { formatTable, printable } from "../output/table.ts";
import { formatBytes, formatCount, formatTime } from "../output/units.ts";
import type { People } from "./people.ts";

/** How much of an id is shown; enough to name a message by it. */
export const SHOWN_ID = 8;
const PREVIEW_CHARACTERS = 40;

/** Text of somebody else: it may not colour, move or erase anything. */
function harmless(text: string): string {
  return printable(text.replaceAll("\u001b", "�"));
}

/** How far a message has come: one word for all recipients, or one for each. */
export function formatDeliveries(
  context: CommandContext,
  people: People,
  deliveries: readonly Delivery[],
): string {
  const { states } = context.texts.mail;
  const { green, yellow, red, dim } = context.output.terminal.colors;
  const color = (state: Delivery["state"]) =>
    state === "read" || state === "delivered"
      ? green
      : state === "failed" || state === "expired"
      ? red
      : state === "carried"
      ? yellow
      : dim;
  const [first] = deliveries;
  if (first === undefined) return "";
  if (deliveries.length === 1) return color(first.state)(states[first.state]);
  return deliveries.map(({ deviceId, state }) =>
    `${harmless(people.nameOf(deviceId))}: ${color(state)(states[state])}`
  ).join(", ");
}

/** One message on several lines: who, when, where; the text; what is attached. */
export function formatMessage(
  context: CommandContext,
  people: People,
  message: MessageView,
): string {
  const texts = context.texts.mail;
  const { bold, dim, cyan } = context.output.terminal.colors;
  const conversation = people.conversations.find((each) =>
    each.conversation === message.conversation
  );
  // A conversation that this very message has begun is not known yet; its recipients are.
  const title = conversation === undefined
    ? message.deliveries.map(({ deviceId }) => people.nameOf(deviceId)).join(", ")
    : conversation.direct && !message.own
    ? ""
    : people.titleOf(conversation);
  const where = title === "" ? "" : ` → ${harmless(title)}`;
  const head = [
    `${(message.read ? cyan : bold)(harmless(people.nameOf(message.from)) + where)}`,
    dim(formatTime(message.timeMs, context.language)),
    dim(message.message.slice(0, SHOWN_ID)),
    formatDeliveries(context, people, message.deliveries),
  ].filter((part) => part !== "");
  const lines = message.text === "" ? [] : message.text.split("\n");
  const attached = message.attachments.map(({ name, bytes, complete }, index) => {
    const line = texts.attachment(index, harmless(name), formatBytes(bytes, context.language));
    return complete ? line : `${line}, ${texts.partial}`;
  });
  const hint = message.attachments.length === 0 || message.own
    ? []
    : [texts.saveHint(message.message.slice(0, SHOWN_ID))];
  return [
    head.join("  "),
    ...lines.map((line) => `  ${harmless(line)}`),
    ...attached.map((line) => `  ${line}`),
    ...hint.map((line) => `  ${dim(line)}`),
  ].join("\n");
}

function previewOf(context: CommandContext, people: People, last: MessageView): string {
  const characters = [...last.text.replaceAll(/\s+/g, " ").trim()];
  const text = characters.length > PREVIEW_CHARACTERS
    ? `${characters.slice(0, PREVIEW_CHARACTERS - 1).join("")}…`
    : characters.join("");
  const [attachment] = last.attachments;
  const shown = text === "" && attachment !== undefined ? attachment.name : text;
  const state = formatDeliveries(context, people, last.deliveries.slice(0, 1));
  return `${harmless(shown)}${state === "" || last.deliveries.length > 1 ? "" : `  ${state}`}`;
}

/** Conversations as a table, the one that was written in last on top. */
export function formatConversations(
  context: CommandContext,
  people: People,
  conversations: readonly ConversationView[],
): string {
  const { texts, language, output } = context;
  const { bold } = output.terminal.colors;
  if (conversations.length === 0) return texts.mail.none;
  const head = [
    texts.mail.conversation,
    texts.mail.withWhom,
    texts.mail.unread,
    texts.mail.messages,
    texts.mail.protection,
    texts.mail.last,
  ];
  const sorted = conversations.toSorted((a, b) =>
    (b.last?.receivedAtMs ?? 0) - (a.last?.receivedAtMs ?? 0)
  );
  const rows = sorted.map((each) => [
    each.conversation.slice(0, SHOWN_ID),
    harmless(people.titleOf(each)),
    each.unread === 0 ? "" : bold(formatCount(each.unread, language)),
    formatCount(each.messages, language),
    texts.mail.protections[each.protection],
    each.last === null ? "" : previewOf(context, people, each.last),
  ]);
  return formatTable(output.terminal, head, rows);
}
