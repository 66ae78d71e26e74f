/** One tree of actors and its doors to the outside: spawn, tell, ask, subscribe, inspect, stop. */
import { invariant } from "../../platform/invariant.ts";
import type { Clock, Log, Random } from "../../platform/ports.ts";
import type { Behaviour, Ref, SpawnOptions, Topic } from "./actor.ts";
import { Address, type Destination } from "./address.ts";
import { Bus } from "./bus.ts";
import { Cell } from "./cell.ts";
import type { ActorCounters } from "./counters.ts";
import { type Dispatcher, pump } from "./dispatcher.ts";
import { type ActorFailure, actorFailures, type DeadLetter, deadLetters } from "./failures.ts";
import type { Host } from "./host.ts";

/** How long `stop` waits for tasks that still run, ms. */
const STOP_WAIT_MS = 10_000;

export interface SystemOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** Default: the production pump on `clock`. */
  readonly dispatcher?: Dispatcher;
  /** A child of the root crashed more often than its budget allows and stays down. Default: it is only logged. */
  readonly onFailed?: (error: unknown) => void;
}

/** How an ask ended. Without an answer nobody knows whether the command was handled: repeat it only if it is idempotent. */
export type AskOutcome<T> =
  | { readonly type: "answered"; readonly value: T }
  | { readonly type: "unknown"; readonly reason: "timeout" | "stopped" };

/** The tree and everything its actors share: bus, clock, dispatcher, counters. `stop` ends it for good. */
export class ActorSystem {
  readonly #bus = new Bus();
  readonly #cells = new Map<string, Cell>();
  readonly #asks = new Map<string, Reply>();
  readonly #options: SystemOptions;
  readonly #host: Host;
  readonly #root: Cell;
  /** Paths of the actors whose tasks have not settled, with how many. */
  readonly #tasks = new Map<string, number>();
  #tasksLeft = 0;
  #tasksSettled: (() => void) | undefined;
  #askCount = 0;
  #deadLetterCount = 0;
  #stopped: Promise<void> | undefined;

