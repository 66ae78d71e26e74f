/** Supervision: what other actor runtimes got wrong is pinned here. */
import assert from "node:assert/strict";
import type { Behaviour, ExitReason } from "../../../actors/kernel/actor.ts";
import { ChildFailedError } from "../../../actors/kernel/failures.ts";
import { RestartBudget, supervisor } from "../../../actors/kernel/supervisor.ts";
import { seededRandom } from "../../../platform/seeded_random.ts";
import { at, makeBench, recorder, tracer } from "./support.ts";

function tree(strategy: "oneForOne" | "restForOne" | "oneForAll", events: string[]) {
  return supervisor({
    name: "top",
    strategy,
    children: ["a", "b", "c"].map((key) => ({ key, behaviour: tracer(key, events) })),
  });
}

Deno.test("children start in order and stop in reverse order", async () => {
  const bench = makeBench();
  const events: string[] = [];
  bench.system.spawn("top", tree("oneForOne", events));
  await bench.system.stop();
  assert.deepEqual(events, ["+a", "+b", "+c", "-c", "-b", "-a"]);
});

Deno.test("oneForOne restarts the child that crashed", () => {
  const bench = makeBench();
  const events: string[] = [];
  bench.system.spawn("top", tree("oneForOne", events));
  bench.system.tell(at("top/b"), "crash");
  bench.settle();
  assert.deepEqual(events.slice(3), ["-b", "+b"]);
});

Deno.test("restForOne restarts the child that crashed and those after it, in order", () => {
  const bench = makeBench();
  const events: string[] = [];
  bench.system.spawn("top", tree("restForOne", events));
  bench.system.tell(at("top/b"), "crash");
  bench.settle();
  assert.deepEqual(events.slice(3), ["-b", "-c", "+b", "+c"]);
});

Deno.test("oneForAll restarts all, and commands sent meanwhile arrive afterwards", () => {
  const bench = makeBench();
  const events: string[] = [];
  bench.system.spawn("top", tree("oneForAll", events));
  bench.system.tell(at("top/b"), "crash");
  bench.system.tell(at("top/b"), "crash");
  bench.settle();
  bench.system.tell(at("top/a"), "hello");
  bench.settle();
  // The second crash has to wait for its backoff; nobody runs without b.
  assert.deepEqual(events.slice(3), [
    ...["-b", "-c", "-a", "+a", "+b", "+c"],
    ...["-b", "-c", "-a"],
  ]);
  bench.advance(100);
  assert.deepEqual(events.slice(12), ["+a", "+b", "+c", "a:hello"]);
});

Deno.test("restForOne starts later children only after an earlier one that failed to start came up", () => {
  const bench = makeBench();
  const events: string[] = [];
  let refusals = 2;
  const reluctant: Behaviour<unknown, null> = {
    name: "reluctant",
    init() {
      if (refusals-- > 0) throw new Error("not yet");
      events.push("+reluctant");
      return null;
    },
    receive() {},
  };
  bench.system.spawn(
    "top",
    supervisor({
      name: "top",
      strategy: "restForOne",
      children: [
        { key: "first", behaviour: reluctant },
        { key: "second", behaviour: tracer("second", events) },
      ],
    }),
  );
  bench.settle();
  assert.deepEqual(events, []);
  bench.advance(100);
  assert.deepEqual(events, ["+reluctant", "+second"]);
});

Deno.test("an actor that throws while starting is a crash like any other: reported, retried, then given up", () => {
  const bench = makeBench();
  let starts = 0;
  bench.system.spawn<unknown, null>("a", {
    name: "a",
    init() {
      starts++;
      throw new Error(`start ${starts}`);
    },
    receive() {},
  });
  bench.advance(60_000);
  assert.equal(starts, 4);
  assert.deepEqual(bench.failures.map((failure) => failure.decision), [
    "restart",
    "restart",
    "restart",
    "escalate",
  ]);
  assert.equal(bench.rootFailures.length, 1);
  assert.ok(bench.rootFailures[0] instanceof ChildFailedError);
});

