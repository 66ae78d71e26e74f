/**
 * Does the actor kernel cost less than what it replaces? Tells, asks and ping-pong, beside a bare microtask queue, nact and XState in the
 * same run. The bare queue has no addresses, bounds, counters, supervision or effects: it is what the runtime itself takes.
 */
import { setImmediate } from "node:timers";
import { dispatch, query, type Ref as NactRef, spawnStateless, start, stop } from "nact";
import { assign, createActor, setup } from "xstate";
import type { Behaviour, Ref } from "../../actors/kernel/actor.ts";
import { ActorSystem } from "../../actors/kernel/system.ts";
import { systemClock } from "../../platform/system_clock.ts";
import { systemRandom } from "../../platform/system_random.ts";
import { type Figure, ratePerSecond } from "../harness.ts";

const ROUNDS = 5;
/** The kernel must do this many tells a second on one core. */
const TELLS_PER_SECOND_MIN = 5_000_000;

interface Contender {
  readonly name: string;
  /** Sends `count` messages, `inFlight` at a time, and returns when all were handled. */
  tells(count: number, inFlight: number): Promise<void>;
  /** `count` questions, one after another. Absent: it has none. */
  asks?(count: number): Promise<void>;
  /** Two actors send one message to and fro until it was sent `count` times. */
  pingPong?(count: number): Promise<void>;
  close(): Promise<void> | void;
}

/** Measures all contenders; figures of the kernel carry their ratio to the bare queue. */
export async function run(options: { readonly quick: boolean }): Promise<readonly Figure[]> {
  const scale = options.quick ? 0.01 : 1;
  const contenders = [kernel(), bareQueue(), nact(), xstate()];
  const figures: Figure[] = [];
  for (const inFlight of [1_000, 10_000]) {
    const bare = new Map<string, number>();
    for (const contender of contenders) {
      // Slow ones get fewer, so that a round of everyone takes about as long.
      const fast = contender.name === "kernel" || contender.name === "bare queue";
      const count = Math.max(1, Math.round((fast ? 2_000_000 : 100_000) * scale / inFlight)) *
        inFlight;
      const value = await ratePerSecond(
        { operations: count, rounds: ROUNDS },
        () => contender.tells(count, inFlight),
      );
      bare.set(contender.name, value);
      figures.push({
        name: `${contender.name}: tells, ${inFlight} in flight`,
        value,
        unit: "1/s",
        ...(contender.name === "kernel" ? { limit: TELLS_PER_SECOND_MIN } : {}),
      });
    }
    const at = figures.findIndex(({ name }) => name === `kernel: tells, ${inFlight} in flight`);
    const ratio = bare.get("kernel")! / bare.get("bare queue")!;
    figures[at] = { ...figures[at]!, ratio, note: "to a bare microtask queue" };
  }
  for (const contender of contenders) {
    figures.push(...await conversations(contender, Math.round(50_000 * scale)));
    await contender.close();
  }
  return figures;
}

async function conversations(contender: Contender, count: number): Promise<readonly Figure[]> {
  const figures: Figure[] = [];
  for (const kind of ["asks", "pingPong"] as const) {
    const body = contender[kind]?.bind(contender);
    if (body === undefined) continue;
    const value = await ratePerSecond({ operations: count, rounds: ROUNDS }, () => body(count));
    const what = kind === "asks" ? "asks, one after another" : "ping-pong messages";
    figures.push({ name: `${contender.name}: ${what}`, value, unit: "1/s" });
  }
  return figures;
}

type Question = { readonly type: "ask"; readonly replyTo: Ref<number> };
type Ball = { readonly type: "ball"; readonly from: Ref<Ball> };

