/** The parts below the QUIC transport: frames on a stream, and which addresses are offered and dialled. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { Buffer } from "node:buffer";
import { systemClock } from "../../platform/system_clock.ts";
import {
  dialAddresses,
  hostOfAddress,
  offeredCandidates,
  QUIC_DIALS_MAX,
  seenAt,
} from "../../platform/quic_addresses.ts";
import { QUIC_PROTOCOL } from "../../platform/quic_library.ts";
import {
  QUIC_FRAME_BYTES_MAX,
  QUIC_FRAME_BYTES_MAX_1,
  quicPath,
} from "../../platform/quic_path.ts";
import { QuicReader } from "../../platform/quic_reader.ts";
import type { PathEvent } from "../../platform/transport.ts";

/** A path that reads these pieces; the connection under it is only asked to close. */
function pathOf(pieces: readonly Uint8Array[], protocol: string = QUIC_PROTOCOL, ends = true) {
  let closes = 0;
  const never = new Promise<never>(() => {});
  const connection = {
    remoteAddr: { transport: "udp", hostname: "::1", port: 7 },
    closed: never,
    protocol,
    close: () => closes += 1,
  } as unknown as Deno.QuicConn;
  const stream = new ReadableStream<Uint8Array>({
    start(controller) {
      for (const piece of pieces) controller.enqueue(piece);
      if (ends) controller.close();
    },
  });
  const written: Uint8Array[] = [];
  const sink = new WritableStream<Uint8Array>({ write: (bytes) => void written.push(bytes) });
  const path = quicPath({
    clock: systemClock(),
    connection,
    reader: new QuicReader(stream),
    writer: sink.getWriter(),
    binding: new Uint8Array(32),
    onEnd: () => {},
  });
  const events: PathEvent[] = [];
  const closed = new Promise<void>((resolve) =>
    path.listen((event) => {
      events.push(event);
      if (event.type === "closed") resolve();
    })
  );
  return { path, events, closed, written, closes: () => closes };
}

const framed = (bytes: Uint8Array): Uint8Array => {
  const out = new Uint8Array(4 + bytes.length);
  new DataView(out.buffer).setUint32(0, bytes.length);
  out.set(bytes, 4);
  return out;
};

Deno.test("frames come out whole however the stream cuts them", async () => {
  const frames = [Uint8Array.of(1), new Uint8Array(0), new Uint8Array(5_000).fill(7)];
  const stream = Uint8Array.from(frames.flatMap((frame) => [...framed(frame)]));
  for (const size of [1, 2, 3, 4, 5, 64, 5_000, stream.length]) {
    const pieces = Array.from(
      { length: Math.ceil(stream.length / size) },
      (_, index) => stream.slice(index * size, (index + 1) * size),
    );
    const { events, closed, closes } = pathOf(pieces);
    await closed;
    assert.deepEqual(events, [
      ...frames.map((frame) => ({ type: "frame" as const, frame })),
      { type: "closed", reason: "closed by the other end" },
    ]);
    assert.equal(closes(), 1);
  }
});

Deno.test("a frame that is too long or cut off ends the path, and nothing of it is delivered", async () => {
  const tooLong = new Uint8Array(8);
  new DataView(tooLong.buffer).setUint32(0, QUIC_FRAME_BYTES_MAX + 1);
  for (
    const [pieces, reason] of [
      [[tooLong], /frame of 262145 bytes, expected <= 262144/],
      [[framed(new Uint8Array(9)).subarray(0, 10)], /inside a frame/],
      [[Uint8Array.of(0, 0)], /closed by the other end/],
    ] as const
  ) {
    const { events, closed } = pathOf(pieces);
    await closed;
    assert.equal(events.length, 1);
    const [event] = events;
    assert.ok(event?.type === "closed" && reason.test(event.reason));
  }
});

Deno.test("an end that knows the first protocol only gets and sends frames of 64 KiB", async () => {
  const tooLong = new Uint8Array(8);
  new DataView(tooLong.buffer).setUint32(0, QUIC_FRAME_BYTES_MAX_1 + 1);
  const { path, events, closed } = pathOf([tooLong], "kiana/1");
  assert.equal(path.frameBytesMax, QUIC_FRAME_BYTES_MAX_1);
  assert.throws(() => path.send(new Uint8Array(QUIC_FRAME_BYTES_MAX_1 + 1)), /<= 65536/);
  await closed;
  assert.ok(events[0]?.type === "closed" && /frame of 65537 bytes/.test(events[0].reason));
});

Deno.test("small and large frames leave in order with their lengths, whichever are copied", async () => {
  const sizes = [1, 40_000, 3, QUIC_FRAME_BYTES_MAX, 70_000, 0, 20_000, 90_000];
  const frames = sizes.map((size, index) => new Uint8Array(size).fill(index + 1));
  const { path, written } = pathOf([], QUIC_PROTOCOL, false);
  for (const frame of frames) assert.ok(path.send(frame));
  path.close("tested");
  const expected = frames.reduce((sum, frame) => sum + 4 + frame.length, 0);
  for (let turn = 0; turn < 100 && total(written) < expected; turn++) {
    await new Promise<void>((resolve) => setTimeout(resolve, 0));
  }
  const sent = new Uint8Array(await new Blob(written as BlobPart[]).arrayBuffer());
  const whole = await new Blob(frames.map((frame) => framed(frame)) as BlobPart[]).arrayBuffer();
  assert.ok(Buffer.from(sent).equals(Buffer.from(whole)));
});

