import assert from "node:assert/strict";
import { Heartbeat } from "../../../protocols/session/heartbeat.ts";

Deno.test("heartbeat calls a path dead after four silent seconds and not before", () => {
  const heartbeat = new Heartbeat(0);
  assert.equal(heartbeat.due(3_999).type, "ping");
  assert.deepEqual(heartbeat.due(4_000), { type: "dead", silentMs: 4_000 });
  heartbeat.heard(4_000);
  assert.equal(heartbeat.due(5_000).type, "ping");
});

Deno.test("heartbeat smooths round trips and believes only the answer to its latest ping", () => {
  const heartbeat = new Heartbeat(0);
  const first = heartbeat.due(0);
  assert.ok(first.type === "ping");
  heartbeat.pong(first.token, 8);
  assert.equal(heartbeat.roundTripMs, 8);
  heartbeat.pong(first.token, 500);
  assert.equal(heartbeat.roundTripMs, 8);
  const second = heartbeat.due(1_000);
  assert.ok(second.type === "ping");
  heartbeat.heard(1_001);
  heartbeat.pong(second.token, 1_016);
  assert.equal(heartbeat.roundTripMs, 9);
});
