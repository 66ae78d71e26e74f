/** The link's promise under every sequence of path breaks, against a model that knows what was sent. */
import assert from "node:assert/strict";
import fc from "fast-check";
import {
  encodeEnvelope,
  type Envelope,
  ENVELOPE_BYTES_MAX,
  ENVELOPE_HEADER_BYTES,
} from "../../../protocols/envelope.ts";
import { Link, LINK_QUEUE_BYTES_MAX, LINK_WINDOW_BYTES } from "../../../protocols/session/link.ts";
import type { ResumeFrame } from "../../../protocols/session/messages.ts";
import { decodeFrame, encodeFrame } from "../../../protocols/session/wire.ts";
import { labelledRandom } from "./support.ts";

const TAG = new Uint8Array(8);

function message(number: number, bytes: number): Envelope {
  const body = new Uint8Array(4 + bytes).fill(number);
  new DataView(body.buffer).setUint32(0, number);
  return { protocol: "sync", version: 1, requestId: 0, body };
}

function resumeOf(link: Link): ResumeFrame {
  return { type: "resume", ...link.resume(), boot: TAG, lastPath: TAG };
}

/** Opens a path: the resume exchange over the wire form. Returns what each side came to. */
function connect(initiator: Link, responder: Link, replyArrives = true) {
  const hello = decodeFrame(encodeFrame(resumeOf(initiator)));
  assert.ok(hello.type === "frame" && hello.frame.type === "resume");
  const theirs = responder.onResume(hello.frame, "responder");
  if (!replyArrives) return { theirs, ours: undefined };
  const reply = decodeFrame(encodeFrame(resumeOf(responder)));
  assert.ok(reply.type === "frame" && reply.frame.type === "resume");
  return { theirs, ours: initiator.onResume(reply.frame, "initiator") };
}

/** Moves at most `frames` frames from one link to the other; collects envelopes. */
function move(from: Link, to: Link, frames: number, frameBytesMax: number, into: Uint8Array[]) {
  for (let count = 0; count < frames; count++) {
    const bytes = from.nextFrame(frameBytesMax);
    if (bytes === undefined) return;
    assert.ok(bytes.length <= frameBytesMax);
    const outcome = decodeFrame(bytes);
    assert.ok(outcome.type === "frame" && outcome.frame.type === "data");
    const received = to.onData(outcome.frame);
    assert.ok(received.type === "received", JSON.stringify(received));
    into.push(...received.envelopes.map((envelope) => envelope.slice()));
  }
}

function acknowledge(from: Link, to: Link) {
  assert.equal(to.onAcknowledgement(from.takeAcknowledgement()), undefined);
}

function newLink(label: string): Link {
  const random = labelledRandom(label);
  return new Link(() => random.bytes(16));
}

