/** What the kernel tells about trouble: crashed actors and commands that reached nobody. Subscribe to hear of them. */
import { topic } from "./bus.ts";

/** An actor crashed. Published for every crash, so that no loop of restarts is silent. */
export interface ActorFailure {
  readonly path: string;
  readonly behaviour: string;
  readonly error: unknown;
  /** Crashes within its restart window, this one included. */
  readonly crashes: number;
  /** `restart` after `delayMs`; `end`: not restarted; `escalate`: its budget is spent and its parent crashes too. */
  readonly decision: "restart" | "end" | "escalate";
  readonly delayMs: number;
}

/** Every crash in one actor system. */
export const actorFailures = topic<ActorFailure>("actorFailures");

/** A command that was handled by nobody. */
export interface DeadLetter {
  /** Where it was meant to go. */
  readonly path: string;
  readonly message: unknown;
  readonly reason: "noSuchActor" | "mailboxFull" | "stopped";
}

/** Every dead letter of one actor system, but for those of its own subscribers, which are only counted. */
export const deadLetters = topic<DeadLetter>("deadLetters");

/** Why a parent crashed that did nothing wrong itself: a child used up its restart budget. */
export class ChildFailedError extends Error {
  override readonly name = "ChildFailedError";

  constructor(path: string, crashes: number, cause: unknown) {
    super(`Cannot keep "${path}" running: ${crashes} crashes exceed its restart budget`, { cause });
  }
}

/** Why an actor with overflow policy `crash` was failed. */
export class MailboxOverflowError extends Error {
  override readonly name = "MailboxOverflowError";

  constructor(path: string, capacity: number) {
    super(`Cannot queue a command for "${path}": mailbox holds ${capacity}, which is its bound`);
  }
}
