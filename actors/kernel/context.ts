/** The context of one actor: buffers what it wants done until its cell commits it. */
import { invariant } from "../../platform/invariant.ts";
import type { Clock, Log, Random } from "../../platform/ports.ts";
import type {
  Behaviour,
  Context,
  ExitReason,
  Ref,
  SpawnOptions,
  TaskOutcome,
  Topic,
} from "./actor.ts";
import { Address } from "./address.ts";

/** One buffered wish other than a send. */
export type Effect =
  | { readonly type: "publish"; readonly topic: Topic<unknown>; readonly event: unknown }
  | {
    readonly type: "subscribe";
    readonly topic: Topic<unknown>;
    readonly toCommand: (event: never) => unknown;
  }
  | {
    readonly type: "spawn";
    readonly key: string;
    readonly behaviour: Behaviour<never, unknown>;
    readonly options: SpawnOptions;
    readonly ref: Ref<never>;
  }
  | { readonly type: "stopChild"; readonly child: Ref<never> }
  | { readonly type: "stopSelf" }
  | {
    readonly type: "watch";
    readonly ref: Ref<never>;
    readonly toCommand: (reason: ExitReason) => unknown;
  }
  | {
    readonly type: "startTimer";
    readonly key: string;
    readonly delayMs: number;
    readonly message: unknown;
  }
  | { readonly type: "cancelTimer"; readonly key: string }
  | {
    readonly type: "perform";
    readonly task: () => unknown;
    readonly toCommand: (outcome: TaskOutcome<never>) => unknown;
  };

/** What a context needs to know of its cell. */
export interface ContextOwner {
  readonly path: string;
  readonly clock: Clock;
  readonly log: Log;
  /** Forks the actor's own generator; called once. */
  forkRandom(): Random;
  hasChild(key: string): boolean;
  makeInlet(toCommand: (event: never) => unknown): (event: unknown) => void;
}

/** A `Context` with its outbox. Sends and other effects share one order. */
export class BufferingContext implements Context<unknown> {
  readonly self: Ref<unknown>;
  readonly log: Log;
  readonly #owner: ContextOwner;
  #random: Random | undefined;
  #wallMs = NaN;
  #monotonicMs = NaN;
  #open = false;
  // Parallel arrays, used again and again: a send allocates nothing. A null target marks an effect.
  readonly #targets: (Ref<never> | null)[] = [];
  readonly #payloads: unknown[] = [];
  /** Child paths taken (true) or set free (false) by the effects that wait. */
  #keyChanges: Map<string, boolean> | undefined;
  /** Effects waiting to be committed. */
  count = 0;

  constructor(owner: ContextOwner) {
    this.#owner = owner;
    this.self = new Address(owner.path);
    this.log = {
      write: (level, message, fields) =>
        owner.log.write(level, message, { actor: owner.path, ...fields }),
    };
  }

  /** A command begins: effects are taken from here on, and time stands still. */
  begin(): void {
    this.#open = true;
    this.#wallMs = NaN;
    this.#monotonicMs = NaN;
  }

  /** The command has been handled. */
  end(): void {
    this.#open = false;
  }

  /** The command threw: whatever it wanted is forgotten. */
  discard(): void {
    this.#open = false;
    this.clear();
  }

  targetAt(index: number): Ref<never> | null {
    return this.#targets[index]!;
  }

  /** The message of a send, else the effect. */
  payloadAt(index: number): unknown {
    return this.#payloads[index];
  }

  clear(): void {
    for (let i = 0; i < this.count; i++) {
      this.#targets[i] = null;
      this.#payloads[i] = undefined;
    }
    this.count = 0;
    this.#keyChanges = undefined;
  }

  get random(): Random {
    return this.#random ??= this.#owner.forkRandom();
  }

  wallMs(): number {
    // NaN is the only value that differs from itself: not read yet in this command.
    if (this.#wallMs !== this.#wallMs) this.#wallMs = this.#owner.clock.wallMs();
    return this.#wallMs;
  }

  monotonicMs(): number {
    if (this.#monotonicMs !== this.#monotonicMs) {
      this.#monotonicMs = this.#owner.clock.monotonicMs();
    }
    return this.#monotonicMs;
  }

  send<M>(to: Ref<M>, message: NoInfer<M>): void {
    this.#push(to, message);
  }

  publish<Event>(topic: Topic<Event>, event: NoInfer<Event>): void {
    this.#effect({ type: "publish", topic, event });
  }

  subscribe<Event>(topic: Topic<Event>, toCommand: (event: Event) => unknown): void {
    this.#effect({ type: "subscribe", topic, toCommand });
  }

  spawn<M, S>(key: string, behaviour: Behaviour<M, S>, options: SpawnOptions = {}): Ref<M> {
    invariant(
      key.length > 0 && !key.includes("/"),
      () => `Cannot spawn: key is "${key}", expected a non-empty text without "/"`,
    );
    const path = this.#owner.path === "" ? key : `${this.#owner.path}/${key}`;
    const inUse = this.#keyChanges?.get(path) ?? this.#owner.hasChild(key);
    invariant(
      !inUse,
      () => `Cannot spawn: "${this.#owner.path}" has a child with key "${key}" already`,
    );
    (this.#keyChanges ??= new Map()).set(path, true);
    const ref = new Address<M>(path);
    this.#effect({
      type: "spawn",
      key,
      behaviour: behaviour as unknown as Behaviour<never, unknown>,
      options,
      ref,
    });
    return ref;
  }

  stopChild(child: Ref<never>): void {
    (this.#keyChanges ??= new Map()).set(child.path, false);
    this.#effect({ type: "stopChild", child });
  }

  stopSelf(): void {
    this.#effect({ type: "stopSelf" });
  }

  watch(ref: Ref<never>, toCommand: (reason: ExitReason) => unknown): void {
    this.#effect({ type: "watch", ref, toCommand });
  }

  startTimer(key: string, delayMs: number, message: unknown): void {
    invariant(
      delayMs >= 0 && delayMs < Infinity,
      () => `Cannot start timer "${key}": delay is ${delayMs} ms, expected a finite number >= 0`,
    );
    this.#effect({ type: "startTimer", key, delayMs, message });
  }

  cancelTimer(key: string): void {
    this.#effect({ type: "cancelTimer", key });
  }

  perform<T>(
    task: () => Promise<T> | T,
    toCommand: (outcome: TaskOutcome<T>) => unknown,
  ): void {
    this.#effect({ type: "perform", task, toCommand });
  }

  inlet<Event>(toCommand: (event: Event) => unknown): (event: Event) => void {
    this.#assertOpen();
    return this.#owner.makeInlet(toCommand);
  }

  #effect(effect: Effect): void {
    this.#push(null, effect);
  }

  #push(target: Ref<never> | null, payload: unknown): void {
    if (!this.#open) this.#assertOpen();
    const at = this.count++;
    this.#targets[at] = target;
    this.#payloads[at] = payload;
  }

  #assertOpen(): void {
    invariant(
      this.#open,
      () =>
        `Cannot use the context of "${this.#owner.path}" outside its turn: use an inlet or perform`,
    );
  }
}
