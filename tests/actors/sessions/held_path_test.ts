import assert from "node:assert/strict";
import { backoffMs } from "../../../actors/sessions/backoff.ts";
import { holdPath } from "../../../actors/sessions/held_path.ts";
import type { Path, PathEvent } from "../../../platform/transport.ts";
import { seededRandom } from "../../../platform/seeded_random.ts";

Deno.test("a held path keeps events for the next listener, in order", () => {
  let emit: (event: PathEvent) => void = () => {};
  const path: Path = {
    kind: "simulated",
    description: "",
    binding: new Uint8Array(0),
    confidential: false,
    relayed: false,
    frameBytesMax: 1,
    bufferedBytes: () => 0,
    send: () => true,
    close() {},
    listen: (listener) => emit = listener,
  };
  const held = holdPath(path);
  const heard: string[] = [];
  const event = (value: number): PathEvent => ({ type: "frame", frame: Uint8Array.of(value) });
  const listener = (name: string) => (event: PathEvent) =>
    void heard.push(`${name} ${event.type === "frame" ? event.frame[0] : event.type}`);
  emit(event(1));
  held.listen(listener("a"));
  emit(event(2));
  held.hold();
  emit(event(3));
  emit(event(4));
  held.listen(listener("b"));
  emit(event(5));
  emit({ type: "closed", reason: "over" });
  assert.deepEqual(heard, ["a 1", "a 2", "b 3", "b 4", "b 5", "b closed"]);
});

Deno.test("a held path on which too much comes is closed", () => {
  let emit: (event: PathEvent) => void = () => {};
  const closed: string[] = [];
  const held = holdPath({
    kind: "simulated",
    description: "",
    binding: new Uint8Array(0),
    confidential: false,
    relayed: false,
    frameBytesMax: 65_000,
    bufferedBytes: () => 0,
    send: () => true,
    close: (reason) => void closed.push(reason),
    listen: (listener) => emit = listener,
  });
  for (let i = 0; i < 1_000; i++) emit({ type: "frame", frame: new Uint8Array(65_000) });
  assert.equal(closed[0], "nobody listens");
  let bytes = 0;
  held.listen((event) => bytes += event.type === "frame" ? event.frame.length : 0);
  assert.ok(bytes <= 1024 * 1024, `${bytes} bytes were kept`);
});

Deno.test("backoff doubles from 100 ms to 30 s and leaves away at most a random half", () => {
  const random = seededRandom(1);
  for (
    const [failures, ceiling] of [[0, 100], [1, 200], [5, 3_200], [9, 30_000], [
      1_000,
      30_000,
    ]] as const
  ) {
    const waits = Array.from({ length: 200 }, () => backoffMs(failures, random));
    assert.ok(Math.min(...waits) >= ceiling / 2 && Math.max(...waits) <= ceiling);
    assert.ok(new Set(waits).size > 20);
  }
});
