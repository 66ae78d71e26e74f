/**
 * The live parts of the first page. The server renders them, on the first load and again when something happens, so that
 * there is one rendering. Everything that comes from blocks or peers goes through the escaping of `html`.
 */
import { html } from "hono/html";
import type { NodeHandle, PeerView } from "../../actors/handle.ts";
import type { Block } from "../../protocols/blocks/block.ts";
import { shortId } from "../../protocols/ids.ts";
import type { SearchHit } from "../../store/store.ts";
import { previewOf } from "../block_json.ts";
import type { Texts } from "./texts.ts";

/** A piece of HTML that is safe to put in a page. */
export type Html = ReturnType<typeof html>;

const NEWEST_SHOWN = 20;
const HITS_SHOWN = 20;
/** Pictures that browsers show and that cannot carry scripts. */
const PICTURES = new Set(["image/png", "image/jpeg", "image/webp", "image/gif"]);
/** The page has no smaller copy of a picture, so that of a larger one is not loaded for a list. Bytes. */
const PICTURE_BYTES_MAX = 16 * 1024 * 1024;
const SOURCE_TAG = "source:";

/** Bytes for people: "3.4 MB". */
export function bytesText(bytes: number, language: string): string {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let value = bytes;
  let unit = 0;
  while (value >= 1_000 && unit < units.length - 1) {
    value /= 1_000;
    unit++;
  }
  const digits = unit === 0 || value >= 100 ? 0 : 1;
  const number = value.toLocaleString(language, { maximumFractionDigits: digits });
  return `${number} ${units[unit]}`;
}

/** A claimed time for people; "?" for what is no date. */
export function timeText(timeMs: number, language: string): Html {
  // A claim of the author: it may be any integer, also one that is no date.
  const date = new Date(timeMs);
  if (Number.isNaN(date.getTime())) return html`<span>?</span>`;
  const options = { dateStyle: "medium", timeStyle: "short" } as const;
  return html`
    <time datetime="${date.toISOString()}">${date.toLocaleString(language, options)}</time>
  `;
}

/** The file name in a block's `source:` tag, which holds the path a file was read from; null without one. */
export function fileNameOf({ tags }: Pick<Block["header"], "tags">): string | null {
  const source = tags.find((tag) => tag.startsWith(SOURCE_TAG))?.slice(SOURCE_TAG.length);
  return source?.split(/[\\/]/).findLast((part) => part !== "") ?? null;
}

function picture({ header, payload, id }: Block, name: string): Html | string {
  const shown = payload !== null && PICTURES.has(header.mediaType) &&
    header.bodyBytes <= PICTURE_BYTES_MAX;
  if (!shown) return "";
  return html`
    <a href="/v1/blocks/${id}/body"><img class="picture" loading="lazy" alt="${name}"
      src="/v1/blocks/${id}/body"></a>
  `;
}

function blockItem(block: Block, texts: Texts): Html {
  const { header, id } = block;
  const preview = previewOf(block);
  const fileName = fileNameOf(header);
  return html`
    <li class="card">
      <p class="meta">
        <span class="chip">${header.topic}</span> ${timeText(header.timeMs, texts.language)}
        <span title="${header.author}">${shortId(header.author)}</span>
      </p>
      ${fileName === null ? "" : html`<h3 class="title">${fileName}</h3>`}
      ${picture(block, fileName ?? `${header.mediaType} ${shortId(id)}`)}
      <p class="preview">${preview ??
        `${header.mediaType} · ${bytesText(header.bodyBytes, texts.language)}`}</p>
      <p class="meta">
        ${block.payload === null ? html`<span>${texts.bodyElsewhere}</span>` : html`
          <a href="/v1/blocks/${id}/body" aria-label="${texts.open} ${shortId(id)}">${texts
            .open}</a>
        `}
        <code>${shortId(id)}</code>
      </p>
    </li>
  `;
}

