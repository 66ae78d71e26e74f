/** Runs one behaviour without a system: the test sends commands and compares the effects, moves time and settles tasks by hand. */
import { invariant } from "../../platform/invariant.ts";
import type { Clock, Log, LogLevel, Random } from "../../platform/ports.ts";
import type { Behaviour, ExitReason, Ref, SpawnOptions, TaskOutcome, Topic } from "./actor.ts";
import { BufferingContext, type ContextOwner, type Effect } from "./context.ts";

/** An effect as a value that can be compared: refs are paths, topics and behaviours are names. */
export type RecordedEffect =
  | { readonly type: "send"; readonly to: string; readonly message: unknown }
  | { readonly type: "publish"; readonly topic: string; readonly event: unknown }
  | { readonly type: "subscribe"; readonly topic: string }
  | {
    readonly type: "spawn";
    readonly key: string;
    readonly behaviour: string;
    readonly options: SpawnOptions;
  }
  | { readonly type: "stopChild"; readonly child: string }
  | { readonly type: "stopSelf" }
  | { readonly type: "watch"; readonly path: string }
  | {
    readonly type: "startTimer";
    readonly key: string;
    readonly delayMs: number;
    readonly message: unknown;
  }
  | { readonly type: "cancelTimer"; readonly key: string }
  /** Its number for `runTask`, counted from 0 over the life of the test. */
  | { readonly type: "perform"; readonly task: number };

export interface TestActorOptions {
  /** Path of the actor; default "test". */
  readonly path?: string;
  /** What the actor draws from; default: numbers that count up. */
  readonly random?: Random;
  /** Where time starts, ms since the epoch; default 1,700,000,000,000. */
  readonly wallMs?: number;
}

/** A ref for tests: sends to it are recorded under `path`. */
export function testRef<Message>(path: string): Ref<Message> {
  return { path };
}

/** Starts a behaviour under test; `effects` of its `init` are in the first `takeEffects()`. */
export function testActor<Message, State>(
  behaviour: Behaviour<Message, State>,
  options: TestActorOptions = {},
): TestActor<Message, State> {
  return new TestActor(behaviour, options);
}

/** A behaviour under test with what it has done; made by `testActor`. */
export class TestActor<Message, State> {
  /** What the actor logged. */
  readonly logged: {
    readonly level: LogLevel;
    readonly message: string;
    readonly fields: Readonly<Record<string, unknown>>;
  }[] = [];
  readonly #behaviour: Behaviour<Message, State>;
  readonly #context: BufferingContext;
  readonly #tasks: (Effect & { type: "perform" } | undefined)[] = [];
  readonly #timers = new Map<string, { readonly dueMs: number; readonly message: Message }>();
  readonly #subscriptions = new Map<Topic<unknown>, (event: never) => unknown>();
  readonly #watches = new Map<string, (reason: ExitReason) => unknown>();
  readonly #children = new Set<string>();
  #inlets: Message[] = [];
  #effects: RecordedEffect[] = [];
  #state: State;
  #wallMs: number;
  #monotonicMs = 0;

  constructor(behaviour: Behaviour<Message, State>, options: TestActorOptions) {
    this.#behaviour = behaviour;
    this.#wallMs = options.wallMs ?? 1_700_000_000_000;
    this.#context = new BufferingContext(this.#owner(options));
    this.#context.begin();
    this.#state = behaviour.init(this.#context);
    this.#commit();
  }

  get state(): State {
    return this.#state;
  }

  /** Handles one command. Returns its effects, which `takeEffects` then no longer returns. Throws what the actor throws, without effects. */
  tell(message: Message): readonly RecordedEffect[] {
    this.#handle(message);
    return this.takeEffects();
  }

  /** Every effect since the last call, in order. */
  takeEffects(): readonly RecordedEffect[] {
    const effects = this.#effects;
    this.#effects = [];
    return effects;
  }

  /** The messages among `effects` that were sent to `to`. */
  static sentTo<M>(effects: readonly RecordedEffect[], to: Ref<M> | string): readonly M[] {
    const path = typeof to === "string" ? to : to.path;
    return effects.flatMap((effect) =>
      effect.type === "send" && effect.to === path ? [effect.message as M] : []
    );
  }

  /** Publishes on a topic the actor subscribed to. Returns the effects of handling it. */
  publish<Event>(topic: Topic<Event>, event: NoInfer<Event>): readonly RecordedEffect[] {
    const toCommand = this.#subscriptions.get(topic);
    invariant(toCommand !== undefined, () => `The actor did not subscribe to "${topic.name}"`);
    return this.tell(toCommand(event as never) as Message);
  }

  /** Numbers of the performed tasks that have not run. */
  pendingTasks(): readonly number[] {
    return this.#tasks.flatMap((task, number) => task === undefined ? [] : [number]);
  }

  /** Runs a performed task (default: the oldest) and handles its outcome. Returns the effects of that. */
  async runTask(number?: number): Promise<readonly RecordedEffect[]> {
    const task = this.#takeTask(number);
    let outcome: TaskOutcome<unknown>;
    try {
      outcome = { ok: true, value: await task.task() };
    } catch (error) {
      outcome = { ok: false, error };
    }
    return this.tell(task.toCommand(outcome as TaskOutcome<never>) as Message);
  }

