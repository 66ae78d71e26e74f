/** The kernel's promises, one by one. */
import assert from "node:assert/strict";
import type { Behaviour, Context, Ref } from "../../../actors/kernel/actor.ts";
import { topic } from "../../../actors/kernel/bus.ts";
import { deadLetters } from "../../../actors/kernel/failures.ts";
import { at, makeBench, recorder } from "./support.ts";

Deno.test("an actor handles commands one at a time, in order", () => {
  const bench = makeBench();
  const seen: unknown[] = [];
  const ref = bench.system.spawn("a", recorder(seen));
  for (let i = 0; i < 500; i++) bench.system.tell(ref, i);
  assert.deepEqual(seen, [], "a tell never runs the receiver");
  bench.settle();
  assert.deepEqual(seen, [...Array(500).keys()]);
});

Deno.test("effects are committed in order when receive returns", () => {
  const bench = makeBench();
  const seen: unknown[] = [];
  const ref = bench.system.spawn("a", recorder(seen));
  const news = topic<string>("news");
  bench.system.subscribe(news, (event) => seen.push(event));
  bench.system.spawn("b", {
    name: "b",
    init(context) {
      context.send(ref, "first");
      context.publish(news, "published");
      const child = context.spawn("child", recorder(seen));
      context.send(child, "to child");
      seen.push("init returned");
      return null;
    },
    receive() {},
  });
  bench.settle();
  assert.deepEqual(seen, ["init returned", "published", "first", "to child"]);
});

Deno.test("every effect of a command that throws is discarded", () => {
  const bench = makeBench();
  const seen: unknown[] = [];
  const news = topic<string>("news");
  bench.system.subscribe(news, (event) => seen.push(event));
  const sink = bench.system.spawn("sink", recorder(seen));
  const bad = bench.system.spawn<string, null>("bad", {
    name: "bad",
    init: () => null,
    receive(context, _state, message) {
      if (message !== "all") return;
      context.send(sink, "sent");
      context.publish(news, "published");
      context.spawn("child", recorder(seen));
      context.startTimer("t", 1, "timer");
      context.perform(() => seen.push("performed"), () => "performed");
      context.stopSelf();
      throw new Error("after all that");
    },
  });
  bench.system.tell(bad, "all");
  bench.advance(1000);
  assert.deepEqual(seen, []);
  assert.equal(bench.tasks, 0);
  assert.deepEqual(bench.system.counters().map((line) => line.path), ["sink", "bad"]);
});

Deno.test("the outcome of a task is dropped when the actor has restarted meanwhile", async () => {
  const bench = makeBench();
  const seen: unknown[] = [];
  const ref = bench.system.spawn<string, null>("a", {
    name: "a",
    init: () => null,
    receive(context, _state, message) {
      if (message === "crash") throw new Error("crash");
      if (message === "go") context.perform(() => 7, (outcome) => `done ${outcome.ok}`);
      else seen.push(message);
    },
  });
  bench.system.tell(ref, "go");
  bench.system.tell(ref, "crash");
  bench.settle();
  await bench.runTask();
  assert.deepEqual(seen, []);
  bench.system.tell(ref, "go");
  bench.settle();
  await bench.runTask();
  assert.deepEqual(seen, ["done true"]);
});

Deno.test("a task that rejects or throws is an outcome, not a crash", async () => {
  const bench = makeBench();
  const seen: unknown[] = [];
  const ref = bench.system.spawn<unknown, null>("a", {
    name: "a",
    init: () => null,
    receive(context, _state, message) {
      if (message === "go") {
        context.perform(() => Promise.reject(new Error("no")), (outcome) => outcome);
      } else seen.push(message);
    },
  });
  bench.system.tell(ref, "go");
  bench.settle();
  await bench.runTask();
  assert.deepEqual(seen, [{ ok: false, error: new Error("no") }]);
  assert.equal(bench.failures.length, 0);
});

Deno.test("calls of an inlet made before a restart are dropped", () => {
  const bench = makeBench();
  const seen: unknown[] = [];
  const inlets: ((event: string) => void)[] = [];
  const ref = bench.system.spawn("a", {
    ...recorder(seen),
    init(context: Context<unknown>) {
      inlets.push(context.inlet((event: string) => event));
      return { told: [] };
    },
  });
  inlets[0]!("heard");
  bench.settle();
  inlets[0]!("queued before the crash command is handled");
  bench.system.tell(ref, "crash");
  bench.settle();
  inlets[0]!("too late");
  inlets[1]!("new life");
  bench.settle();
  assert.deepEqual(seen, ["heard", "queued before the crash command is handled", "new life"]);
});

