/**
 * Question: how fast do messages get from one device to another, encrypted and durable on both? Two real nodes in processes of their own, paired
 * through their API, WebRTC on loopback, SQLite with synchronous=FULL on both sides, MLS inside boxes. Then the second one is
 * stopped, a thousand messages are written to it, and it comes back: how long until all are there, and is any lost or doubled?
 */
import { type ChildNode, startChild } from "../../cli/demo/child_node.ts";
import type { MessageView } from "../../actors/mail_handle.ts";
import type { DeviceId } from "../../protocols/ids.ts";
import type { ConversationId } from "../../protocols/mailbox/content.ts";
import { type Figure, median } from "../harness.ts";
import { benchContext, pairedNodes } from "./bench_nodes.ts";

const POLL_MS = 50;
const TIMEOUT_MS = 120_000;
/** Requests of the sending program under way at once. */
const SENDERS = 32;
const PAGE = 200;

/** Messages a second, latencies, and what came of those that waited. */
export async function run({ quick }: { readonly quick: boolean }): Promise<Figure[]> {
  const sizes = quick ? { warm: 3, rate: 60, latency: 10, queued: 50 } : {
    warm: 50,
    rate: 2_000,
    latency: 200,
    queued: 1_000,
  };
  const directory = await Deno.makeTempDir({ prefix: "submind-bench-" });
  const context = benchContext();
  const nodes: ChildNode[] = [];
  try {
    const [first, second] = await pairedNodes(context, directory);
    nodes.push(first, second);
    const to = (await second.client.status()).deviceId;
    const conversation = await warmUp(first, second, to, sizes.warm);
    const latencies = await measureLatencies(first, second, to, sizes.latency);
    const rate = await measureRate(first, second, { to, conversation, count: sizes.rate });
    const queued = await measureQueued(first, second, {
      to,
      conversation,
      count: sizes.queued,
      restart: async () => {
        const node = await startChild(context, second.options);
        nodes.push(node);
        return node;
      },
    });
    const at = (share: number) =>
      latencies.toSorted((a, b) => a - b)[
        Math.min(latencies.length - 1, Math.floor(latencies.length * share))
      ]!;
    const note =
      `${sizes.latency} messages one after another, from the request to the event at the other device`;
    return [
      {
        name: "messages: end to end, durable on both sides",
        value: Math.round(rate),
        unit: "1/s",
        note:
          `${sizes.rate} messages by MLS, ${SENDERS} requests at once; both nodes share this machine`,
      },
      { name: "messages: latency p50", value: median(latencies), unit: "ms", limit: 50, note },
      { name: "messages: latency p95", value: at(0.95), unit: "ms", note },
      { name: "messages: latency p99", value: at(0.99), unit: "ms", note },
      {
        name: "messages: queued ones delivered after a restart",
        value: queued.seconds,
        unit: "s",
        note: `${sizes.queued} messages, from the session to the last one`,
      },
      { name: "messages: queued ones lost", value: queued.lost, unit: "messages", limit: 0 },
      {
        name: "messages: queued ones shown twice",
        value: queued.twice,
        unit: "messages",
        limit: 0,
      },
    ];
  } finally {
    for (const node of nodes) await node.stop();
    await Deno.remove(directory, { recursive: true });
  }
}

/** The first messages go before both know each other's keys; afterwards the group is there. */
async function warmUp(
  from: ChildNode,
  to: ChildNode,
  device: DeviceId,
  count: number,
): Promise<ConversationId> {
  let conversation: ConversationId | undefined;
  for (let i = 0; i < count; i++) {
    conversation = (await send(from, device, `warm ${i}`)).conversation;
  }
  await until(async () => await countOf(to, conversation!) >= count, "the first messages");
  await until(async () => {
    const view = await from.client.mail.conversation(conversation!);
    return view.protection === "mls";
  }, "the group");
  return conversation!;
}

