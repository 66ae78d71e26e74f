/**
 * Whether messages of one author in one conversation were announced in the order in which they stand there. Only a message that was given
 * up on the way may be announced behind a later one: its recipient waited for it in vain, or its author sent it again.
 */
import type { DeviceId } from "../../protocols/ids.ts";
import type { MessageId } from "../../protocols/mailbox/content.ts";
import type { MessageRow } from "../../store/mail.ts";
import type { SimulatedNode } from "../simulated_node.ts";
import type { World } from "../world.ts";

interface Announced {
  readonly recipient: SimulatedNode;
  readonly row: MessageRow;
  /** World time, ms. */
  readonly atMs: number;
}

interface Late {
  readonly late: Announced;
  readonly before: Announced;
}

/** What a recipient logs when it goes on without something. */
const IN_VAIN = new Set(["gap", "waitedInVain"]);

export class AnnouncedOrder {
  readonly #world: World;
  /** Of each recipient, conversation and author: what was announced with the highest number. */
  readonly #last = new Map<string, Announced>();
  readonly #late: Late[] = [];
  /** When a recipient went on without something of an author, world ms: by "recipient author". */
  readonly #inVain = new Map<string, number[]>();
  /** "message recipient" of what its author gave up at some time. */
  readonly #givenUp = new Set<string>();

  constructor(world: World) {
    this.#world = world;
    world.hearLog({
      write: (_level, message, fields) => {
        if (message !== "mail refused" || !IN_VAIN.has(String(fields?.reason))) return;
        const place = `${fields?.device} ${fields?.about}`;
        this.#inVain.getOrInsertComputed(place, () => []).push(world.nowMs);
      },
    });
  }

  /** A recipient has announced a message. */
  announced(recipient: SimulatedNode, row: MessageRow): void {
    const stream = `${recipient.name} ${row.conversation} ${row.author}`;
    const before = this.#last.get(stream);
    const late = { recipient, row, atMs: this.#world.nowMs };
    if (before === undefined || before.row.number < row.number) this.#last.set(stream, late);
    else this.#late.push({ late, before });
  }

  /** The author of a message goes on without its coming to a recipient. */
  givenUp(message: MessageId, recipient: DeviceId): void {
    this.#givenUp.add(`${message} ${recipient}`);
  }

  /** From here on only what is announced later counts. */
  forget(): void {
    this.#last.clear();
    this.#late.length = 0;
  }

  /** What was announced too late without a reason, in words. `askedAtMs`: world time when a text was first asked for. */
  problems(
    nodes: readonly SimulatedNode[],
    askedAtMs: (text: string) => number | undefined,
  ): readonly string[] {
    return this.#late.flatMap((one) => {
      const { late: { recipient, row }, before } = one;
      const author = nodes.find(({ deviceId }) => deviceId === row.author);
      if (author === undefined || this.#mayBeLate(one, author, askedAtMs(row.text) ?? 0)) return [];
      return [
        `${recipient.name} announced "${row.text}", number ${row.number} of ${author.name}, after number ${before.row.number}, without a reason`,
      ];
    });
  }

  #mayBeLate({ late, before }: Late, author: SimulatedNode, askedAtMs: number): boolean {
    const { recipient, row } = late;
    if (this.#givenUp.has(`${row.message} ${recipient.deviceId}`)) return true;
    const delivery = author.disk.tables.mail.deliveries
      .get(`${row.message}\n${recipient.deviceId}`);
    if ((delivery?.attempts ?? 0) > 1) return true;
    return (this.#inVain.get(`${recipient.name} ${author.deviceId}`) ?? [])
      .some((atMs) => atMs >= askedAtMs && atMs <= before.atMs);
  }
}
