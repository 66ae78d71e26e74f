/** The parts of the first page that bring devices in: pairings, open invites, and an invite that was just made. */
import { html, raw } from "hono/html";
import { renderSVG } from "uqr";
import type { InviteView, NodeHandle, PairingView } from "../../actors/handle.ts";
import { shortId } from "../../protocols/ids.ts";
import type { Html } from "./fragments.ts";
import type { Texts } from "./texts.ts";

const PAIRINGS_SHOWN = 5;
const INVITES_SHOWN = 20;

/** Where a form says what became of it. It is there from the start: screen readers tell changes only. */
export function saidHere(): Html {
  return html`<p class="said" role="status" aria-live="polite"></p>`;
}

function timeOfDay(timeMs: number, language: string): Html {
  const date = new Date(timeMs);
  const shown = date.toLocaleString(language, { dateStyle: "short", timeStyle: "short" });
  return html`<time datetime="${date.toISOString()}">${shown}</time>`;
}

function cancelForm({ inviteId }: InviteView, texts: Texts): Html {
  return html`
    <form data-method="DELETE" data-url="/v1/invites/${encodeURIComponent(inviteId)}"
      data-done="${texts.done}">
      <button class="quiet">${texts.cancel}</button>
      ${saidHere()}
    </form>
  `;
}

/**
 * The card of an invite that was just made, the only place that shows its link and code. `nowMs`, Unix time, tells the page
 * how long to wait before it looks whether the invite has expired.
 */
export function madeInvite(invite: InviteView, nowMs: number, texts: Texts): Html {
  return html`
    <div class="card invite" data-made-invite="${invite.inviteId}"
      data-expires-in-ms="${Math.max(0, invite.expiresAtMs - nowMs)}">
      <p class="meta">${texts.inviteHint}</p>
      <div class="qr" role="img" aria-label="${texts.qr}">${raw(
        renderSVG(invite.link, { ecc: "M", border: 2 }),
      )}</div>
      <p>${texts.code}: <strong class="code">${invite.code}</strong></p>
      <label>${texts.link}<input readonly value="${invite.link}"></label>
      <p class="meta">${texts.validUntil} ${timeOfDay(invite.expiresAtMs, texts.language)}</p>
      <p class="meta">${texts.shownOnce}</p>
      ${cancelForm(invite, texts)}
    </div>
  `;
}

/** An invite whose link and code are known elsewhere only. */
function inviteItem(invite: InviteView, texts: Texts): Html {
  return html`
    <li class="card" data-invite="${invite.inviteId}">
      <p>${texts.openInvite} <span class="chip">${invite.role}</span></p>
      <p class="meta">${texts.validUntil} ${timeOfDay(invite.expiresAtMs, texts.language)}</p>
      ${cancelForm(invite, texts)}
    </li>
  `;
}

function answerForm(id: string, wordsMatch: boolean, label: string, texts: Texts): Html {
  return html`
    <form data-method="POST" data-url="/v1/pairings/${encodeURIComponent(id)}/confirm"
      data-values="${JSON.stringify({ wordsMatch })}" data-done="${texts.done}">
      <button class="${wordsMatch ? "" : "danger"}">${label}</button>
      ${saidHere()}
    </form>
  `;
}

function pairingItem(pairing: PairingView, texts: Texts): Html {
  const name = pairing.remoteDisplayName ??
    (pairing.remoteDeviceId === null ? "?" : shortId(pairing.remoteDeviceId));
  const asks = pairing.phase === "confirming";
  return html`
    <li class="card">
      <p><strong>${name}</strong> <span class="chip">${texts.phases[pairing.phase]}</span></p>
      ${!asks ? "" : html`
        <p>${texts.compare(name)}</p>
        <p class="words">${pairing.words.map((word) =>
          html`
            <span>${word}</span>
          `
        )}</p>
        <div class="row">
          ${answerForm(pairing.pairingId, true, texts.same, texts)}
          ${answerForm(pairing.pairingId, false, texts.different, texts)}
        </div>
      `}
      ${pairing.problem === null ? "" : html`<p class="problem">${pairing.problem}</p>`}
    </li>
  `;
}

/** Whether this device may invite. One that is in no mesh founds its own with the first invite. */
async function mayInvite(node: NodeHandle): Promise<boolean> {
  const [{ mesh }, members] = await Promise.all([node.status(), node.members()]);
  if (mesh === null) return true;
  return members.some(({ self, revoked, permissions }) =>
    self && !revoked && permissions.includes("members.add")
  );
}

/** Pairings that wait for a person first, then invites open at `nowMs` (Unix time), then the button that makes one. */
export async function pairing(
  node: NodeHandle,
  nowMs: number,
  texts: Texts,
): Promise<Html> {
  const [pairings, invites, may] = await Promise.all([
    node.pairings(),
    node.invites(),
    mayInvite(node),
  ]);
  const open = invites.filter(({ state, expiresAtMs }) => state === "open" && expiresAtMs > nowMs);
  const newest = pairings.slice(-PAIRINGS_SHOWN).reverse();
  return html`
    <ul class="list">
      ${newest.map((each) => pairingItem(each, texts))}
      ${open.slice(-INVITES_SHOWN).reverse().map((invite) => inviteItem(invite, texts))}
    </ul>
    ${!may ? html`<p class="card">${texts.mayNotInvite}</p>` : html`
      <form class="card" data-method="POST" data-url="/page/invites" data-into="made-invites">
        <button>${texts.invite}</button>
        ${saidHere()}
      </form>
    `}
  `;
}
