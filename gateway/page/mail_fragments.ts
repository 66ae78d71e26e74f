/** The part of the first page for messages: conversations, the one that is open, and the form to write. */
import { html } from "hono/html";
import type { MemberView, NodeHandle } from "../../actors/handle.ts";
import type { ConversationView, MessageView } from "../../actors/mail_handle.ts";
import { type DeviceId, shortId } from "../../protocols/ids.ts";
import { type ConversationId, TEXT_BYTES_MAX } from "../../protocols/mailbox/content.ts";
import { bytesText, type Html, timeText } from "./fragments.ts";
import { saidHere } from "./pairing_fragments.ts";
import type { Texts } from "./texts.ts";

const CONVERSATIONS_SHOWN = 20;
const MESSAGES_SHOWN = 50;
const PREVIEW_CHARACTERS = 60;

type NameOf = (id: DeviceId) => string;

function namesOf(members: readonly MemberView[], texts: Texts): NameOf {
  const known = new Map(members.map((member) => [member.deviceId, member]));
  return (id) => {
    const member = known.get(id);
    return member?.self ? texts.mail.you : member?.displayName || shortId(id);
  };
}

function titleOf(
  { title, members }: ConversationView,
  self: DeviceId,
  nameOf: NameOf,
  texts: Texts,
): string {
  const others = members.filter((id) => id !== self).map(nameOf).join(", ");
  return title || others || texts.mail.group;
}

/** What a query names as the open conversation; undefined when it names none. */
export function openConversation(query: string | undefined): ConversationId | undefined {
  return query !== undefined && /^[0-9a-f]{32}$/.test(query) ? query as ConversationId : undefined;
}

function conversationItem(
  view: ConversationView,
  { self, nameOf, texts, open }: {
    readonly self: DeviceId;
    readonly nameOf: NameOf;
    readonly texts: Texts;
    readonly open: ConversationId | undefined;
  },
): Html {
  const characters = [...(view.last?.text ?? "").replaceAll(/\s+/g, " ")];
  const preview = characters.slice(0, PREVIEW_CHARACTERS).join("");
  const current = view.conversation === open ? html`aria-current="true"` : "";
  return html`
    <li class="conversation">
      <a href="/?conversation=${view.conversation}#messages-title" ${current}>${titleOf(
        view,
        self,
        nameOf,
        texts,
      )}</a>
      ${view.unread === 0
        ? ""
        : html`<strong class="chip">${texts.mail.unread(view.unread)}</strong>`}
      <p class="meta"><span>${preview}${characters.length > PREVIEW_CHARACTERS ? "…" : ""}</span>
        ${view.last === null ? "" : timeText(view.last.timeMs, texts.language)}</p>
    </li>
  `;
}

/** Conversations, the one that was written in last on top. */
export async function conversations(
  node: NodeHandle,
  texts: Texts,
  open: ConversationId | undefined,
): Promise<Html> {
  const [all, members] = await Promise.all([node.mail.conversations(), node.members()]);
  if (all.length === 0) return html`<p class="empty">${texts.mail.none}</p>`;
  const nameOf = namesOf(members, texts);
  const newest = all.toSorted((a, b) => (b.last?.receivedAtMs ?? 0) - (a.last?.receivedAtMs ?? 0))
    .slice(0, CONVERSATIONS_SHOWN);
  const parts = { self: node.deviceId, nameOf, texts, open };
  return html`<ul class="list">${newest.map((view) => conversationItem(view, parts))}</ul>`;
}

function deliveryText({ deliveries }: MessageView, nameOf: NameOf, texts: Texts): string {
  const [first] = deliveries;
  if (first === undefined) return "";
  if (deliveries.length === 1) return texts.mail.states[first.state];
  return deliveries.map(({ deviceId, state }) => `${nameOf(deviceId)}: ${texts.mail.states[state]}`)
    .join(", ");
}