Deno.test("an event that waits behind the crash is dropped, a command that waits is not", () => {
  const bench = makeBench();
  const seen: unknown[] = [];
  let inlet = (_event: string): void => {};
  const ref = bench.system.spawn("a", {
    ...recorder(seen),
    init(context: Context<unknown>) {
      inlet = context.inlet((event: string) => event);
      return { told: [] };
    },
  });
  bench.system.tell(ref, "crash");
  inlet("event of the old life");
  bench.system.tell(ref, "command");
  bench.settle();
  assert.deepEqual(seen, ["command"]);
});

Deno.test("a ref stays valid over a restart, also when the parent restarted and made the child anew", () => {
  const bench = makeBench();
  const seen: unknown[] = [];
  let child: Ref<unknown> | undefined;
  const parent = bench.system.spawn("p", {
    ...recorder(seen),
    init(context: Context<unknown>) {
      const made = context.spawn("c", recorder(seen));
      child ??= made;
      return { told: [] };
    },
  });
  bench.system.tell(child!, "crash");
  bench.system.tell(child!, 1);
  bench.settle();
  bench.system.tell(parent, "crash");
  bench.settle();
  bench.system.tell(child!, 2);
  bench.system.tell(at("p/c"), 3);
  bench.settle();
  assert.deepEqual(seen, [1, 2, 3]);
});

Deno.test("state is a plain value: a restart makes a new one and inspect shows it", () => {
  const bench = makeBench();
  const ref = bench.system.spawn("a", recorder([]));
  bench.system.tell(ref, 1);
  bench.settle();
  assert.deepEqual(bench.system.inspect("a"), { told: [1] });
  bench.system.tell(ref, "crash");
  bench.settle();
  assert.deepEqual(bench.system.inspect("a"), { told: [] });
  assert.equal(bench.system.inspect("nobody"), undefined);
});

for (const overflow of ["reject", "dropOldest", "crash"] as const) {
  Deno.test(`a full mailbox never throws into the sender: ${overflow}`, () => {
    const bench = makeBench();
    const seen: unknown[] = [];
    const lost: unknown[] = [];
    bench.system.subscribe(deadLetters, (letter) => lost.push(letter.message));
    const ref = bench.system.spawn(
      "a",
      recorder(seen, { mailbox: { capacity: 3, overflow } }),
    );
    for (let i = 0; i < 5; i++) bench.system.tell(ref, i);
    bench.settle();
    const counters = bench.system.counters()[0]!;
    assert.equal(counters.overflowed, 2);
    if (overflow === "reject") assert.deepEqual([seen, lost], [[0, 1, 2], [3, 4]]);
    if (overflow === "dropOldest") assert.deepEqual([seen, lost], [[2, 3, 4], [0, 1]]);
    if (overflow === "crash") {
      assert.deepEqual([seen, lost], [[], [3, 4, 0, 1, 2]]);
      assert.equal(counters.restarts, 1);
      bench.system.tell(ref, "again");
      bench.settle();
      assert.deepEqual(seen, ["again"]);
    }
    assert.equal(bench.system.deadLetterCount, lost.length);
  });
}

Deno.test("the outcome of an actor's own task is never lost to its full mailbox", async () => {
  const bench = makeBench();
  const seen: unknown[] = [];
  const ref = bench.system.spawn<unknown, null>("a", {
    name: "a",
    mailbox: { capacity: 2, overflow: "dropOldest" },
    init(context) {
      context.perform(() => 1, () => "outcome");
      return null;
    },
    receive: (_context, _state, message) => void seen.push(message),
  });
  const running = bench.runTask();
  bench.system.tell(ref, 1);
  bench.system.tell(ref, 2);
  await running;
  for (const _ of [1, 2]) bench.settle();
  assert.deepEqual(seen, [1, 2, "outcome"]);
});

Deno.test("timers: one command each, replaced by key, cancelled even after they fired", () => {
  const bench = makeBench();
  const seen: unknown[] = [];
  const ref = bench.system.spawn<string, null>("a", {
    name: "a",
    init: () => null,
    receive(context, _state, message) {
      if (message === "start") context.startTimer("t", 100, "old");
      else if (message === "replace") context.startTimer("t", 100, "new");
      else if (message === "cancel") context.cancelTimer("t");
      else seen.push(message);
    },
  });
  bench.system.tell(ref, "start");
  bench.advance(50);
  bench.system.tell(ref, "replace");
  bench.advance(99);
  assert.deepEqual(seen, []);
  bench.advance(1);
  assert.deepEqual(seen, ["new"]);
  bench.system.tell(ref, "start");
  bench.advance(99);
  // The cancel is queued first, the timer fires behind it.
  bench.system.tell(ref, "cancel");
  bench.elapse(1);
  bench.settle();
  assert.deepEqual(seen, ["new"]);
});

