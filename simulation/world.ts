/**
 * The simulated world: one virtual time, one event queue, one seed. Whatever happens follows from the seed, in every process.
 *
 * Devices get Clock, Random, Log and Dispatcher from here. Tasks (`perform`) run for real, and the world stands still until they
 * have settled; their outcomes enter the queue in the order in which the tasks were started, whichever settled first.
 */
import { setImmediate } from "node:timers";
import type { TaskOutcome } from "../actors/kernel/actor.ts";
import { runTask, type Turn } from "../actors/kernel/dispatcher.ts";
import { invariant } from "../platform/invariant.ts";
import type { Log, Random } from "../platform/ports.ts";
import { seededRandom } from "../platform/seeded_random.ts";
import { Device } from "./device.ts";
import { EventQueue } from "./event_queue.ts";
import { Trace } from "./trace.ts";

/** Where virtual wall clocks start: 2026-01-01T00:00:00Z. */
export const WORLD_EPOCH_MS = 1_767_225_600_000;

export interface WorldOptions {
  readonly seed: number | string;
  /** Where log lines of all devices go, with field `device`; default: nowhere. */
  readonly log?: Log;
}

interface StartedTask {
  readonly device: Device;
  readonly life: number;
  readonly outcome: Promise<TaskOutcome<unknown>>;
  readonly settled: (outcome: TaskOutcome<never>) => void;
}

export class World {
  /** Chance of the world itself; devices fork theirs by name. */
  readonly random: Random;
  readonly trace = new Trace();
  readonly log: Log;
  readonly #hearers: Log[] = [];
  readonly #queue = new EventQueue();
  readonly #devices = new Map<string, Device>();
  #turns: { readonly device: Device; readonly life: number; readonly turn: Turn }[] = [];
  #tasks: StartedTask[] = [];
  #nowMs = 0;
  #outsideCalled = false;
  #living = false;
  /** Events and turns since the beginning. */
  steps = 0;
  tasks = 0;

  constructor(options: WorldOptions) {
    this.random = seededRandom(`world ${options.seed}`);
    this.log = {
      write: (level, message, fields) => {
        options.log?.write(level, message, fields);
        for (const hearer of this.#hearers) hearer.write(level, message, fields);
      },
    };
  }

  /** Lets a checker hear what all devices log from now on, with field `device`. */
  hearLog(hearer: Log): void {
    this.#hearers.push(hearer);
  }

  /** Virtual ms since the beginning. */
  get nowMs(): number {
    return this.#nowMs;
  }

  /** A new device. Its name makes its random numbers. */
  addDevice(name: string): Device {
    const device = new Device(this, name);
    this.#devices.set(name, device);
    return device;
  }

  /** Lets `run` happen after `delayMs`. Returns a function that cancels it. */
  after(delayMs: number, label: string, run: () => void): () => void {
    return this.#queue.add(this.#nowMs + Math.max(0, delayMs), label, run);
  }

  /** Queues a turn of a device; it is dropped when the device has lost power meanwhile. */
  queueTurn(device: Device, turn: Turn): void {
    this.#turns.push({ device, life: device.life, turn });
  }

  /** Starts a task of a device now; the outcome enters the queue in its turn. */
  queueTask(
    device: Device,
    task: () => unknown,
    settled: (outcome: TaskOutcome<never>) => void,
  ): void {
    this.tasks++;
    const outcome = new Promise<TaskOutcome<unknown>>((resolve) => runTask(task, resolve));
    this.#tasks.push({ device, life: device.life, outcome, settled });
  }

  /** Someone outside the actors (a scenario) was answered: it reacts before the next event. */
  noteOutsideCall(): void {
    this.#outsideCalled = true;
  }

  /** Lives through `ms` of virtual time. */
  advance(ms: number): Promise<void> {
    return this.#live(this.#nowMs + ms, () => false);
  }

  /** Lives until `condition` holds, checked every `everyMs`; false when it does not within `withinMs`. */
  async until(condition: () => boolean, withinMs: number, everyMs = 100): Promise<boolean> {
    const untilMs = this.#nowMs + withinMs;
    while (!condition()) {
      if (this.#nowMs >= untilMs) return false;
      await this.#live(Math.min(untilMs, this.#nowMs + everyMs), () => false);
    }
    return true;
  }

  /** Lives until `promise`, which depends on virtual time, has settled. Throws when it does not within `withinMs`. */
  async wait<T>(promise: Promise<T>, withinMs = 120_000): Promise<T> {
    let done = false;
    const noted = promise.finally(() => done = true);
    noted.catch(() => {});
    await nextMacrotask();
    const untilMs = this.#nowMs + withinMs;
    await this.#live(untilMs, () => done);
    if (!done) throw new Error(`Cannot wait: nothing settled within ${withinMs} virtual ms`);
    return await noted;
  }

  async #live(untilMs: number, enough: () => boolean): Promise<void> {
    invariant(!this.#living, "Cannot advance: the world is advanced by someone else already");
    this.#living = true;
    try {
      await this.#liveUntil(untilMs, enough);
    } finally {
      this.#living = false;
    }
  }

  async #liveUntil(untilMs: number, enough: () => boolean): Promise<void> {
    while (!enough()) {
      this.#takeTurns();
      if (this.#outsideCalled) {
        this.#outsideCalled = false;
        await nextMacrotask();
        continue;
      }
      if (this.#tasks.length > 0) {
        await this.#settleTasks();
        continue;
      }
      const nextMs = this.#queue.nextMs();
      if (nextMs === undefined || nextMs > untilMs) {
        this.#nowMs = untilMs;
        return;
      }
      const { event, run } = this.#queue.take()!;
      this.#nowMs = event.atMs;
      this.steps++;
      this.trace.number(event.atMs);
      this.trace.number(event.sequence);
      this.trace.text(event.label);
      run();
    }
  }

  #takeTurns(): void {
    while (this.#turns.length > 0) {
      const turns = this.#turns;
      this.#turns = [];
      for (const entry of turns) {
        if (entry.life !== entry.device.life) continue;
        this.steps++;
        if (entry.turn.run()) this.#turns.push(entry);
      }
    }
  }

  async #settleTasks(): Promise<void> {
    const tasks = this.#tasks;
    this.#tasks = [];
    for (const task of tasks) {
      const outcome = await task.outcome;
      const { device, life } = task;
      const diskMark = device.diskMark();
      this.after(device.taskDelayMs(), `task ${device.name}`, () => {
        if (life !== device.life) return;
        device.heardDiskMark = Math.max(device.heardDiskMark, diskMark);
        task.settled(outcome as TaskOutcome<never>);
      });
    }
  }
}

/** Everything that promises have to say happens before this resolves. */
function nextMacrotask(): Promise<void> {
  return new Promise((resolve) => void setImmediate(resolve));
}
