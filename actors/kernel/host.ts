/** What the cells of one actor system share. */
import type { Clock, Log, Random } from "../../platform/ports.ts";
import type { Ref } from "./actor.ts";
import type { Bus } from "./bus.ts";
import type { Cell } from "./cell.ts";
import type { Dispatcher } from "./dispatcher.ts";
import type { ActorFailure, DeadLetter } from "./failures.ts";

export interface Host {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly dispatcher: Dispatcher;
  readonly bus: Bus;
  /** Every cell that has not ended, by path. */
  readonly cells: Map<string, Cell>;
  /** Queues a command where `to` leads, else makes a dead letter. Never throws. */
  deliver(to: Ref<never>, message: unknown): void;
  /** Counts and publishes a command that nobody handles. */
  deadLetter(letter: DeadLetter): void;
  /** Logs and publishes a crash. */
  reportFailure(failure: ActorFailure): void;
  /** A child of the root used up its budget: nobody is left to recover. */
  rootFailed(error: unknown): void;
  /** A task of the actor at `path` began. Returns what to call when it has settled. */
  taskStarted(path: string): () => void;
}
