/** Ends that no longer agree about the stream between them: the session is up, but must not stay stuck. */
import assert from "node:assert/strict";
import { seededRandom } from "../../../platform/seeded_random.ts";
import { FRAME_KINDS } from "../../../protocols/session/wire.ts";
import { connected } from "./pair_support.ts";
import type { TestNode } from "./world.ts";

/** Where the length of the first envelope of a data frame begins. */
const LENGTH_AT = 13;
/** Where a position begins in data frames and in acknowledgements. */
const ACKNOWLEDGED_AT = { data: 7, pong: 5 };

const isUp = (node: TestNode) => node.sessionEvents.at(-1)?.type === "up";
const received = (node: TestNode) => node.received.map(({ body }) => body[0]);

/** Two nodes that are connected by paths that encrypt by themselves, so that a test can change what is said. */
const connectedInClear = () => connected((net) => net.confidential = true);

Deno.test("sessions begin afresh when a message never ends and swallows all that comes, though the peer is heard", async () => {
  const { time, net, a, b, stop } = await connectedInClear();
  let damaged = false;
  net.alter = (frame, to) => {
    if (damaged || to !== "ben" || frame[0] !== FRAME_KINDS.data) return frame;
    damaged = true;
    const copy = frame.slice();
    copy[LENGTH_AT + 1]! |= 4;
    return copy;
  };
  // Something is said every second, so that data and acknowledgements flow all the time.
  for (let second = 1; second <= 75; second++) {
    a.send(b, Uint8Array.of(second));
    await time.run(1_000);
  }
  assert.ok(damaged);
  assert.ok(isUp(a) && isUp(b));
  const ups = b.sessionEvents.filter(({ type }) => type === "up");
  assert.deepEqual(ups.map((event) => event.type === "up" && event.resumed), [false, false]);
  // Nothing of what was swallowed is shown; what is said afterwards arrives.
  const numbers = received(b);
  assert.ok(numbers[0]! > 55 && numbers.includes(75), `${numbers}`);
  await stop();
});

Deno.test("sessions wait for the end of a message whose path breaks for a while in the middle", async () => {
  const { time, net, a, b, stop } = await connectedInClear();
  // A part arrives, then nothing: the path seems to live until its silence is noticed.
  net.alter = (frame, to) => {
    if (to === "ben" && frame[0] === FRAME_KINDS.data) net.cut();
    return frame;
  };
  a.send(b, new Uint8Array(300_000).fill(7));
  await time.run(5_000);
  net.down.add("ben");
  await time.run(55_000);
  assert.ok(!isUp(a) && !isUp(b));
  net.alter = (frame) => frame;
  net.down.delete("ben");
  // Anna dials, and the rest comes so slowly that Ben looks for it in between.
  net.latencyMs = 700;
  a.system.tell(a.sessions, { type: "connectNow", deviceId: b.device.id });
  await time.run(8_000);
  assert.deepEqual(received(b), [7]);
  assert.ok(isUp(a) && isUp(b));
  const last = b.sessionEvents.at(-1);
  assert.ok(last?.type === "up" && last.resumed);
  await stop();
});

Deno.test("sessions begin afresh when the same data is missing on every path", async () => {
  const { time, net, a, b, stop } = await connectedInClear();
  a.send(b, Uint8Array.of(1));
  await time.run(1_000);
  // Ben's acknowledgement covers what has not reached him: nobody will send him that again.
  let lying = false;
  net.alter = (frame, to) => {
    if (!lying) return frame;
    if (to === "ben" && frame[0] === FRAME_KINDS.data) {
      return Uint8Array.of(FRAME_KINDS.ack, 0, 0, 0, 0, 0, 0);
    }
    if (to !== "anna") return frame;
    const at = frame[0] === FRAME_KINDS.data ? ACKNOWLEDGED_AT.data : ACKNOWLEDGED_AT.pong;
    if (frame[0] !== FRAME_KINDS.pong && frame[0] !== FRAME_KINDS.data) return frame;
    const copy = frame.slice();
    copy[at + 5]! += 2;
    return copy;
  };
  lying = true;
  a.send(b, Uint8Array.of(2));
  await time.run(2_000);
  lying = false;
  net.break();
  await time.run(5_000);
  for (let second = 1; second <= 60; second++) {
    a.send(b, Uint8Array.of(3));
    await time.run(1_000);
  }
  assert.ok(isUp(a) && isUp(b));
  assert.ok(received(b).includes(3));
  // It came back after a few tries and stayed.
  assert.ok(b.sessionEvents.length < 10, `${b.sessionEvents.length} changes`);
  await stop();
});

Deno.test("sessions carry messages again soon after the last mistake, whatever bits were wrong before", async () => {
  for (let seed = 0; seed < 20; seed++) {
    const { time, net, a, b, stop } = await connectedInClear();
    const random = seededRandom(`bits ${seed}`);
    net.alter = (frame) => {
      if (random.below(8) > 0) return frame;
      const copy = frame.slice();
      copy[random.below(copy.length)]! ^= 1 << random.below(8);
      return copy;
    };
    for (let round = 0; round < 40; round++) {
      const [from, to] = random.below(2) === 0 ? [a, b] : [b, a];
      from.send(to, new Uint8Array(1 + random.below(2_000)));
      await time.run(random.below(1_000));
      if (random.below(10) === 0) net.break();
    }
    net.alter = (frame) => frame;
    // Both talk all the time, so that nothing is noticed by silence.
    for (let second = 0; second < 150; second++) {
      a.send(b, Uint8Array.of(1));
      b.send(a, Uint8Array.of(1));
      await time.run(1_000);
    }
    const last = Uint8Array.of(2);
    a.send(b, last);
    b.send(a, last);
    await time.run(1_000);
    for (const node of [a, b]) assert.equal(received(node).at(-1), 2, `seed ${seed}`);
    await stop();
  }
});