Deno.test("link delivers every envelope exactly once and in order, or declares a reset, under any path breaks", () => {
  const step = fc.oneof(
    {
      weight: 4,
      arbitrary: fc.record({
        type: fc.constant("send" as const),
        side: fc.nat(1),
        bytes: fc.nat(3000),
      }),
    },
    {
      weight: 4,
      arbitrary: fc.record({
        type: fc.constant("move" as const),
        side: fc.nat(1),
        frames: fc.nat(6),
      }),
    },
    // Frames that left one side and never reached the other: the path is broken, its sender does not know how far it came.
    {
      weight: 2,
      arbitrary: fc.record({
        type: fc.constant("lose" as const),
        side: fc.nat(1),
        frames: fc.nat(6),
      }),
    },
    { weight: 2, arbitrary: fc.record({ type: fc.constant("ack" as const), side: fc.nat(1) }) },
    {
      weight: 3,
      arbitrary: fc.record({
        type: fc.constant("connect" as const),
        initiator: fc.nat(1),
        frameBytesMax: fc.integer({ min: 20, max: 2000 }),
        replyArrives: fc.boolean(),
      }),
    },
    { weight: 1, arbitrary: fc.record({ type: fc.constant("restart" as const), side: fc.nat(1) }) },
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      let restarts = 0;
      const links: [Link, Link] = [newLink("a"), newLink("b")];
      const sent: [Uint8Array[], Uint8Array[]] = [[], []]; // what side s has sent since its last reset
      const got: [Uint8Array[], Uint8Array[]] = [[], []]; // what the other side has received of it
      let frameBytesMax = 0; // 0: no path
      let number = 0;
      const check = () => {
        for (const side of [0, 1] as const) {
          assert.ok(got[side].length <= sent[side].length);
          got[side].forEach((bytes, index) => assert.deepEqual(bytes, sent[side][index]));
        }
      };
      const onConnect = (initiator: 0 | 1, replyArrives: boolean) => {
        const { ours, theirs } = connect(
          links[initiator],
          links[initiator === 0 ? 1 : 0],
          replyArrives,
        );
        assert.notEqual(theirs.type, "violation");
        if (theirs.type === "fresh") {
          // Declared at the responder: its queue is gone, and what it receives now begins anew.
          sent[initiator === 0 ? 1 : 0] = [];
          got[initiator === 0 ? 1 : 0] = [];
        }
        if (ours !== undefined) {
          // Only this mix is possible: the reply of an earlier exchange was lost, so one end began then and the other now.
          assert.ok(
            ours.type === theirs.type || (ours.type === "resumed" && got[initiator].length === 0),
            ours.type,
          );
          if (ours.type === "fresh") {
            sent[initiator] = [];
            got[initiator] = [];
          }
        }
        return ours !== undefined;
      };
      for (const step of steps) {
        const connected = frameBytesMax > 0;
        switch (step.type) {
          case "send": {
            if (!connected) break;
            const side = step.side as 0 | 1;
            const envelope = message(++number, step.bytes);
            assert.ok(links[side].enqueue(envelope));
            sent[side].push(encodeEnvelope(envelope));
            break;
          }
          case "move":
            if (connected) {
              move(
                links[step.side]!,
                links[1 - step.side]!,
                step.frames,
                frameBytesMax,
                got[step.side]!,
              );
            }
            break;
          case "lose":
            if (!connected) break;
            for (let count = 0; count < step.frames; count++) {
              links[step.side]!.nextFrame(frameBytesMax);
            }
            frameBytesMax = 0;
            break;
          case "ack":
            if (connected) acknowledge(links[step.side]!, links[1 - step.side]!);
            break;
          case "restart":
            links[step.side] = newLink(`restart ${++restarts}`);
            sent[step.side] = [];
            got[step.side] = [];
            frameBytesMax = 0;
            break;
          case "connect":
            frameBytesMax = onConnect(step.initiator as 0 | 1, step.replyArrives)
              ? step.frameBytesMax
              : 0;
            break;
        }
        check();
      }
      // Faults stop: one good path, and everything arrives.
      onConnect(0, true);
      for (let round = 0; round < 100; round++) {
        move(links[0], links[1], 1_000, 1_000, got[0]);
        move(links[1], links[0], 1_000, 1_000, got[1]);
        acknowledge(links[0], links[1]);
        acknowledge(links[1], links[0]);
      }
      check();
      for (const side of [0, 1] as const) {
        assert.equal(got[side].length, sent[side].length);
        assert.equal(links[side].bufferedBytes, 0);
      }
    }),
    { seed: 11, numRuns: 3_000 },
  );
});

Deno.test("link refuses envelopes when its queue is full, and takes them again after acknowledgement", () => {
  const [a, b] = [newLink("a"), newLink("b")];
  connect(a, b);
  const big = message(1, ENVELOPE_BYTES_MAX - ENVELOPE_HEADER_BYTES - 4);
  let taken = 0;
  while (a.enqueue(big)) taken += 1;
  assert.equal(taken, Math.floor(LINK_QUEUE_BYTES_MAX / (ENVELOPE_BYTES_MAX + 4)));
  assert.ok(a.bufferedBytes <= LINK_QUEUE_BYTES_MAX);
  move(a, b, 10_000, 65_536, []);
  acknowledge(b, a);
  assert.ok(a.enqueue(big));
});

