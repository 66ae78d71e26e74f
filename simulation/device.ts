/** One simulated device: its clock may be wrong, its disk slow, its power may fail. What runs on it is not its business. */
import type { TaskOutcome } from "../actors/kernel/actor.ts";
import type { Dispatcher, Turn } from "../actors/kernel/dispatcher.ts";
import type { Clock, Log, Random } from "../platform/ports.ts";
import { type World, WORLD_EPOCH_MS } from "./world.ts";

/** Disk and processor of a healthy device answer within this, ms. */
const TASK_MS_MAX = 3;

export class Device implements Clock, Dispatcher {
  readonly name: string;
  readonly random: Random;
  readonly log: Log;
  readonly #world: World;
  readonly #taskRandom: Random;
  /** Grows with every loss of power: what was started before never comes to its end. */
  life = 1;
  /** How far the wall clock is off, ms. May jump at any time. */
  wallSkewMs = 0;
  /** How much longer tasks take than on a healthy device. */
  slowness = 1;
  /** How many transactions its disk has had; set by whoever gives it one. */
  diskMark: () => number = () => 0;
  /** Transactions up to this one were heard of by the actors: they survive a loss of power, later ones may not. */
  heardDiskMark = 0;
  #rate = 1;
  #stalledUntilMs = 0;
  #rateSinceMs = 0;
  #localSinceMs = 0;

  constructor(world: World, name: string) {
    this.#world = world;
    this.name = name;
    this.random = world.random.fork(`device ${name}`);
    this.#taskRandom = this.random.fork("tasks");
    this.log = {
      write: (level, message, fields) =>
        world.log.write(level, message, { device: name, atMs: world.nowMs, ...fields }),
    };
  }

  /** How fast its clocks run: 1.0001 gains 0.1 ms a second. Changing it never turns time back. */
  get rate(): number {
    return this.#rate;
  }
  set rate(rate: number) {
    this.#localSinceMs = this.monotonicMs();
    this.#rateSinceMs = this.#world.nowMs;
    this.#rate = rate;
  }

  wallMs(): number {
    return Math.floor(WORLD_EPOCH_MS + this.wallSkewMs + this.monotonicMs());
  }

  monotonicMs(): number {
    return this.#localSinceMs + (this.#world.nowMs - this.#rateSinceMs) * this.#rate;
  }

  schedule(delayMs: number, callback: () => void): () => void {
    const life = this.life;
    return this.#world.after(delayMs / this.#rate, `timer ${this.name}`, () => {
      if (life === this.life) callback();
    });
  }

  ready(turn: Turn): void {
    const waitMs = this.#stalledUntilMs - this.#world.nowMs;
    if (waitMs <= 0) return this.#world.queueTurn(this, turn);
    const life = this.life;
    this.#world.after(waitMs, `stalled ${this.name}`, () => {
      if (life === this.life) this.ready(turn);
    });
  }

  /** Stands still for `ms`: its clock goes on, and what comes waits, as while its processor or memory is busy with others. */
  stall(ms: number): void {
    this.#stalledUntilMs = Math.max(this.#stalledUntilMs, this.#world.nowMs + ms);
  }

  perform<T>(task: () => Promise<T> | T, settled: (outcome: TaskOutcome<T>) => void): void {
    this.#world.queueTask(this, task, settled as (outcome: TaskOutcome<never>) => void);
  }

  outsideCalled(): void {
    this.#world.noteOutsideCall();
  }

  /** How long the next task takes in virtual time, ms. */
  taskDelayMs(): number {
    return this.#taskRandom.float() * TASK_MS_MAX * this.slowness;
  }

  /** Power fails: whatever was queued or running here is lost. */
  losePower(): void {
    this.life++;
    this.#stalledUntilMs = 0;
  }
}
