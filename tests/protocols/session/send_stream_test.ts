/** What the sending half of a link keeps in memory. */
import assert from "node:assert/strict";
import { SendStream } from "../../../protocols/session/send_stream.ts";

Deno.test("what is acknowledged takes no memory, however few messages there were", () => {
  const stream = new SendStream();
  const body = new Uint8Array(500_000);
  for (let i = 0; i < 20; i++) {
    stream.append({ protocol: "sync", version: 1, requestId: 0, body });
    while (stream.pending) stream.cut(65_000, 0);
    assert.ok(stream.held <= 2 * body.length, `${stream.held} bytes held`);
    stream.acknowledge(stream.end);
    assert.equal(stream.held, 0);
  }
  assert.equal(stream.buffered, 0);
});

Deno.test("a new path goes on inside a message after others were let go", () => {
  const stream = new SendStream();
  for (let i = 0; i < 5; i++) {
    const body = new Uint8Array(1_000).fill(i);
    stream.append({ protocol: "sync", version: 1, requestId: 0, body });
  }
  const whole: number[] = [];
  while (stream.pending) whole.push(...stream.cut(300, 0).subarray(13));
  assert.equal(whole.length, stream.end);
  assert.ok(stream.acknowledge(2_500));
  assert.ok(stream.rewind(2_700));
  const rest: number[] = [];
  while (stream.pending) rest.push(...stream.cut(300, 0).subarray(13));
  assert.deepEqual(rest, whole.slice(2_700));
});
