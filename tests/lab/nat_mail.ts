/** Messages between nodes of the lab: sent in numbers, counted on arrival. */
import type { ConversationView, MessagePage, MessageView } from "../../actors/mail_handle.ts";
import { until } from "./mesh_lab.ts";
import type { WorldNode } from "./nat_world.ts";

/** What arrived of what was sent. */
export interface MailCount {
  readonly sent: number;
  readonly lost: number;
  /** Shown more than once: in the conversation, or as an event. */
  readonly duplicated: number;
  /** False when messages of one sender came in another order than they were sent. */
  readonly ordered: boolean;
}

const PAGE = 200;

/** Sends one message; resolves when it is durable at the sender. A retry with the same text changes nothing. */
export function sendMail(from: WorldNode, to: WorldNode, text: string): Promise<MessageView> {
  const key = text.replaceAll(/[^!-~]+/g, "-").slice(0, 64);
  return from.json<MessageView>("/v1/messages", { to: [to.id], text }, { "idempotency-key": key });
}

/** Sends `texts` one after another, at most `inFlight` at once. */
export async function sendAll(
  { from, to, texts, inFlight = 1 }: {
    readonly from: WorldNode;
    readonly to: WorldNode;
    readonly texts: readonly string[];
    readonly inFlight?: number;
  },
): Promise<void> {
  for (let at = 0; at < texts.length; at += inFlight) {
    await Promise.all(texts.slice(at, at + inFlight).map((text) => sendMail(from, to, text)));
  }
}

/** Texts from others that a node shows, in the order of its conversations. */
async function shown(node: WorldNode): Promise<readonly string[]> {
  const { conversations } = await node.json<{ conversations: readonly ConversationView[] }>(
    "/v1/conversations",
  );
  const texts: string[] = [];
  for (const { conversation } of conversations) {
    const pages: (readonly MessageView[])[] = [];
    let cursor: string | null = null;
    do {
      const more: string = cursor === null ? "" : `&cursor=${encodeURIComponent(cursor)}`;
      const page: MessagePage = await node.json(
        `/v1/conversations/${conversation}/messages?limit=${PAGE}${more}`,
      );
      pages.unshift(page.messages);
      cursor = page.nextCursor;
    } while (cursor !== null);
    texts.push(...pages.flat().filter(({ own }) => !own).map(({ text }) => text));
  }
  return texts;
}

/** Waits until a node shows everything of `texts`, then counts. Gives up waiting after `timeoutMs` and counts then. */
export async function countMail(
  node: WorldNode,
  texts: readonly string[],
  timeoutMs: number,
): Promise<MailCount> {
  const wanted = new Set(texts);
  const missing = (have: readonly string[]) => {
    const found = new Set(have);
    return texts.filter((text) => !found.has(text)).length;
  };
  await until(`${texts.length} messages at ${node.name}`, timeoutMs, async () => {
    return missing(await shown(node)) === 0;
  }).catch(() => {});
  const have = (await shown(node)).filter((text) => wanted.has(text));
  const events = node.process.lines.filter((line) => line.includes('"messageReceived"'));
  const seen = events.map((line) => (JSON.parse(line) as { message: string }).message);
  const twice = have.length - new Set(have).size + seen.length - new Set(seen).size;
  const places = have.map((text) => texts.indexOf(text));
  return {
    sent: texts.length,
    lost: missing(have),
    duplicated: twice,
    ordered: places.every((place, index) => index === 0 || place > places[index - 1]!),
  };
}
