/** A mailbox with its bound: what happens to a command that finds no room. Every loss is counted and told. */
import type { MailboxPolicy } from "./actor.ts";
import { Deferred, OutsideEvent } from "./entries.ts";
import type { DeadLetter } from "./failures.ts";
import { Mailbox } from "./mailbox.ts";

/** The tag of commands that belong to no life. */
export const ANY_LIFE = 0;

/** What waits for one actor; bounded by its policy. */
export class Inbox {
  readonly mailbox = new Mailbox();
  readonly policy: MailboxPolicy;
  /** Commands lost to the bound. */
  overflowed = 0;
  readonly #lose: (message: unknown, reason: DeadLetter["reason"]) => void;

  /** @param lose hears of every command that nobody will handle */
  constructor(
    policy: MailboxPolicy,
    lose: (message: unknown, reason: DeadLetter["reason"]) => void,
  ) {
    this.policy = policy;
    this.#lose = lose;
  }

  /** Queues a command that came from others. `crash`: there was no room, and the policy wants the receiver failed for that. */
  offer(message: unknown, tag: number): "queued" | "lost" | "crash" {
    if (this.mailbox.length < this.policy.capacity) {
      this.mailbox.push(message, tag);
      return "queued";
    }
    return this.#overflow(message, tag);
  }

  /** Queues an outcome that the actor itself asked for: never lost to the bound, for there are no more than it asked for. */
  force(message: unknown, tag: number): void {
    this.mailbox.push(message, tag);
  }

  /** Loses everything that waits. */
  clear(reason: DeadLetter["reason"]): void {
    while (this.mailbox.length > 0) {
      const tag = this.mailbox.headTag();
      const message = this.mailbox.shift();
      if (tag === ANY_LIFE) this.#lose(message, reason);
    }
  }

  #overflow(message: unknown, tag: number): "queued" | "lost" | "crash" {
    this.overflowed++;
    switch (this.policy.overflow) {
      case "reject":
        this.#loseToBound(message);
        return "lost";
      case "dropOldest": {
        const oldest = this.mailbox.take((waiting, itsTag) =>
          itsTag === ANY_LIFE || waiting instanceof OutsideEvent
        );
        this.#loseToBound(oldest === undefined ? message : oldest.message);
        if (oldest === undefined) return "lost";
        this.mailbox.push(message, tag);
        return "queued";
      }
      case "crash":
        this.#loseToBound(message);
        return "crash";
      default:
        return this.policy.overflow satisfies never;
    }
  }

  #loseToBound(message: unknown): void {
    this.#lose(message instanceof Deferred ? message.value : message, "mailboxFull");
  }
}
