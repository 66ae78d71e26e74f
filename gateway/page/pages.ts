/** Whole pages: the first page, the one that asks to log in, and the API reference. */
import { html } from "hono/html";
import type { NodeHandle } from "../../actors/handle.ts";
import { devices, type Html, newestBlocks, searchResults } from "./fragments.ts";
import { mailSection } from "./mail_fragments.ts";
import { pairing, saidHere } from "./pairing_fragments.ts";
import type { ConversationId } from "../../protocols/mailbox/content.ts";
import type { Texts } from "./texts.ts";

function frame(
  { texts, title, script, body }: { texts: Texts; title: string; script?: string; body: Html },
): Html {
  return html`
    <!DOCTYPE html>
    <html lang="${texts.language}">
      <head>
      <meta charset="utf-8">
      <meta name="viewport" content="width=device-width, initial-scale=1">
      <meta name="color-scheme" content="light dark">
      <title>${title}</title>
      <link rel="icon" href="/assets/icon.svg" type="image/svg+xml">
      <link rel="stylesheet" href="/assets/page.css">
      ${script === undefined ? "" : html`<script src="/assets/${script}" type="module"></script>`}
      </head>
      <body>
      <a class="skip" href="#content">${texts.skip}</a>
      ${body}
      </body>
    </html>
  `;
}

/** The page of a person who is logged in. `question` is what was searched for without a script, `conversation` the one that is open. */
export async function firstPage(
  node: NodeHandle,
  texts: Texts,
  { question, nowMs, conversation }: {
    readonly question: string;
    readonly nowMs: number;
    readonly conversation: ConversationId | undefined;
  },
): Promise<Html> {
  const [found, newest, inSight, pairs, mail] = await Promise.all([
    searchResults(node, question, texts),
    newestBlocks(node, texts),
    devices(node, texts),
    pairing(node, nowMs, texts),
    mailSection(node, texts, conversation),
  ]);
  const body = html`
    <header>
      <h1><img src="/assets/icon.svg" width="28" height="28" alt=""> ${texts.title}</h1>
      <p id="live" class="chip" role="status" data-live="${texts.live}"
        data-offline="${texts.offline}"></p>
      <nav><a href="/docs">${texts.api}</a></nav>
    </header>
    <main id="content" data-failed="${texts.failed}">
      <div class="wide">
        <form id="search" role="search" action="/" method="get">
          <label for="q">${texts.search}</label>
          <div class="row">
            <input id="q" name="q" type="search" maxlength="512" autocomplete="off"
              placeholder="${texts.searchExample}" value="${question}">
            <button>${texts.searchButton}</button>
          </div>
        </form>
        <noscript><p class="card">${texts.noScript}</p></noscript>
        <section id="results" aria-label="${texts.search}" aria-live="polite">${found}</section>
        <section aria-labelledby="newest-title">
          <h2 id="newest-title">${texts.newest}</h2>
          <div id="blocks">${newest}</div>
        </section>
      </div>
      <div class="side">
        ${mail}
        <section aria-labelledby="note-title">
          <h2 id="note-title">${texts.note}</h2>
          <form class="card" data-method="POST" data-url="/v1/blocks" data-done="${texts.saved}"
            data-values='{"mediaType":"text/markdown"}'>
            <label>${texts.noteTopic}
              <input name="topic" required maxlength="128" value="notes" autocomplete="off"></label>
            <label>${texts.noteText}<textarea name="text" required rows="4"></textarea></label>
            <button>${texts.noteSave}</button>
            ${saidHere()}
          </form>
        </section>
        <section aria-labelledby="devices-title">
          <h2 id="devices-title">${texts.devices}</h2>
          <div id="devices">${inSight}</div>
        </section>
        <section aria-labelledby="pairing-title">
          <h2 id="pairing-title">${texts.pairing}</h2>
          <div id="pairing" aria-live="polite">${pairs}</div>
          <div id="made-invites" aria-live="polite"></div>
          <div class="card">
            <form data-method="POST" data-url="/v1/pairings" data-done="${texts.done}">
              <label>${texts.joinLabel}
                <input name="linkOrCode" required maxlength="4096" autocomplete="off"></label>
              <button>${texts.join}</button>
              ${saidHere()}
            </form>
          </div>
        </section>
      </div>
    </main>
  `;
  return frame({ texts, title: texts.title, script: "page.js", body });
}

/** What is to be said about a login. */
export type LoginState = "needed" | "expired" | "done";

/** The page of a stranger, and of somebody who has just logged in. */
export function loginPage(texts: Texts, state: LoginState): Html {
  const title = state === "done" ? texts.loginDone : texts.loginTitle;
  const text = state === "done"
    ? html`<a href="/">${texts.loginContinue}</a>`
    : html`${state === "expired" ? texts.loginExpired : texts.loginText}`;
  const body = html`
    <main id="content" class="login">
      <h1><img src="/assets/icon.svg" width="28" height="28" alt=""> ${title}</h1>
      <p>${text}</p>
    </main>
  `;
  return frame({ texts, title, body });
}

/** The API reference: a script of ours renders `/openapi.json`, nothing is fetched from elsewhere. */
export function referencePage(texts: Texts): Html {
  const body = html`
    <header>
      <h1><img src="/assets/icon.svg" width="28" height="28" alt=""> submind API</h1>
      <nav><a href="/">${texts.title}</a> <a href="/openapi.json">openapi.json</a></nav>
    </header>
    <main id="content" class="reference">
      <p role="status">…</p>
    </main>
  `;
  return frame({ texts, title: "submind API", script: "reference.js", body });
}