/** The newest blocks that people wrote. */
export async function newestBlocks(node: NodeHandle, texts: Texts): Promise<Html> {
  const { blocks } = await node.blocks({
    kinds: ["put", "supersede"],
    currentOnly: true,
    limit: NEWEST_SHOWN,
  });
  if (blocks.length === 0) return html`<p class="empty">${texts.nothingYet}</p>`;
  return html`<ol class="list">${blocks.map((block) => blockItem(block, texts))}</ol>`;
}

/** A snippet with its hits marked; the store puts them between U+0002 and U+0003. */
export function markedSnippet(snippet: string): Html {
  // deno-lint-ignore no-control-regex -- these two characters are the store's marks
  const parts = snippet.split(/\u0002([^\u0002\u0003]*)\u0003/);
  return html`${parts.map((part, i) => i % 2 === 1 ? html`<mark>${part}</mark>` : html`${part}`)}`;
}

function hitItem(hit: SearchHit, texts: Texts): Html {
  return html`
    <li class="card">
      <h2 class="title"><a href="/v1/blocks/${hit.blockId}/body">${hit.title ||
        shortId(hit.blockId)}</a></h2>
      <p class="preview">${markedSnippet(hit.snippet)}</p>
      <p class="meta">
        <span class="chip">${hit.topic}</span> ${timeText(hit.timeMs, texts.language)}
        <span title="${hit.author}">${shortId(hit.author)}</span>
      </p>
    </li>
  `;
}

/** Hits for what a person typed; nothing for an empty question. */
export async function searchResults(
  node: NodeHandle,
  text: string,
  texts: Texts,
): Promise<Html> {
  const asked = text.replaceAll("\0", "").toWellFormed().trim().slice(0, 512);
  if (asked === "") return html``;
  const page = await node.search({ text: asked, limit: HITS_SHOWN, offset: 0 });
  return html`
    <p class="meta">${texts.found(page.total)}</p>
    <ol class="list">${page.hits.map((hit) => hitItem(hit, texts))}</ol>
  `;
}

function deviceItem(peer: PeerView, texts: Texts): Html {
  const path = [peer.path, peer.pathDescription].filter((part) => part !== null).join(" · ");
  const roundTrip = peer.roundTripMs === null ? "" : `${Math.round(peer.roundTripMs)} ms`;
  return html`
    <li class="device">
      <span class="dot ${peer.state}" aria-hidden="true"></span>
      <div>
        <p><strong>${peer.displayName || shortId(peer.deviceId)}</strong>
          <code title="${peer.deviceId}">${shortId(peer.deviceId)}</code></p>
        <p class="meta">
          <span>${texts.states[peer.state]}</span>
          <span>${peer.member ? texts.member : texts.stranger}</span>
          ${peer.inSync ? html`<span>${texts.inSync}</span>` : ""}
          ${path === "" ? "" : html`<span>${path}</span>`}
          ${roundTrip === "" ? "" : html`<span>${roundTrip}</span>`}
        </p>
        ${peer.lastProblem === null || peer.state === "up"
          ? ""
          : html`<p class="problem">${peer.lastProblem}</p>`}
      </div>
    </li>
  `;
}

/** This device and those in sight. */
export async function devices(node: NodeHandle, texts: Texts): Promise<Html> {
  const [status, peers] = await Promise.all([node.status(), node.peers()]);
  const number = status.blocks.toLocaleString(texts.language);
  return html`
    <ul class="list">
      <li class="device">
        <span class="dot up" aria-hidden="true"></span>
        <div>
          <p><strong>${status.displayName}</strong>
            <code title="${status.deviceId}">${shortId(status.deviceId)}</code></p>
          <p class="meta"><span>${texts.thisDevice}</span><span>${status.role ??
            texts.noMesh}</span></p>
          <p class="meta">${texts.status(
            number,
            bytesText(status.blockBytes + status.chunkBytes, texts.language),
            status
              .peersConnected,
          )}</p>
        </div>
      </li>
      ${peers.map((peer) => deviceItem(peer, texts))}
    </ul>
    ${peers.length === 0 ? html`<p class="empty">${texts.nobody}</p>` : ""}
  `;
}
