/** An actor system whose time and turns move only when the test says so. */
import type { LogLevel } from "../../../platform/ports.ts";
import { seededRandom } from "../../../platform/seeded_random.ts";
import type { Behaviour, Ref, TaskOutcome } from "../../../actors/kernel/actor.ts";
import type { Turn } from "../../../actors/kernel/dispatcher.ts";
import { type ActorFailure, actorFailures } from "../../../actors/kernel/failures.ts";
import { ActorSystem } from "../../../actors/kernel/system.ts";

export interface Bench {
  readonly system: ActorSystem;
  readonly failures: ActorFailure[];
  readonly logged: { level: LogLevel; message: string; fields: Record<string, unknown> }[];
  readonly rootFailures: unknown[];
  /** Gives turns until nobody has work. */
  settle(): void;
  /** Moves time, firing timers in order and settling after each. */
  advance(ms: number): void;
  /** Moves time and fires timers, but gives no turns. */
  elapse(ms: number): void;
  /** Runs the oldest performed task now. */
  runTask(): Promise<void>;
  readonly tasks: number;
}

interface Timer {
  readonly atMs: number;
  readonly callback: () => void;
}

export function makeBench(): Bench {
  let nowMs = 0;
  let timers: Timer[] = [];
  const turns: Turn[] = [];
  const tasks: {
    task: () => unknown;
    settled: (outcome: TaskOutcome<never>) => void;
  }[] = [];
  const logged: Bench["logged"] = [];
  const rootFailures: unknown[] = [];
  const failures: ActorFailure[] = [];
  const system = new ActorSystem({
    clock: {
      wallMs: () => 1_700_000_000_000 + nowMs,
      monotonicMs: () => nowMs,
      schedule(delayMs, callback) {
        const timer = { atMs: nowMs + delayMs, callback };
        timers.push(timer);
        return () => void (timers = timers.filter((other) => other !== timer));
      },
    },
    random: seededRandom("kernel tests"),
    log: {
      write: (level, message, fields = {}) => void logged.push({ level, message, fields }),
    },
    dispatcher: {
      ready: (turn) => void turns.push(turn),
      perform: (task, settled) => void tasks.push({ task, settled: settled as never }),
    },
    onFailed: (error) => void rootFailures.push(error),
  });
  system.subscribe(actorFailures, (failure) => failures.push(failure));
  const bench: Bench = {
    system,
    failures,
    logged,
    rootFailures,
    settle() {
      for (let turn = turns.shift(); turn !== undefined; turn = turns.shift()) {
        if (turn.run()) turns.push(turn);
      }
    },
    elapse(ms) {
      nowMs += ms;
      const due = timers.filter((timer) => timer.atMs <= nowMs);
      timers = timers.filter((timer) => timer.atMs > nowMs);
      for (const timer of due) timer.callback();
    },
    advance(ms) {
      const untilMs = nowMs + ms;
      bench.settle();
      for (;;) {
        const due = timers.filter((timer) =>
          timer.atMs <= untilMs
        ).sort((a, b) => a.atMs - b.atMs)[0];
        if (due === undefined) break;
        timers = timers.filter((timer) => timer !== due);
        nowMs = due.atMs;
        due.callback();
        bench.settle();
      }
      nowMs = untilMs;
    },
    async runTask() {
      const next = tasks.shift();
      if (next === undefined) throw new Error("No task waits");
      try {
        const value = await next.task();
        next.settled({ ok: true, value: value as never });
      } catch (error) {
        next.settled({ ok: false, error });
      }
      bench.settle();
    },
    get tasks() {
      return tasks.length;
    },
  };
  return bench;
}

/** Keeps what it is told; crashes on "crash". */
export function recorder(
  seen: unknown[],
  rest: Partial<Behaviour<unknown, { told: unknown[] }>> = {},
): Behaviour<unknown, { told: unknown[] }> {
  return {
    name: "recorder",
    init: () => ({ told: [] }),
    receive(_context, state, message) {
      if (message === "crash") throw new Error("told to crash");
      state.told.push(message);
      seen.push(message);
    },
    ...rest,
  };
}

/** Notes its starts and ends in `events`, as "+name" and "-name"; crashes on "crash". */
export function tracer(name: string, events: string[]): Behaviour<unknown, null> {
  return {
    name,
    init() {
      events.push(`+${name}`);
      return null;
    },
    receive(_context, _state, message) {
      if (message === "crash") throw new Error(`${name} was told to crash`);
      events.push(`${name}:${message}`);
    },
    release() {
      events.push(`-${name}`);
    },
  };
}

/** A ref as a plain path, as another process part would hold it. */
export function at(path: string): Ref<unknown> {
  return { path };
}
