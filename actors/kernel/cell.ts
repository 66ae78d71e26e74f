/**
 * One actor: mailbox, state, effects, children. A cell outlives the crashes of its actor: every start begins a new life, and
 * whatever belongs to an earlier life (timers, outcomes, inlets, subscriptions) is dropped when it arrives.
 */
import { invariant } from "../../platform/invariant.ts";
import type { Clock, Log, Random } from "../../platform/ports.ts";
import {
  type Behaviour,
  DEFAULT_MAILBOX,
  type ExitReason,
  type SpawnOptions,
  type Topic,
} from "./actor.ts";
import { Address, type Destination } from "./address.ts";
import { BufferingContext, type ContextOwner, type Effect } from "./context.ts";
import type { ActorCounters } from "./counters.ts";
import type { Turn } from "./dispatcher.ts";
import { Deferred, OutsideEvent, TimerEntry, Timers } from "./entries.ts";
import { MailboxOverflowError } from "./failures.ts";
import type { Host } from "./host.ts";
import { ANY_LIFE, Inbox } from "./inbox.ts";
import { RestartBudget } from "./supervisor.ts";
import { Watches } from "./watches.ts";
import { Family } from "./family.ts";

/** Commands of one turn at most: then others get theirs. */
const TURN_COMMANDS = 128;
/** One turn of this many is timed; a power of two. */
const TIMED_TURNS = 64;
type WatchFunction = (reason: ExitReason) => unknown;

/**
 * `held`: waits for an earlier sibling before it starts. `waiting`: crashed, waits for its backoff. Only a running cell is given
 * turns; in every phase but `ended` its mailbox takes commands.
 */
export type Phase = "held" | "starting" | "running" | "waiting" | "ended";

export class Cell implements Destination, Turn, ContextOwner {
  readonly path: string;
  readonly behaviour: Behaviour<unknown, unknown>;
  readonly budget: RestartBudget;
  readonly children: Family;
  readonly #host: Host;
  readonly #parent: Cell | undefined;
  readonly #inbox: Inbox;
  readonly #context: BufferingContext;
  readonly #timers = new Timers();
  #subscriptions: Map<unknown, () => void> | undefined;
  readonly #watches = new Watches();
  #phase: Phase = "held";
  #state: unknown;
  #hasState = false;
  #life = 1;
  #scheduled = false;
  #stopping = false;
  #pendingCrash: { readonly error: unknown } | undefined;
  #cancelWait: (() => void) | undefined;
  #handled = 0;
  #starts = 0;
  #turns = 0;
  #busyMs = 0;