  constructor(options: SystemOptions) {
    this.#options = options;
    this.#host = {
      clock: options.clock,
      random: options.random,
      log: options.log,
      dispatcher: options.dispatcher ?? pump(options.clock),
      bus: this.#bus,
      cells: this.#cells,
      deliver: (to, message) => this.#deliver(to, message),
      deadLetter: (letter) => this.#deadLetter(letter),
      reportFailure: (failure) => this.#reportFailure(failure),
      rootFailed: (error) => this.#rootFailed(error),
      taskStarted: (path) => this.#taskStarted(path),
    };
    const root: Behaviour<never, null> = { name: "root", init: () => null, receive() {} };
    this.#root = new Cell({
      host: this.#host,
      parent: undefined,
      path: "",
      behaviour: root,
      spawn: {},
    });
    this.#root.start();
  }

  /** Starts an actor at the root of the tree; its path is `key`. */
  spawn<M, S>(key: string, behaviour: Behaviour<M, S>, options: SpawnOptions = {}): Ref<M> {
    invariant(
      this.#stopped === undefined,
      () => `Cannot spawn "${key}": the actor system is stopped`,
    );
    invariant(
      key.length > 0 && !key.includes("/") && !this.#root.hasChild(key),
      () => `Cannot spawn: key is "${key}", expected a new, non-empty text without "/"`,
    );
    const ref = new Address<M>(key);
    Address.remember(
      ref,
      this.#root.adopt(key, behaviour as unknown as Behaviour<never, unknown>, options),
    );
    return ref;
  }

  /** Queues a command. Never throws: what nobody can take becomes a dead letter. */
  tell<M>(to: Ref<M>, message: NoInfer<M>): void {
    this.#deliver(to, message);
  }

  /**
   * Sends a command that carries a reply address, for callers that are no actors. Resolves with the first reply, or with
   * `unknown` after `timeoutMs` or when the system stops; never rejects.
   */
  ask<M, R>(
    to: Ref<M>,
    toMessage: (replyTo: Ref<R>) => NoInfer<M>,
    timeoutMs: number,
  ): Promise<AskOutcome<R>> {
    if (this.#stopped !== undefined) {
      return Promise.resolve({ type: "unknown", reason: "stopped" });
    }
    const path = `ask/${++this.#askCount}`;
    return new Promise((resolve) => {
      const reply = new Reply(this.#host, (outcome) => {
        cancel();
        this.#asks.delete(path);
        this.#host.dispatcher.outsideCalled?.();
        resolve(outcome as AskOutcome<R>);
      });
      const cancel = this.#options.clock.schedule(timeoutMs, () => reply.giveUp("timeout"));
      this.#asks.set(path, reply);
      const replyTo = new Address<R>(path);
      Address.remember(replyTo, reply);
      this.#deliver(to, toMessage(replyTo));
    });
  }

  /** Calls `listener` with every event of a topic, in order. Returns a function that ends it. What it throws is logged. */
  subscribe<Event>(to: Topic<Event>, listener: (event: Event) => void): () => void {
    return this.#bus.subscribe(to, (event) => {
      this.#host.dispatcher.outsideCalled?.();
      try {
        listener(event as Event);
      } catch (error) {
        this.#options.log.write("error", "listener threw", {
          topic: to.name,
          error: String(error),
        });
      }
    });
  }

  /** One line per actor that has not ended, in order of start. */
  counters(): readonly ActorCounters[] {
    return [...this.#cells.values()].map((cell) => cell.counters());
  }

  /** Commands that nobody handled, since the system was made. */
  get deadLetterCount(): number {
    return this.#deadLetterCount;
  }

  /** The state of the actor at `path`, for checkers, which must not change it; undefined when none runs there. */
  inspect(path: string): unknown {
    return this.#cells.get(path)?.state;
  }

  /** Ends all actors, last started first, and resolves when their tasks have settled (or 10 s have passed). */
  stop(): Promise<void> {
    return this.#stopped ??= this.#stop();
  }

  async #stop(): Promise<void> {
    // Called from a listener, this runs in the middle of a turn: the turn ends first.
    await null;
    this.#root.finish({ type: "stopped" });
    for (const ask of [...this.#asks.values()]) ask.giveUp("stopped");
    if (this.#tasksLeft === 0) return;
    await new Promise<void>((resolve) => {
      const cancel = this.#options.clock.schedule(STOP_WAIT_MS, () => {
        this.#options.log.write("warning", "tasks still run after the actor system stopped", {
          actors: [...this.#tasks.keys()],
        });
        resolve();
      });
      this.#tasksSettled = () => {
        cancel();
        resolve();
      };
    });
  }

  #deliver(to: Ref<never>, message: unknown): void {
    const destination = Address.destinationOf(to, this.#host) ?? this.#find(to);
    if (destination !== undefined) destination.accept(message);
    else {
      const reason = this.#stopped === undefined ? "noSuchActor" : "stopped";
      this.#deadLetter({ path: to.path, message, reason });
    }
  }

  #find(to: Ref<never>): Destination | undefined {
    const found = this.#cells.get(to.path) ?? this.#asks.get(to.path);
    if (found !== undefined) Address.remember(to, found);
    return found;
  }

  #deadLetter(letter: DeadLetter): void {
    this.#deadLetterCount++;
    // A dead letter about a dead letter would never end.
    if (isDeadLetter(letter.message)) return;
    lettersMade.add(letter);
    this.#bus.publish(deadLetters, letter);
  }

  #reportFailure(failure: ActorFailure): void {
    const { path, behaviour, error, crashes, decision, delayMs } = failure;
    this.#options.log.write("error", "actor crashed", {
      actor: path,
      behaviour,
      error: error instanceof Error ? error.stack ?? String(error) : String(error),
      crashes,
      decision,
      delayMs,
    });
    this.#bus.publish(actorFailures, failure);
  }

  #rootFailed(error: unknown): void {
    this.#options.log.write("error", "a root actor stays down", { error: String(error) });
    this.#options.onFailed?.(error);
  }

  #taskStarted(path: string): () => void {
    this.#tasksLeft++;
    this.#tasks.set(path, (this.#tasks.get(path) ?? 0) + 1);
    return () => {
      this.#tasksLeft--;
      const left = (this.#tasks.get(path) ?? 1) - 1;
      if (left > 0) this.#tasks.set(path, left);
      else this.#tasks.delete(path);
      if (this.#tasksLeft === 0) this.#tasksSettled?.();
    };
  }
}

/** Where the answer to one ask goes. */
class Reply implements Destination {
  readonly home: object;
  readonly #settle: (outcome: AskOutcome<unknown>) => void;
  #open = true;

  constructor(home: object, settle: (outcome: AskOutcome<unknown>) => void) {
    this.home = home;
    this.#settle = settle;
  }

  isOpen(): boolean {
    return this.#open;
  }

  accept(value: unknown): void {
    this.#end({ type: "answered", value });
  }

  giveUp(reason: "timeout" | "stopped"): void {
    this.#end({ type: "unknown", reason });
  }

  #end(outcome: AskOutcome<unknown>): void {
    this.#open = false;
    this.#settle(outcome);
  }
}

// Objects that are dead letters themselves, told apart by identity: messages of actors may look like anything.
const lettersMade = new WeakSet<object>();

function isDeadLetter(message: unknown): boolean {
  return typeof message === "object" && message !== null && lettersMade.has(message);
}
