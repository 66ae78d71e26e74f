/** Two people who write to each other all the time, and the count of what became of it. */
import type { CommandContext } from "../command.ts";
import { sleep } from "../wait.ts";
import type { ChildNode } from "./child_node.ts";

/** Between two messages of one person, ms. */
const EVERY_MS = 100;
const PAGE = 200;

export interface MailResult {
  readonly messages: number;
  readonly lost: number;
  readonly duplicated: number;
}

/** Writes in both directions until it is stopped. */
export class Correspondence {
  readonly #stop = new AbortController();
  readonly #sent: { readonly to: ChildNode; readonly text: string }[] = [];
  readonly #writing: Promise<unknown>;
  #problem: unknown;

  constructor(readonly context: CommandContext, anna: ChildNode, ben: ChildNode) {
    this.#writing = Promise.all([this.#write(anna, ben), this.#write(ben, anna)])
      .catch((error: unknown) => this.#problem = error);
  }

  /** Messages that were taken, both directions together. */
  get sent(): number {
    return this.#sent.length;
  }

  /** Sends one more; it counts like the others. */
  async send(from: ChildNode, to: ChildNode, text: string): Promise<void> {
    const key = text.replaceAll(" ", "-");
    await from.client.mail.send({ to: [to.ready.deviceId as never], text }, key);
    this.#sent.push({ to, text });
  }

  /** Ends writing; resolves when the last message is durable at its sender. @throws when a message was refused */
  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#writing;
    if (this.#problem !== undefined) throw this.#problem;
  }

  /** Compares what was sent with what both nodes show. */
  async count(): Promise<MailResult> {
    let [lost, duplicated] = [0, 0];
    for (const node of new Set(this.#sent.map(({ to }) => to))) {
      const wanted = this.#sent.filter(({ to }) => to === node).map(({ text }) => text);
      const times = new Map<string, number>();
      for (const text of await shownBy(node)) times.set(text, (times.get(text) ?? 0) + 1);
      for (const text of wanted) {
        const count = times.get(text) ?? 0;
        if (count === 0) lost += 1;
        duplicated += Math.max(0, count - 1);
      }
    }
    return { messages: this.#sent.length, lost, duplicated };
  }

  async #write(from: ChildNode, to: ChildNode): Promise<void> {
    const { clock } = this.context;
    for (let i = 1; !this.#stop.signal.aborted; i++) {
      await this.send(from, to, `${from.name} ${i}`);
      await sleep(clock, EVERY_MS, this.#stop.signal);
    }
  }
}

/** Every text from others that a node shows. */
export async function shownBy(node: ChildNode): Promise<readonly string[]> {
  const texts: string[] = [];
  for (const { conversation } of await node.client.mail.conversations()) {
    let cursor: string | undefined;
    do {
      const page = await node.client.mail.messages(conversation, { cursor, limit: PAGE });
      for (const { own, text } of page.messages) if (!own) texts.push(text);
      cursor = page.nextCursor ?? undefined;
    } while (cursor !== undefined);
  }
  return texts;
}