  constructor(
    options: {
      readonly host: Host;
      readonly parent: Cell | undefined;
      readonly path: string;
      readonly behaviour: Behaviour<never, unknown>;
      readonly spawn: SpawnOptions;
    },
  ) {
    this.#host = options.host;
    this.#parent = options.parent;
    this.path = options.path;
    this.behaviour = options.behaviour as unknown as Behaviour<unknown, unknown>;
    const policy = this.behaviour.mailbox ?? DEFAULT_MAILBOX;
    invariant(
      policy.capacity >= 1,
      () => `Cannot start "${this.path}": mailbox capacity is ${policy.capacity}, expected >= 1`,
    );
    this.#inbox = new Inbox(
      policy,
      (message, reason) => this.#host.deadLetter({ path: this.path, message, reason }),
    );
    this.budget = new RestartBudget(options.spawn);
    this.children = new Family(this, this.#host, this.behaviour.strategy ?? "oneForOne");
    this.#context = new BufferingContext(this);
    Address.remember(this.#context.self, this);
  }

  get home(): object {
    return this.#host;
  }
  get clock(): Clock {
    return this.#host.clock;
  }
  get log(): Log {
    return this.#host.log;
  }
  get phase(): Phase {
    return this.#phase;
  }
  /** The actor's state, for checkers; undefined while it does not run. */
  get state(): unknown {
    return this.#state;
  }

  forkRandom(): Random {
    return this.#host.random.fork(this.path);
  }

  hasChild(key: string): boolean {
    return this.children.has(this.#childPath(key));
  }

  isOpen(): boolean {
    return this.#phase !== "ended";
  }

  counters(): ActorCounters {
    return {
      path: this.path,
      behaviour: this.behaviour.name,
      queued: this.#inbox.mailbox.length,
      handled: this.#handled,
      overflowed: this.#inbox.overflowed,
      restarts: Math.max(0, this.#starts - 1),
      busyMs: this.#busyMs,
    };
  }

  accept(message: unknown): void {
    this.#offer(message, ANY_LIFE);
  }

  makeInlet(toCommand: (event: never) => unknown): (event: unknown) => void {
    const life = this.#life;
    return (event) => this.#acceptFromOutside(new OutsideEvent(toCommand, event), life);
  }

  /** Starts the actor, for the first time or again. */
  start(): void {
    this.#phase = "starting";
    this.#starts++;
    this.#context.begin();
    try {
      this.#state = this.behaviour.init(this.#context);
    } catch (error) {
      this.#crash(error);
      return;
    }
    this.#context.end();
    this.#hasState = true;
    this.#phase = "running";
    this.#commit();
    this.#wakeIfBusy();
  }

  run(): boolean {
    if (this.#pendingCrash !== undefined && this.#phase === "running") this.#crashAsRequested();
    const timed = (this.#turns++ & (TIMED_TURNS - 1)) === 0;
    const startedMs = timed ? this.#host.clock.monotonicMs() : 0;
    this.#handleCommands();
    if (timed) this.#busyMs += (this.#host.clock.monotonicMs() - startedMs) * TIMED_TURNS;
    this.#scheduled = this.#phase === "running" &&
      (this.#inbox.mailbox.length > 0 || this.#pendingCrash !== undefined);
    return this.#scheduled;
  }

  /** Lets the actor crash at its next turn, for a reason that is not in its own code. */
  requestCrash(error: unknown): void {
    if (this.#parent === undefined) {
      this.#host.rootFailed(error);
      return;
    }
    if (this.#phase !== "running") return;
    this.#pendingCrash ??= { error };
    this.#wakeIfBusy();
  }

  /** Ends this life and waits for a sibling that must start earlier. */
  hold(): void {
    this.#cancelWait?.();
    this.#endLife();
    this.#phase = "held";
  }

  /** Starts again after `delayMs`, in the order of its siblings. */
  restartAfter(delayMs: number): void {
    const restart = (): void => {
      this.#cancelWait = undefined;
      this.#phase = "held";
      this.#parent?.children.startHeld();
    };
    if (delayMs === 0) restart();
    else this.#cancelWait = this.#host.clock.schedule(delayMs, restart);
  }

  /** Ends the actor for good, children first. Commands that wait become dead letters. */
  finish(reason: ExitReason): void {
    if (this.#phase === "ended") return;
    this.#cancelWait?.();
    this.#endLife();
    this.#phase = "ended";
    this.#host.cells.delete(this.path);
    this.#parent?.children.remove(this);
    this.#inbox.clear("stopped");
    this.#watches.tellEnd(reason);
  }

  #handleCommands(): void {
    const mailbox = this.#inbox.mailbox;
    const context = this.#context;
    const life = this.#life;
    for (let left = TURN_COMMANDS; left > 0 && mailbox.length > 0; left--) {
      if (this.#phase !== "running" || this.#pendingCrash !== undefined) return;
      const tag = mailbox.headTag();
      let command = mailbox.shift();
      if (tag !== ANY_LIFE && tag !== life) continue;
      try {
        if (tag !== ANY_LIFE) {
          if (command instanceof TimerEntry) {
            const fired = this.#timers.take(command);
            if (fired === undefined) continue;
            command = fired.message;
          } else {
            command = (command as Deferred).command();
          }
        }
        this.#handled++;
        context.begin();
        this.behaviour.receive(context, this.#state, command);
      } catch (error) {
        this.#crash(error);
        return;
      }
      context.end();
      if (context.count > 0) this.#commit();
      if (life !== this.#life) return;
    }
  }

  #commit(): void {
    const context = this.#context;
    const life = this.#life;
    // An outside listener may end this actor in the middle; the rest is then dropped with it.
    for (let i = 0; i < context.count && this.#life === life; i++) {
      const target = context.targetAt(i);
      if (target !== null) this.#host.deliver(target, context.payloadAt(i));
      else this.#apply(context.payloadAt(i) as Effect);
    }
    context.clear();
    if (!this.#stopping || this.#life !== life) return;
    this.#stopping = false;
    this.#parent?.children.childStopped(this);
  }

  #apply(effect: Effect): void {
    switch (effect.type) {
      case "publish":
        return this.#host.bus.publish(effect.topic, effect.event);
      case "subscribe":
        return this.#subscribe(effect.topic, effect.toCommand);
      case "spawn":
        return this.#spawn(effect);
      case "stopChild":
        return this.children.get(effect.child.path)?.finish({ type: "stopped" });
      case "stopSelf":
        this.#stopping = true;
        return;
      case "watch":
        return this.#watch(effect.ref.path, effect.toCommand);
      case "startTimer":
        return this.#startTimer(effect.key, effect.delayMs, effect.message);
      case "cancelTimer":
        return this.#timers.cancel(effect.key);
      case "perform":
        return this.#perform(effect.task, effect.toCommand);
      default:
        effect satisfies never;
    }
  }

  #spawn(effect: Effect & { type: "spawn" }): void {
    Address.remember(effect.ref, this.adopt(effect.key, effect.behaviour, effect.options));
  }

  /** Makes a child cell and starts it, or holds it while an earlier sibling that it relies on is not running. */
  adopt(key: string, behaviour: Behaviour<never, unknown>, spawn: SpawnOptions): Cell {
    const path = this.#childPath(key);
    const child = new Cell({ host: this.#host, parent: this, path, behaviour, spawn });
    this.#host.cells.set(path, child);
    this.children.add(child);
    return child;
  }

  #childPath(key: string): string {
    return this.path === "" ? key : `${this.path}/${key}`;
  }

  #subscribe(topic: Topic<unknown>, toCommand: (event: never) => unknown): void {
    const life = this.#life;
    this.#subscriptions ??= new Map();
    this.#subscriptions.get(topic)?.();
    const subscriber = (event: unknown): void =>
      this.#acceptFromOutside(new OutsideEvent(toCommand, event), life);
    this.#subscriptions.set(topic, this.#host.bus.subscribe(topic, subscriber));
  }

  #watch(path: string, entry: WatchFunction): void {
    const target = this.#host.cells.get(path);
    if (target === undefined) {
      this.#queueOwn(new Deferred(entry, { type: "unknown" }), this.#life);
      return;
    }
    const life = this.#life;
    const tell = (reason: ExitReason) => this.#queueOwn(new Deferred(entry, reason), life);
    this.#watches.add(target.#watches, tell);
  }

  #startTimer(key: string, delayMs: number, message: unknown): void {
    const life = this.#life;
    const entry = new TimerEntry(key, message);
    this.#timers.set(entry);
    entry.stop = this.#host.clock.schedule(delayMs, () => this.#queueOwn(entry, life));
  }

  #perform(task: () => unknown, toCommand: (outcome: never) => unknown): void {
    const life = this.#life;
    const settled = this.#host.taskStarted(this.path);
    this.#host.dispatcher.perform(task, (outcome) => {
      this.#queueOwn(new Deferred(toCommand, outcome), life);
      settled();
    });
  }

  #queueOwn(entry: Deferred | TimerEntry, life: number): void {
    if (life !== this.#life) return;
    this.#inbox.force(entry, life);
    this.#wakeIfBusy();
  }

  #acceptFromOutside(event: OutsideEvent, life: number): void {
    if (life === this.#life) this.#offer(event, life);
  }

  #offer(message: unknown, tag: number): void {
    const outcome = this.#inbox.offer(message, tag);
    if (outcome === "queued") this.#wakeIfBusy();
    else if (outcome === "crash") {
      this.requestCrash(new MailboxOverflowError(this.path, this.#inbox.policy.capacity));
    }
  }

  #wakeIfBusy(): void {
    if (this.#scheduled || this.#phase !== "running") return;
    if (this.#inbox.mailbox.length === 0 && this.#pendingCrash === undefined) return;
    this.#scheduled = true;
    this.#host.dispatcher.ready(this);
  }

  #crashAsRequested(): void {
    const error = this.#pendingCrash?.error;
    // Restarting in front of the same full mailbox would only overflow again.
    if (error instanceof MailboxOverflowError) this.#inbox.clear("mailboxFull");
    this.#crash(error);
  }

  #crash(error: unknown): void {
    this.#endLife();
    this.#phase = "waiting";
    this.#parent?.children.childCrashed(this, error);
  }

  /** Gives back everything this life took. Late arrivals are dropped from here on. */
  #endLife(): void {
    this.#life++;
    this.#context.discard();
    this.#pendingCrash = undefined;
    this.#stopping = false;
    this.children.finishAll();
    this.#timers.cancelAll();
    for (const unsubscribe of this.#subscriptions?.values() ?? []) unsubscribe();
    this.#subscriptions = undefined;
    this.#watches.forgetWatched();
    if (!this.#hasState) return;
    const state = this.#state;
    this.#state = undefined;
    this.#hasState = false;
    try {
      this.behaviour.release?.(state);
    } catch (error) {
      this.#host.log.write("error", "actor threw while it released its resources", {
        actor: this.path,
        error: String(error),
      });
    }
  }
}