/** Milliseconds from the request of the sender to the event at the recipient. */
async function measureLatencies(
  from: ChildNode,
  to: ChildNode,
  device: DeviceId,
  count: number,
): Promise<readonly number[]> {
  const listening = new AbortController();
  const received = new Map<string, number>();
  const opened = Promise.withResolvers<void>();
  const listener = (async () => {
    for await (const event of to.client.events(listening.signal, () => opened.resolve())) {
      if (event.type === "messageReceived") received.set(event.message, performance.now());
    }
  })().catch(() => {});
  await opened.promise;
  const latencies: number[] = [];
  for (let i = 0; i < count; i++) {
    const startedMs = performance.now();
    const { message } = await send(from, device, `latency ${i}`);
    await until(() => Promise.resolve(received.has(message)), "a message", 1);
    latencies.push(received.get(message)! - startedMs);
  }
  listening.abort();
  await listener;
  return latencies;
}

/** Messages a second from the first request until all are durable at the recipient. */
async function measureRate(
  from: ChildNode,
  to: ChildNode,
  options: {
    readonly to: DeviceId;
    readonly conversation: ConversationId;
    readonly count: number;
  },
): Promise<number> {
  const { count, conversation } = options;
  const before = await countOf(to, conversation);
  const startedMs = performance.now();
  await sendMany(from, options.to, count);
  await until(async () => await countOf(to, conversation) >= before + count, "all messages");
  return count / (performance.now() - startedMs) * 1_000;
}

async function measureQueued(
  from: ChildNode,
  to: ChildNode,
  options: {
    readonly to: DeviceId;
    readonly conversation: ConversationId;
    readonly count: number;
    readonly restart: () => Promise<ChildNode>;
  },
): Promise<{ readonly seconds: number; readonly lost: number; readonly twice: number }> {
  const { count, conversation } = options;
  const before = await countOf(to, conversation);
  await to.stop();
  const sent = await sendMany(from, options.to, count);
  const node = await options.restart();
  await until(async () => (await node.client.status()).peersConnected > 0, "the session");
  const startedMs = performance.now();
  await until(async () => await countOf(node, conversation) >= before + count, "all that waited");
  const seconds = (performance.now() - startedMs) / 1_000;
  const shown = new Map<string, number>();
  let cursor: string | undefined;
  do {
    const page = await node.client.mail.messages(conversation, {
      limit: PAGE,
      ...(cursor === undefined ? {} : { cursor }),
    });
    for (const { message } of page.messages) shown.set(message, (shown.get(message) ?? 0) + 1);
    cursor = page.nextCursor ?? undefined;
  } while (cursor !== undefined);
  return {
    seconds,
    lost: sent.filter((message) => !shown.has(message)).length,
    twice: [...shown.values()].filter((times) => times > 1).length,
  };
}

async function sendMany(from: ChildNode, device: DeviceId, count: number): Promise<string[]> {
  const sent: string[] = [];
  let next = 0;
  await Promise.all(Array.from({ length: SENDERS }, async () => {
    while (next < count) {
      const number = next++;
      sent.push((await send(from, device, `message ${number}`)).message);
    }
  }));
  return sent;
}

function send(from: ChildNode, device: DeviceId, text: string): Promise<MessageView> {
  return from.client.mail.send({ to: [device], text }, crypto.randomUUID());
}

/** How many messages of the conversation are durable at a node. */
async function countOf(node: ChildNode, conversation: ConversationId): Promise<number> {
  const views = await node.client.mail.conversations();
  return views.find((view) => view.conversation === conversation)?.messages ?? 0;
}

async function until(
  condition: () => Promise<boolean>,
  what: string,
  everyMs = POLL_MS,
): Promise<void> {
  const startedMs = performance.now();
  while (!await condition()) {
    if (performance.now() - startedMs > TIMEOUT_MS) {
      throw new Error(`Cannot measure: ${what} did not come within ${TIMEOUT_MS} ms`);
    }
    await new Promise((resolve) => setTimeout(resolve, everyMs));
  }
}