Deno.test("no crash loop is silent: every crash is logged and published, and a spent budget reaches the parent", () => {
  const bench = makeBench();
  const events: string[] = [];
  const loop = supervisor({
    name: "loop",
    strategy: "oneForOne",
    intensity: { restartsMax: 2, withinMs: 1000 },
    backoff: { firstMs: 10, factor: 2, maxMs: 20 },
    children: [{ key: "x", behaviour: tracer("x", events) }],
  });
  bench.system.spawn(
    "top",
    supervisor({
      name: "top",
      strategy: "oneForOne",
      children: [{ key: "loop", behaviour: loop }],
    }),
  );
  for (let i = 0; i < 3; i++) {
    bench.system.tell(at("top/loop/x"), "crash");
    bench.advance(20);
  }
  assert.deepEqual(bench.failures.map(({ path, decision }) => [path, decision]), [
    ["top/loop/x", "restart"],
    ["top/loop/x", "restart"],
    ["top/loop/x", "escalate"],
    ["top/loop", "restart"],
  ]);
  assert.equal(bench.logged.filter(({ message }) => message === "actor crashed").length, 4);
  // The parent's restart made a fresh child with a fresh budget.
  bench.system.tell(at("top/loop/x"), "hello");
  bench.settle();
  assert.equal(events.at(-1), "x:hello");
});

Deno.test("siblings do not share a restart budget", () => {
  const bench = makeBench();
  const events: string[] = [];
  bench.system.spawn(
    "top",
    supervisor({
      name: "top",
      strategy: "oneForOne",
      intensity: { restartsMax: 2, withinMs: 60_000 },
      children: ["a", "b"].map((key) => ({ key, behaviour: tracer(key, events) })),
    }),
  );
  for (const path of ["top/a", "top/a", "top/b", "top/b"]) {
    bench.system.tell(at(path), "crash");
    bench.advance(200);
  }
  assert.deepEqual(bench.failures.map((failure) => failure.decision), Array(4).fill("restart"));
});

Deno.test("crashes outside the window are forgotten", () => {
  const budget = new RestartBudget({ intensity: { restartsMax: 1, withinMs: 100 } });
  assert.deepEqual(budget.spend(0), { crashes: 1, allowed: true });
  assert.deepEqual(budget.spend(100), { crashes: 1, allowed: true });
  assert.deepEqual(budget.spend(199), { crashes: 2, allowed: false });
});

Deno.test("backoff: at once, then growing to its bound, never less than half, never without a pause", () => {
  const random = seededRandom(1);
  const budget = new RestartBudget({ backoff: { firstMs: 100, factor: 2, maxMs: 1000 } });
  assert.equal(budget.delayMs(1, random), 0);
  for (const [crashes, waitMs] of [[2, 100], [3, 200], [4, 400], [9, 1000]] as const) {
    for (let i = 0; i < 100; i++) {
      const delayMs = budget.delayMs(crashes, random);
      assert.ok(delayMs > waitMs / 2 && delayMs <= waitMs, `${crashes}: ${delayMs}`);
    }
  }
  const hasty = new RestartBudget({ backoff: { firstMs: 0, factor: 1, maxMs: 0 } });
  assert.equal(hasty.delayMs(2, random), 1);
});

Deno.test("a temporary child ends with its first crash, a transient one with its own wish, a permanent one never", () => {
  const bench = makeBench();
  const quitter: Behaviour<unknown, null> = {
    name: "quitter",
    init: () => null,
    receive(context, _state, message) {
      if (message === "crash") throw new Error("crash");
      context.stopSelf();
    },
  };
  for (const restart of ["temporary", "transient", "permanent"] as const) {
    bench.system.spawn(restart, quitter, { restart });
  }
  const alive = () => bench.system.counters().map((line) => line.path);
  bench.system.tell(at("temporary"), "crash");
  bench.settle();
  assert.deepEqual(alive(), ["transient", "permanent"]);
  for (const path of alive()) bench.system.tell(at(path), "quit");
  bench.settle();
  assert.deepEqual(alive(), ["permanent"]);
});