  /** Instead of running a task (default: the oldest) lets it end as stated. */
  settleTask(outcome: TaskOutcome<unknown>, number?: number): readonly RecordedEffect[] {
    return this.tell(this.#takeTask(number).toCommand(outcome as TaskOutcome<never>) as Message);
  }

  /** Keys and remaining ms of the timers that run. */
  timers(): ReadonlyMap<string, number> {
    return new Map([...this.#timers].map(([key, { dueMs }]) => [key, dueMs - this.#monotonicMs]));
  }

  /** Fires one timer, moving time to when it is due. Returns the effects. */
  fireTimer(key: string): readonly RecordedEffect[] {
    const timer = this.#timers.get(key);
    invariant(timer !== undefined, () => `No timer "${key}" runs: ${[...this.#timers.keys()]}`);
    this.#move(Math.max(0, timer.dueMs - this.#monotonicMs));
    this.#timers.delete(key);
    return this.tell(timer.message);
  }

  /** Moves time, firing what becomes due in order. Returns the effects. */
  advance(ms: number): readonly RecordedEffect[] {
    const untilMs = this.#monotonicMs + ms;
    const effects: RecordedEffect[] = [];
    for (;;) {
      const due = [...this.#timers].filter(([, timer]) => timer.dueMs <= untilMs)
        .sort(([, a], [, b]) => a.dueMs - b.dueMs)[0];
      if (due === undefined) break;
      effects.push(...this.fireTimer(due[0]));
    }
    this.#move(untilMs - this.#monotonicMs);
    return effects;
  }

  /** Handles what inlets were called with since the last call. Returns the effects. */
  runInlets(): readonly RecordedEffect[] {
    const effects: RecordedEffect[] = [];
    for (let next = this.#inlets.shift(); next !== undefined; next = this.#inlets.shift()) {
      effects.push(...this.tell(next));
    }
    return effects;
  }

  /** Tells the actor that a path it watches has ended. Returns the effects. */
  endWatched(path: string, reason: ExitReason = { type: "stopped" }): readonly RecordedEffect[] {
    const toCommand = this.#watches.get(path);
    invariant(toCommand !== undefined, () => `The actor does not watch "${path}"`);
    this.#watches.delete(path);
    return this.tell(toCommand(reason) as Message);
  }

  /** Ends the actor: its `release` runs. */
  release(): void {
    this.#behaviour.release?.(this.#state);
  }

  #owner(options: TestActorOptions): ContextOwner {
    const clock: Clock = {
      wallMs: () => this.#wallMs,
      monotonicMs: () => this.#monotonicMs,
      schedule: () => () => {},
    };
    const log: Log = {
      write: (level, message, fields = {}) => void this.logged.push({ level, message, fields }),
    };
    return {
      path: options.path ?? "test",
      clock,
      log,
      forkRandom: () => options.random ?? countingRandom(),
      hasChild: (key) => this.#children.has(`${options.path ?? "test"}/${key}`),
      makeInlet: (toCommand) => (event) =>
        void this.#inlets.push(toCommand(event as never) as Message),
    };
  }

  #handle(message: Message): void {
    this.#context.begin();
    try {
      this.#behaviour.receive(this.#context, this.#state, message);
    } catch (error) {
      this.#context.discard();
      throw error;
    }
    this.#commit();
  }

  #commit(): void {
    this.#context.end();
    for (let i = 0; i < this.#context.count; i++) {
      const target = this.#context.targetAt(i);
      const payload = this.#context.payloadAt(i);
      this.#effects.push(
        target === null
          ? this.#record(payload as Effect)
          : { type: "send", to: target.path, message: payload },
      );
    }
    this.#context.clear();
  }

  #record(effect: Effect): RecordedEffect {
    switch (effect.type) {
      case "publish":
        return { type: "publish", topic: effect.topic.name, event: effect.event };
      case "subscribe":
        this.#subscriptions.set(effect.topic, effect.toCommand);
        return { type: "subscribe", topic: effect.topic.name };
      case "spawn": {
        this.#children.add(effect.ref.path);
        const { key, behaviour, options } = effect;
        return { type: "spawn", key, behaviour: behaviour.name, options };
      }
      case "stopChild":
        this.#children.delete(effect.child.path);
        return { type: "stopChild", child: effect.child.path };
      case "stopSelf":
        return { type: "stopSelf" };
      case "watch":
        this.#watches.set(effect.ref.path, effect.toCommand);
        return { type: "watch", path: effect.ref.path };
      case "startTimer": {
        const { key, delayMs, message } = effect;
        this.#timers.set(key, { dueMs: this.#monotonicMs + delayMs, message: message as Message });
        return { type: "startTimer", key, delayMs, message };
      }
      case "cancelTimer":
        this.#timers.delete(effect.key);
        return { type: "cancelTimer", key: effect.key };
      case "perform":
        this.#tasks.push(effect);
        return { type: "perform", task: this.#tasks.length - 1 };
      default:
        return effect satisfies never;
    }
  }

  #takeTask(number = this.pendingTasks()[0]): Effect & { type: "perform" } {
    const task = number === undefined ? undefined : this.#tasks[number];
    invariant(task !== undefined && number !== undefined, () => `No task ${number} waits`);
    this.#tasks[number] = undefined;
    return task;
  }

  #move(ms: number): void {
    this.#monotonicMs += ms;
    this.#wallMs += ms;
  }
}

/** Chance for tests that do not care: every draw is the one before plus one, in whatever range. */
function countingRandom(): Random {
  let drawn = 0;
  const random: Random = {
    bytes: (count) => Uint8Array.from({ length: count }, () => drawn++ & 255),
    uint32: () => drawn++ >>> 0,
    below: (bound) => drawn++ % bound,
    float: () => (drawn++ % 1_000) / 1_000,
    fork: () => random,
  };
  return random;
}