function messageItem(view: MessageView, nameOf: NameOf, texts: Texts): Html {
  const state = deliveryText(view, nameOf, texts);
  return html`
    <li class="message ${view.own ? "own" : ""}">
      <p class="meta"><strong>${nameOf(view.from)}</strong> ${timeText(
        view.timeMs,
        texts.language,
      )}${state === "" ? "" : html`
        <span class="chip">${state}</span>
      `}</p>
      ${view.text === "" ? "" : html`<p class="preview">${view.text}</p>`}
      ${view.attachments.map(({ name, bytes, complete }, index) => {
        const label = `${name} · ${bytesText(bytes, texts.language)}`;
        return complete
          ? html`
            <p><a href="/v1/messages/${view.message}/attachments/${index}">${label}</a></p>
          `
          : html`<p class="meta">${label} · ${texts.mail.partial}</p>`;
      })}
    </li>
  `;
}

/** The newest messages of the open conversation; what it says is read once a person can see it, which the script tells the node. */
export async function messages(
  node: NodeHandle,
  texts: Texts,
  open: ConversationId,
): Promise<Html> {
  const [page, members] = await Promise.all([
    node.mail.messages({ conversation: open, limit: MESSAGES_SHOWN }),
    node.members(),
  ]);
  if (page.type === "refused") return html`<p class="problem">${page.message}</p>`;
  const shown = page.value.messages;
  if (shown.length === 0) return html`<p class="empty">${texts.mail.noMessages}</p>`;
  const nameOf = namesOf(members, texts);
  const last = shown.findLast((view) => !view.own && !view.read);
  const unread = last === undefined ? "" : html`data-read-up-to="${last.message}"`;
  return html`
    ${page.value.nextCursor === null ? "" : html`<p class="meta">${texts.mail.older}</p>`}
    <ol class="list" data-conversation="${open}" ${unread}>${shown.map((view) =>
      messageItem(view, nameOf, texts)
    )}</ol>
  `;
}

function recipientField(members: readonly MemberView[], texts: Texts): Html {
  return html`
    <label>${texts.mail.to}
      <select name="to[]" required>
        <option value="">${texts.mail.choose}</option>
        ${members.map(({ deviceId, displayName }) =>
          html`
            <option value="${deviceId}">${displayName || shortId(deviceId)}</option>
          `
        )}
      </select></label>
  `;
}

function writeForm(
  open: ConversationId | undefined,
  members: readonly MemberView[],
  texts: Texts,
): Html {
  const others = members.filter(({ self, revoked }) => !self && !revoked);
  if (open === undefined && others.length === 0) {
    return html`<p class="meta">${texts.mail.nobody}</p>`;
  }
  const values = open === undefined ? {} : { conversation: open };
  return html`
    <form class="card" data-method="POST" data-url="/v1/messages" data-done="${texts.mail.sent}"
      data-values="${JSON.stringify(values)}">
      ${open === undefined ? recipientField(others, texts) : ""}
      <label>${texts.mail.write}<textarea name="text" required rows="3"
        maxlength="${TEXT_BYTES_MAX}"></textarea></label>
      <button>${texts.mail.send}</button>
      ${saidHere()}
    </form>
  `;
}

/** The whole section: conversations, the open one when there is one, and the form. */
export async function mailSection(
  node: NodeHandle,
  texts: Texts,
  open: ConversationId | undefined,
): Promise<Html> {
  const [list, members, found] = await Promise.all([
    conversations(node, texts, open),
    node.members(),
    open === undefined ? undefined : node.mail.conversation(open),
  ]);
  const view = found?.type === "done" ? found.value : undefined;
  const shown = view?.conversation;
  const query = shown === undefined ? "" : `?conversation=${shown}`;
  return html`
    <section aria-labelledby="conversations-title">
      <h2 id="conversations-title">${texts.mail.title}</h2>
      <div id="conversations" data-query="${query}" aria-live="polite">${list}</div>
      ${view === undefined || shown === undefined ? "" : html`
        <h3 id="messages-title">${titleOf(
          view,
          node.deviceId,
          namesOf(members, texts),
          texts,
        )}</h3>
        <div id="messages" data-query="${query}" aria-live="polite">${await messages(
          node,
          texts,
          shown,
        )}</div>
        <p><a href="/">${texts.mail.back}</a></p>
      `}
      ${writeForm(shown, members, texts)}
    </section>
  `;
}
