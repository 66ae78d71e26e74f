/** What a path tells its one listener, whatever the listener does when it is told. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { BrokerPath } from "../../platform/broker_path.ts";
import { PathEvents } from "../../platform/path_events.ts";
import { systemClock } from "../../platform/system_clock.ts";
import type { PathEvent } from "../../platform/transport.ts";
import type { Channel, ChannelEvents } from "../../platform/webrtc_library.ts";
import { webrtcPath } from "../../platform/webrtc_path.ts";

const frame = (value: number): PathEvent => ({ type: "frame", frame: Uint8Array.of(value) });
const CLOSED: PathEvent = { type: "closed", reason: "over" };

Deno.test("events come in order to whoever listens, and none is lost while the path is handed on", () => {
  const step = fc.constantFrom("deliver", "hold", "listen");
  fc.assert(fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
    const events = new PathEvents();
    const heard: PathEvent[] = [];
    let sent = 0;
    for (const what of steps) {
      if (what === "deliver") events.deliver(frame(sent++));
      else if (what === "hold") events.hold();
      else events.listen((event) => heard.push(event));
    }
    assert.equal(events.waitingBytes, sent - heard.length);
    events.listen((event) => heard.push(event));
    assert.deepEqual(heard, Array.from({ length: sent }, (_, i) => frame(i)));
    assert.equal(events.waitingBytes, 0);
  }));
});

Deno.test("what a listener causes comes after what had waited, and after the end comes nothing", () => {
  const events = new PathEvents();
  for (const value of [1, 2]) events.deliver(frame(value));
  const heard: PathEvent[] = [];
  events.listen((event) => {
    heard.push(event);
    if (heard.length === 1) events.deliver(CLOSED);
  });
  events.deliver(frame(3));
  events.deliver(CLOSED);
  assert.deepEqual(heard, [frame(1), frame(2), CLOSED]);
});

Deno.test("a listener that hands the path on is told no more, and the next one gets the rest", () => {
  const events = new PathEvents();
  for (const value of [1, 2, 3]) events.deliver(frame(value));
  const [first, second]: PathEvent[][] = [[], []];
  events.listen((event) => {
    first!.push(event);
    events.hold();
  });
  events.listen((event) => second!.push(event));
  assert.deepEqual([first, second], [[frame(1)], [frame(2), frame(3)]]);
});

Deno.test("a listener that throws loses no event but the one it was told", () => {
  const events = new PathEvents();
  for (const value of [1, 2]) events.deliver(frame(value));
  assert.throws(() =>
    events.listen(() => {
      throw new Error("cannot");
    }), /cannot/);
  const heard: PathEvent[] = [];
  events.listen((event) => heard.push(event));
  assert.deepEqual(heard, [frame(2)]);
});

Deno.test("closing a path at the first frame that waited makes closed the last event, over WebRTC and over a broker", () => {
  let events: ChannelEvents | undefined;
  const webrtc = webrtcPath({
    clock: systemClock(),
    attach(given) {
      events = given;
      return { readyState: "open", bufferedAmount: 0, close() {} } as unknown as Channel;
    },
    onOpen() {},
    onEnd() {},
  });
  const broker = new BrokerPath({
    clock: systemClock(),
    description: "nats",
    publish: () => true,
    onEnd() {},
  });
  for (const value of [0, 1, 2]) {
    const payload = Uint8Array.of(value);
    events!.onMessage(payload);
    broker.receive({ type: "data", id: "", sequence: value, payload });
  }
  for (const path of [webrtc, broker]) {
    const heard: string[] = [];
    path.listen((event) => {
      heard.push(event.type);
      path.close("enough");
    });
    assert.deepEqual(heard, ["frame", "frame", "frame", "closed"], path.kind);
  }
});