function kernel(): Contender {
  const system = new ActorSystem({
    clock: systemClock(),
    random: systemRandom(),
    log: { write() {} },
  });
  const counting: Behaviour<{ type: "count" }, { handled: number }> = {
    name: "counting",
    init: () => ({ handled: 0 }),
    receive(_context, state) {
      state.handled++;
    },
  };
  const answering: Behaviour<Question, null> = {
    name: "answering",
    init: () => null,
    receive: (context, _state, { replyTo }) => context.send(replyTo, 1),
  };
  let left = 0;
  let finish = (): void => {};
  const playing: Behaviour<Ball, null> = {
    name: "playing",
    init: () => null,
    receive(context, _state, { from }) {
      if (--left > 0) context.send(from, { type: "ball", from: context.self });
      else finish();
    },
  };
  const counter = system.spawn("counter", counting);
  const answerer = system.spawn("answerer", answering);
  const [one, two] = [system.spawn("one", playing), system.spawn("two", playing)];
  return {
    name: "kernel",
    async tells(count, inFlight) {
      const state = system.inspect("counter") as { handled: number };
      const message = { type: "count" } as const;
      for (let sent = 0; sent < count; sent += inFlight) {
        const target = state.handled + inFlight;
        for (let i = 0; i < inFlight; i++) system.tell(counter, message);
        await reached(() => state.handled >= target);
      }
    },
    async asks(count) {
      for (let i = 0; i < count; i++) {
        await system.ask<Question, number>(
          answerer,
          (replyTo) => ({ type: "ask", replyTo }),
          60_000,
        );
      }
    },
    async pingPong(count) {
      left = count;
      const finished = new Promise<void>((resolve) => finish = resolve);
      system.tell(one, { type: "ball", from: two });
      await finished;
    },
    close: () => system.stop(),
  };
}

function bareQueue(): Contender {
  let handled = 0;
  const handle = (message: { type: string }): void => {
    if (message.type === "count") handled++;
  };
  return {
    name: "bare queue",
    async tells(count, inFlight) {
      const message = { type: "count" };
      for (let sent = 0; sent < count; sent += inFlight) {
        const target = handled + inFlight;
        for (let i = 0; i < inFlight; i++) {
          queueMicrotask(() => handle(message));
        }
        await reached(() => handled >= target);
      }
    },
    close() {},
  };
}

function nact(): Contender {
  const system = start();
  let handled = 0;
  const counter = spawnStateless(system, () => void handled++);
  const answerer = spawnStateless(
    system,
    (message: { sender: NactRef<number> }) => dispatch(message.sender, 1),
  );
  let left = 0;
  let finish = (): void => {};
  interface NactBall {
    readonly from: NactRef<NactBall>;
  }
  const play = (message: NactBall, context: { self: unknown }): void => {
    if (--left > 0) dispatch(message.from, { from: context.self as NactRef<NactBall> });
    else finish();
  };
  const one: NactRef<NactBall> = spawnStateless(system, play);
  const two: NactRef<NactBall> = spawnStateless(system, play);
  return {
    name: "nact",
    async tells(count, inFlight) {
      const message = { type: "count" };
      for (let sent = 0; sent < count; sent += inFlight) {
        const target = handled + inFlight;
        for (let i = 0; i < inFlight; i++) dispatch(counter, message);
        await reached(() => handled >= target);
      }
    },
    async asks(count) {
      for (let i = 0; i < count; i++) {
        await query(answerer, (sender: NactRef<number>) => ({ sender }), 60_000);
      }
    },
    async pingPong(count) {
      left = count;
      const finished = new Promise<void>((resolve) => finish = resolve);
      dispatch(one, { from: two });
      await finished;
    },
    close: () => stop(system),
  };
}

function xstate(): Contender {
  // XState handles in the call of `send` itself: nothing is ever in flight.
  const counting = setup({
    types: { context: {} as { handled: number }, events: {} as { type: "count" } },
  });
  const counter = createActor(counting.createMachine({
    context: { handled: 0 },
    on: { count: { actions: assign({ handled: ({ context }) => context.handled + 1 }) } },
  }));
  counter.start();
  return {
    name: "xstate",
    // deno-lint-ignore require-await -- as the others
    async tells(count) {
      const before = counter.getSnapshot().context.handled;
      for (let i = 0; i < count; i++) counter.send({ type: "count" });
      const handled = counter.getSnapshot().context.handled - before;
      if (handled !== count) throw new Error(`XState handled ${handled} of ${count} events`);
    },
    close: () => void counter.stop(),
  };
}

/** Lets microtasks run, then macrotasks, until `condition` holds. */
async function reached(condition: () => boolean): Promise<void> {
  for (let round = 0; !condition(); round++) {
    if (round < 4) await null;
    else await new Promise<void>((resolve) => void setImmediate(resolve));
  }
}