const total = (pieces: readonly Uint8Array[]) =>
  pieces.reduce((sum, piece) => sum + piece.length, 0);

Deno.test("what is read is the same however a stream of bytes comes and is asked for, to its last byte", async () => {
  const sizes = fc.array(fc.integer({ min: 0, max: 40_000 }), { maxLength: 6 });
  await fc.assert(
    fc.asyncProperty(sizes, sizes, async (pieces, asked) => {
      const all = Uint8Array.from({ length: pieces.reduce((a, b) => a + b, 0) }, (_, at) => at * 7);
      let at = 0;
      const stream = new ReadableStream({
        type: "bytes",
        start(controller) {
          for (const size of pieces) {
            if (size > 0) controller.enqueue(all.slice(at, at += size));
          }
          controller.close();
        },
      });
      const reader = new QuicReader(stream);
      let from = 0;
      for (const length of asked) {
        const got = await reader.exactly(length);
        if (from + length > all.length) return assert.equal(got, undefined);
        assert.ok(got !== undefined && Buffer.from(got).equals(all.subarray(from, from += length)));
      }
    }),
    { numRuns: 200 },
  );
});

const machine = [
  { interfaceName: "lo", address: "127.0.0.1", family: "IPv4" as const, internal: true },
  { interfaceName: "eth0", address: "192.168.1.7", family: "IPv4" as const, internal: false },
  { interfaceName: "eth0", address: "fe80::7", family: "IPv6" as const, internal: false },
  { interfaceName: "wlan0", address: "fe80::8", family: "IPv6" as const, internal: false },
  { interfaceName: "wlan0", address: "2001:db8::8", family: "IPv6" as const, internal: false },
];

Deno.test("a device offers what it knows from outside first, link-local addresses last, loopback only when alone", () => {
  const outside = [{ host: "203.0.113.9", port: 4711 }];
  assert.deepEqual(
    offeredCandidates({ interfaces: machine, port: 7464, outside }).map(({ host }) => host),
    ["203.0.113.9", "192.168.1.7", "2001:db8::8", "fe80::7", "fe80::8"],
  );
  assert.deepEqual(
    offeredCandidates({ interfaces: machine.slice(0, 1), port: 7464, outside: [] }),
    [{ host: "127.0.0.1", port: 7464 }],
  );
});

Deno.test("link-local addresses are dialled on every link, and nothing that is no single device at all", () => {
  const candidates = [
    { host: "fe80::1", port: 1 },
    { host: "192.168.1.7", port: 7464 },
    { host: "192.168.1.7", port: 7465 },
    { host: "0.0.0.0", port: 1 },
    { host: "255.255.255.255", port: 1 },
    { host: "224.0.0.251", port: 5353 },
    { host: "ff02::1", port: 1 },
    { host: "::", port: 1 },
    { host: "2001:db8::1", port: 1 },
  ];
  const seenAt = { host: "198.51.100.1", port: 7464 };
  const given = { candidates, seenAt, interfaces: machine, port: 7464 };
  assert.deepEqual(dialAddresses({ ...given, ipv6: true }).map(({ host }) => host), [
    "fe80::1%eth0",
    "fe80::1%wlan0",
    "192.168.1.7",
    "2001:db8::1",
    "198.51.100.1",
  ]);
  assert.deepEqual(dialAddresses({ ...given, ipv6: false }).map(({ host }) => host), [
    "192.168.1.7",
    "198.51.100.1",
  ]);
  const many = Array.from({ length: 24 }, (_, index) => ({ host: "fe80::1", port: index + 1 }));
  assert.equal(dialAddresses({ ...given, candidates: many, ipv6: true }).length, QUIC_DIALS_MAX);
});

Deno.test("only an address is dialled back, never a name that somebody else made", () => {
  assert.deepEqual(seenAt("fe80::1%eth0", 7), { host: "fe80::1%eth0", port: 7 });
  assert.deepEqual(seenAt("192.168.1.7", 7), { host: "192.168.1.7", port: 7 });
  for (const from of ["nats", "router.example", "", "192.168.1"]) {
    assert.equal(seenAt(from, 7), null);
  }
});

Deno.test("the host of a rendezvous address is dialled with its zone", () => {
  assert.equal(hostOfAddress("http://192.168.1.7:7464"), "192.168.1.7");
  assert.equal(hostOfAddress("http://[fe80::1%25eth0]:7464"), "fe80::1%eth0");
  assert.equal(hostOfAddress("http://mother.example:7464"), "mother.example");
  assert.equal(hostOfAddress("nats:abc"), null);
});
