import assert from "node:assert/strict";
import {
  Heartbeat,
  HEARTBEAT_DEAD_MS,
  HEARTBEAT_DOUBT_MS,
  HEARTBEAT_INTERVAL_MS,
  type HeartbeatDue,
} from "../../../protocols/session/heartbeat.ts";

/** Lives from `fromMs` on, looking when it is due; `hears` says whether an answer comes 5 ms after a ping that leaves then. */
function live(
  heartbeat: Heartbeat,
  { fromMs, untilMs, hears }: {
    readonly fromMs: number;
    readonly untilMs: number;
    readonly hears: (atMs: number) => boolean;
  },
): { readonly atMs: number; readonly due: HeartbeatDue }[] {
  const looks: { atMs: number; due: HeartbeatDue }[] = [];
  for (let nowMs = fromMs; nowMs <= untilMs;) {
    const due = heartbeat.due(nowMs);
    looks.push({ atMs: nowMs, due });
    if (due.type === "dead") return looks;
    if (due.type === "ping" && hears(nowMs)) {
      heartbeat.heard(nowMs + 5);
      heartbeat.pong(due.token, nowMs + 5);
    }
    nowMs += due.nextMs;
  }
  return looks;
}

Deno.test("heartbeat pings once a second while it is answered, and doubts nothing", () => {
  const heartbeat = new Heartbeat(0);
  const looks = live(heartbeat, {
    fromMs: HEARTBEAT_INTERVAL_MS,
    untilMs: 60_000,
    hears: () => true,
  });
  const pings = looks.filter(({ due }) => due.type === "ping").map(({ atMs }) => atMs);
  assert.deepEqual(pings, Array.from({ length: 60 }, (_, index) => (index + 1) * 1_000));
  assert.ok(looks.every(({ due }) => due.type !== "dead" && !due.doubtful));
  assert.equal(heartbeat.roundTripMs, 5);
});

Deno.test("heartbeat doubts a path soon, asks it often, and calls it dead after four silent seconds and not before", () => {
  // Silence begins at every moment between two pings.
  for (let cutMs = 10_000; cutMs < 11_000; cutMs += 50) {
    const heartbeat = new Heartbeat(0);
    const looks = live(heartbeat, {
      fromMs: HEARTBEAT_INTERVAL_MS,
      untilMs: 60_000,
      hears: (atMs) => atMs + 5 <= cutMs,
    });
    const heardMs = Math.floor(cutMs / 1_000) * 1_000 + (cutMs % 1_000 >= 5 ? 5 : -995);
    const doubt = looks.find(({ due }) => due.type !== "dead" && due.doubtful);
    const doubtMs = (doubt?.atMs ?? Infinity) - heardMs;
    assert.ok(doubtMs >= HEARTBEAT_DOUBT_MS && doubtMs <= 1_750, `cut ${cutMs}: ${doubtMs}`);
    const dead = looks.at(-1);
    assert.equal(dead?.due.type, "dead");
    const deadMs = (dead?.atMs ?? 0) - heardMs;
    assert.ok(deadMs >= HEARTBEAT_DEAD_MS && deadMs <= HEARTBEAT_DEAD_MS + 250, `${deadMs}`);
    const asked = looks.filter(({ atMs, due }) => atMs > heardMs + 1_000 && due.type === "ping");
    assert.ok(asked.length >= 10, String(asked.length));
  }
});

Deno.test("heartbeat takes a doubt back when anything is heard", () => {
  const heartbeat = new Heartbeat(0);
  live(heartbeat, { fromMs: 1_000, untilMs: 2_600, hears: () => false });
  heartbeat.heard(2_700);
  const due = heartbeat.due(2_750);
  assert.ok(due.type !== "dead" && !due.doubtful);
  assert.equal(heartbeat.silentMs(2_750), 50);
});

Deno.test("heartbeat does not take its own standstill for silence of the other end", () => {
  const heartbeat = new Heartbeat(0);
  const first = heartbeat.due(1_000);
  assert.ok(first.type === "ping");
  heartbeat.heard(1_005);
  // The process stood still for nine seconds: what came meanwhile is still unread.
  const late = heartbeat.due(1_000 + first.nextMs + 9_000);
  assert.ok(late.type === "ping" && !late.doubtful);
  assert.ok(heartbeat.silentMs(10_500) < 1_000);
  // From then on silence counts again.
  const looks = live(heartbeat, {
    fromMs: 10_500 + late.nextMs,
    untilMs: 60_000,
    hears: () => false,
  });
  const dead = looks.at(-1);
  assert.ok(dead?.due.type === "dead" && dead.atMs <= 10_500 + HEARTBEAT_DEAD_MS + 250);
});

Deno.test("heartbeat never waits for less than a clock can tell", () => {
  const heartbeat = new Heartbeat(0.1);
  let nowMs = 1_000.1 - 1e-9;
  for (let look = 0; look < 100; look++) {
    const due = heartbeat.due(nowMs);
    assert.ok(due.type !== "dead" && due.nextMs >= 1, JSON.stringify(due));
    heartbeat.heard(nowMs);
    // A timer that fires a hair too early.
    nowMs += due.nextMs - 1e-9;
  }
});

Deno.test("heartbeat asked in between pings at once", () => {
  const heartbeat = new Heartbeat(0);
  assert.equal(heartbeat.ask(100).type, "ping");
  assert.equal(heartbeat.ask(4_000).type, "dead");
});

Deno.test("heartbeat smooths round trips and believes only the answer to its latest ping", () => {
  const heartbeat = new Heartbeat(0);
  const first = heartbeat.ask(0);
  assert.ok(first.type === "ping");
  heartbeat.pong(first.token, 8);
  assert.equal(heartbeat.roundTripMs, 8);
  heartbeat.pong(first.token, 500);
  assert.equal(heartbeat.roundTripMs, 8);
  const second = heartbeat.ask(1_000);
  assert.ok(second.type === "ping");
  heartbeat.heard(1_001);
  heartbeat.pong(second.token, 1_016);
  assert.equal(heartbeat.roundTripMs, 9);
});