Deno.test("a timer is gone when its actor restarts", () => {
  const bench = makeBench();
  const seen: unknown[] = [];
  let starts = 0;
  const ref = bench.system.spawn("a", {
    ...recorder(seen),
    init(context: Context<unknown>) {
      if (starts++ === 0) context.startTimer("t", 100, "due");
      return { told: [] };
    },
  });
  bench.system.tell(ref, "crash");
  bench.advance(200);
  assert.deepEqual(seen, []);
  assert.equal(starts, 2);
});

Deno.test("subscribing twice to one topic replaces; a restart forgets what init does not subscribe", () => {
  const bench = makeBench();
  const seen: unknown[] = [];
  const news = topic<string>("news");
  let starts = 0;
  const ref = bench.system.spawn("a", {
    ...recorder(seen),
    init(context: Context<unknown>) {
      if (starts++ > 0) return { told: [] };
      context.subscribe(news, (event) => `first ${event}`);
      context.subscribe(news, (event) => `second ${event}`);
      return { told: [] };
    },
  });
  const press = bench.system.spawn<string, null>("press", {
    name: "press",
    init: () => null,
    receive: (context, _state, message) => context.publish(news, message),
  });
  bench.system.tell(press, "x");
  bench.settle();
  bench.system.tell(ref, "crash");
  bench.system.tell(press, "y");
  bench.settle();
  assert.deepEqual(seen, ["second x"]);
});

Deno.test("who subscribes late to a retained topic hears its last event, and only that", () => {
  const bench = makeBench();
  const seen: unknown[] = [];
  const facts = topic<number>("facts", { retained: true });
  const press = bench.system.spawn<number, null>("press", {
    name: "press",
    init: () => null,
    receive: (context, _state, message) => context.publish(facts, message),
  });
  bench.system.tell(press, 1);
  bench.system.tell(press, 2);
  bench.settle();
  bench.system.subscribe(facts, (event) => seen.push(event));
  assert.deepEqual(seen, [2]);
});

Deno.test("ask answers once; a second reply and a reply after the timeout are dead letters", async () => {
  const bench = makeBench();
  const replies: Ref<number>[] = [];
  const ref = bench.system.spawn<Ref<number>, null>("a", {
    name: "a",
    init: () => null,
    receive: (_context, _state, replyTo) => void replies.push(replyTo),
  });
  const first = bench.system.ask<Ref<number>, number>(ref, (replyTo) => replyTo, 100);
  bench.settle();
  bench.system.tell(replies[0]!, 1);
  bench.system.tell(replies[0]!, 2);
  assert.deepEqual(await first, { type: "answered", value: 1 });
  const second = bench.system.ask<Ref<number>, number>(ref, (replyTo) => replyTo, 100);
  bench.advance(100);
  assert.deepEqual(await second, { type: "unknown", reason: "timeout" });
  bench.system.tell(replies[1]!, 3);
  assert.equal(bench.system.deadLetterCount, 2);
});

Deno.test("a context cannot be used outside its turn", () => {
  const bench = makeBench();
  let leaked: Context<unknown> | undefined;
  bench.system.spawn("a", {
    ...recorder([]),
    init(context: Context<unknown>) {
      leaked = context;
      return { told: [] };
    },
  });
  assert.throws(() => leaked!.send(at("a"), 1), /outside its turn/);
});

Deno.test("time stands still during one command", () => {
  const bench = makeBench();
  const seen: unknown[] = [];
  const clocked: Behaviour<string, null> = {
    name: "clocked",
    init: () => null,
    receive(context) {
      seen.push(context.monotonicMs(), context.wallMs());
    },
  };
  const ref = bench.system.spawn("a", clocked);
  bench.advance(5);
  bench.system.tell(ref, "x");
  bench.settle();
  assert.deepEqual(seen, [5, 1_700_000_000_005]);
});

Deno.test("a dead letter about a dead letter is counted, not published", () => {
  const bench = makeBench();
  const seen: unknown[] = [];
  bench.system.spawn("morgue", {
    ...recorder(seen, { mailbox: { capacity: 1, overflow: "reject" } }),
    init(context: Context<unknown>) {
      context.subscribe(deadLetters, (letter) => letter);
      return { told: [] };
    },
  });
  for (let i = 0; i < 10; i++) bench.system.tell(at("nobody"), i);
  bench.settle();
  assert.deepEqual(seen, [{ path: "nobody", message: 0, reason: "noSuchActor" }]);
  assert.equal(bench.system.deadLetterCount, 19);
});
