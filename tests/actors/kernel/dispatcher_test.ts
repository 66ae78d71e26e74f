/** The production pump: everybody's turn comes, and sockets and timers are not starved. */
import assert from "node:assert/strict";
import { pump, runTask, type Turn } from "../../../actors/kernel/dispatcher.ts";

/** A clock that moves by 1 ms with every look, and keeps macrotasks for the test to run. */
function steppingClock() {
  let nowMs = 0;
  const macrotasks: (() => void)[] = [];
  return {
    clock: {
      wallMs: () => nowMs,
      monotonicMs: () => ++nowMs,
      schedule(_delayMs: number, callback: () => void) {
        macrotasks.push(callback);
        return () => {};
      },
    },
    macrotasks,
  };
}

async function microtasks(): Promise<void> {
  for (let i = 0; i < 20; i++) await null;
}

Deno.test("a turn that always has more gives way after its budget and goes on after a macrotask", async () => {
  const { clock, macrotasks } = steppingClock();
  const dispatcher = pump(clock, 5);
  let runs = 0;
  dispatcher.ready({
    run() {
      runs++;
      return runs < 1_000;
    },
  });
  await microtasks();
  const first = runs;
  assert.ok(first > 0 && first <= 6, `${first} runs in the first slice`);
  assert.equal(macrotasks.length, 1);
  macrotasks.shift()!();
  await microtasks();
  assert.ok(runs > first && runs <= 2 * first + 1);
});

Deno.test("microtasks that wake each other share one budget", async () => {
  const { clock, macrotasks } = steppingClock();
  const dispatcher = pump(clock, 5);
  let runs = 0;
  const turn: Turn = {
    run() {
      runs++;
      if (runs < 1_000) Promise.resolve().then(() => dispatcher.ready(turn));
      return false;
    },
  };
  dispatcher.ready(turn);
  for (let i = 0; i < 100; i++) await microtasks();
  assert.ok(runs <= 10, `${runs} runs without a macrotask`);
  while (runs < 1_000) {
    assert.ok(macrotasks.length > 0, "stuck");
    macrotasks.shift()!();
    await microtasks();
  }
});

Deno.test("turns are taken round robin", async () => {
  const { clock } = steppingClock();
  const dispatcher = pump(clock, 1_000);
  const order: string[] = [];
  for (const name of ["a", "b", "c"]) {
    let left = 3;
    dispatcher.ready({
      run() {
        order.push(name);
        return --left > 0;
      },
    });
  }
  await microtasks();
  assert.equal(order.join(""), "abcabcabc");
});

Deno.test("a task may answer now, later, throw or reject: the outcome comes once", async () => {
  const outcomes: unknown[] = [];
  const settled = (outcome: unknown) => outcomes.push(outcome);
  const error = new Error("no");
  runTask(() => 1, settled);
  runTask(() => Promise.resolve(2), settled);
  runTask(() => {
    throw error;
  }, settled);
  runTask(() => Promise.reject(error), settled);
  await microtasks();
  assert.deepEqual(outcomes, [
    { ok: true, value: 1 },
    { ok: false, error },
    { ok: true, value: 2 },
    { ok: false, error },
  ]);
});