Deno.test("watch: one command for an end, none for a restart, at once for one who is dead or never lived", () => {
  const bench = makeBench();
  const seen: [string, ExitReason["type"]][] = [];
  const watched = bench.system.spawn("watched", recorder([]), {
    intensity: { restartsMax: 1, withinMs: 1000 },
  });
  const dead = bench.system.spawn("dead", recorder([]), { restart: "temporary" });
  bench.system.tell(dead, "crash");
  bench.settle();
  bench.system.spawn<[string, ExitReason["type"]], null>("watcher", {
    name: "watcher",
    init(context) {
      for (const path of ["watched", "dead", "never"]) {
        context.watch(at(path), (reason) => [path, reason.type]);
      }
      return null;
    },
    receive: (_context, _state, message) => void seen.push(message),
  });
  bench.settle();
  assert.deepEqual(seen, [["dead", "unknown"], ["never", "unknown"]]);
  bench.system.tell(watched, "crash");
  bench.settle();
  assert.equal(seen.length, 2);
  bench.system.tell(watched, "crash");
  bench.settle();
  assert.deepEqual(seen[2], ["watched", "failed"]);
});

Deno.test("stopping a child frees its key in the same command", () => {
  const bench = makeBench();
  const events: string[] = [];
  const ref = bench.system.spawn<string, null>("p", {
    name: "p",
    init(context) {
      context.spawn("c", tracer("c", events));
      return null;
    },
    receive(context, _state, message) {
      if (message === "replace") context.stopChild(at("p/c"));
      context.spawn("c", tracer("c", events));
    },
  });
  bench.system.tell(ref, "replace");
  bench.settle();
  assert.deepEqual(events, ["+c", "-c", "+c"]);
  assert.equal(bench.failures.length, 0);
  bench.system.tell(ref, "duplicate");
  bench.settle();
  assert.match(String(bench.failures[0]?.error), /has a child with key "c" already/);
});

Deno.test("release runs once per life, and a throw in it does not stop the others", async () => {
  const bench = makeBench();
  const events: string[] = [];
  bench.system.spawn("a", tracer("a", events));
  const bad = bench.system.spawn("bad", {
    ...tracer("bad", events),
    release() {
      events.push("-bad");
      throw new Error("cannot let go");
    },
  });
  bench.system.tell(bad, "crash");
  bench.settle();
  await bench.system.stop();
  assert.deepEqual(events, ["+a", "+bad", "-bad", "+bad", "-bad", "-a"]);
  assert.ok(bench.logged.some(({ message }) => message.includes("released its resources")));
});

Deno.test("stop during a task waits for it and drops its outcome, without spinning", async () => {
  const bench = makeBench();
  const seen: unknown[] = [];
  bench.system.spawn("a", {
    ...recorder(seen),
    init(context) {
      context.perform(() => "late", () => "late");
      return { told: [] };
    },
  });
  let stopped = false;
  const stopping = bench.system.stop().then(() => stopped = true);
  for (let i = 0; i < 10; i++) await null;
  assert.equal(stopped, false);
  await bench.runTask();
  await stopping;
  assert.deepEqual(seen, []);
});

Deno.test("stop gives up on a task that never settles, and says whose it is", async () => {
  const bench = makeBench();
  bench.system.spawn("stuck", {
    ...recorder([]),
    init(context) {
      context.perform(() => new Promise(() => {}), () => "never");
      return { told: [] };
    },
  });
  const stopping = bench.system.stop();
  for (let i = 0; i < 10; i++) await null;
  bench.advance(10_000);
  await stopping;
  assert.deepEqual(bench.logged.at(-1)?.fields, { actors: ["stuck"] });
});

Deno.test("after stop: tells are dead letters, asks are unknown, waiting asks are answered", async () => {
  const bench = makeBench();
  const ref = bench.system.spawn("a", recorder([]));
  const waiting = bench.system.ask<unknown, number>(ref, (replyTo) => replyTo, 1000);
  await bench.system.stop();
  assert.deepEqual(await waiting, { type: "unknown", reason: "stopped" });
  assert.deepEqual(await bench.system.ask(ref, (replyTo) => replyTo, 1000), {
    type: "unknown",
    reason: "stopped",
  });
  const before = bench.system.deadLetterCount;
  bench.system.tell(ref, 1);
  assert.equal(bench.system.deadLetterCount, before + 1);
});