Deno.test("link sends no more than its window without acknowledgement", () => {
  const [a, b] = [newLink("a"), newLink("b")];
  connect(a, b);
  while (a.enqueue(message(1, 400_000)));
  let bytes = 0;
  for (let frame = a.nextFrame(65_536); frame !== undefined; frame = a.nextFrame(65_536)) {
    bytes += frame.length;
  }
  assert.ok(bytes >= LINK_WINDOW_BYTES && bytes < LINK_WINDOW_BYTES + 200_000, `${bytes}`);
});

Deno.test("link breaks the path at a gap, a false acknowledgement and an impossible envelope length", () => {
  const link = newLink("a");
  const data = (offset: number, acknowledged: number, bytes: Uint8Array) =>
    link.onData({ type: "data", offset, acknowledged, bytes }).type;
  assert.equal(data(5, 0, Uint8Array.of(1)), "gap");
  assert.equal(data(0, 1, Uint8Array.of(1)), "violation");
  assert.equal(data(0, 0, Uint8Array.of(0xff, 0, 0, 0)), "violation");
  const tooShort = newLink("b");
  assert.equal(
    tooShort.onData({ type: "data", offset: 0, acknowledged: 0, bytes: Uint8Array.of(0, 0, 0, 5) })
      .type,
    "violation",
  );
});

Deno.test("link drops duplicates of stream bytes it already has", () => {
  const [a, b] = [newLink("a"), newLink("b")];
  connect(a, b);
  a.enqueue(message(1, 10));
  const frame = decodeFrame(a.nextFrame(1_000)!);
  assert.ok(frame.type === "frame" && frame.frame.type === "data");
  const first = b.onData(frame.frame);
  const second = b.onData(frame.frame);
  assert.ok(first.type === "received" && second.type === "received");
  assert.deepEqual([first.envelopes.length, second.envelopes.length], [1, 0]);
});

Deno.test("link never throws on stream bytes from outside, and keeps no more than one envelope", () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 20 }), (parts) => {
      const link = newLink("fuzz");
      for (const bytes of parts) {
        const outcome = link.onData({
          type: "data",
          offset: link.received,
          acknowledged: 0,
          bytes,
        });
        if (outcome.type === "violation") return;
      }
    }),
    { seed: 3, numRuns: 500 },
  );
});

Deno.test("link goes on where it is when acknowledgements on the old path have overtaken the resume frame of the new one", () => {
  const [anna, ben] = [newLink("overtaken a"), newLink("overtaken b")];
  connect(anna, ben);
  const delivered: Uint8Array[] = [];
  for (let number = 0; number < 4; number++) anna.enqueue(message(number, 500));
  move(anna, ben, 1, 600, delivered);
  acknowledge(ben, anna);
  // Ben begins a better path; before anna hears of it, more has come over the old one and was acknowledged there.
  const early = resumeOf(ben);
  move(anna, ben, 2, 600, delivered);
  acknowledge(ben, anna);
  assert.ok(anna.acknowledged > early.received);
  assert.deepEqual(anna.onResume(early, "responder"), { type: "resumed" });
  assert.deepEqual(ben.onResume(resumeOf(anna), "initiator"), { type: "resumed" });
  move(anna, ben, 10, 600, delivered);
  assert.deepEqual(delivered.map((body) => body.length), Array(4).fill(delivered[0]!.length));
  assert.deepEqual(
    delivered.map((bytes) => new DataView(bytes.buffer, bytes.byteOffset + 6).getUint32(0)),
    [0, 1, 2, 3],
  );
  // What was never sent cannot have arrived.
  const tooFar = { ...resumeOf(ben), received: ben.received + 1 };
  assert.equal(anna.onResume(tooFar, "responder").type, "violation");
});
