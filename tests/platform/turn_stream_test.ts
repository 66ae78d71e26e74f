/** TURN over TCP and TLS: framing by itself, and WebRTC over a real coturn that is asked by no other way. */
import assert from "node:assert/strict";
import { join } from "node:path";
import fc from "fast-check";
import { systemClock } from "../../platform/system_clock.ts";
import type { DialOutcome, Path } from "../../platform/transport.ts";
import { turnCredentials } from "../../platform/turn_credentials.ts";
import { firstMessage, openTurnStreams, streamServerOf } from "../../platform/turn_stream.ts";
import { skipped } from "../skipped.ts";
import { certificates } from "./test_certificates.ts";
import { startCoturn, TLS_PORT_STEP, TURN_SECRET, whyNoCoturn } from "./turn_support.ts";
import { MemoryRendezvous, testEnd, webrtcTransport } from "./webrtc_support.ts";

const log = { write() {} };

Deno.test("servers that are reached over a stream are told from those over UDP", () => {
  const cases: [string, ReturnType<typeof streamServerOf>][] = [
    ["turn:a.example:3478", undefined],
    ["turn:a.example?transport=udp", undefined],
    ["turns:a.example?transport=udp", undefined],
    ["stun:a.example:3478", undefined],
    ["turn:a.example?transport=tcp", { hostname: "a.example", port: 3478, tls: false }],
    ["turn:a.example:443?transport=tcp", { hostname: "a.example", port: 443, tls: false }],
    ["turns:a.example", { hostname: "a.example", port: 5349, tls: true }],
    ["turns:a.example:443?transport=TCP", { hostname: "a.example", port: 443, tls: true }],
    ["turns:a.example:70000", undefined],
  ];
  for (const [url, expected] of cases) assert.deepEqual(streamServerOf(url), expected, url);
});

Deno.test("messages are found again in a stream however it is cut", () => {
  const stun = fc.integer({ min: 0, max: 60 }).map((words) => {
    const bytes = new Uint8Array(20 + words * 4).fill(7);
    bytes.set([0x01, 0x13, words * 4 >> 8, words * 4 & 255]);
    return bytes;
  });
  const channel = fc.integer({ min: 0, max: 300 }).map((length) => {
    const bytes = new Uint8Array(4 + length).fill(9);
    bytes.set([0x40, 0x01, length >> 8, length & 255]);
    return bytes;
  });
  const messages = fc.array(fc.oneof(stun, channel), { minLength: 1, maxLength: 12 });
  fc.assert(fc.property(messages, fc.array(fc.integer({ min: 1, max: 40 })), (sent, cuts) => {
    const wire = sent.flatMap((bytes) => [...bytes, ...new Uint8Array((4 - bytes.length % 4) % 4)]);
    const found: Uint8Array[] = [];
    let [rest, at, turn] = [new Uint8Array(0), 0, 0];
    while (at < wire.length) {
      const next = wire.slice(at, at += cuts[turn++ % (cuts.length || 1)] ?? 17);
      rest = Uint8Array.from([...rest, ...next]);
      for (let one; (one = firstMessage(rest)) !== null;) {
        found.push(rest.slice(0, one.messageBytes));
        rest = rest.slice(one.wireBytes);
      }
    }
    assert.equal(rest.length, 0);
    assert.deepEqual(found, sent);
  }));
});

Deno.test("what is neither STUN nor channel data ends a stream", () => {
  assert.throws(() => firstMessage(Uint8Array.of(0x80, 0, 0, 0)), /expected 0-127/);
  assert.equal(firstMessage(Uint8Array.of(0x40, 0)), null);
});

Deno.test("a TURN server that cannot be reached, or talks nonsense, harms nobody", async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr as Deno.NetAddr;
  const url = `turn:127.0.0.1:${port}?transport=tcp`;
  const streams = await openTurnStreams([url, "turn:x.example"], { clock: systemClock(), log });
  const [front, other] = streams.translate([{ urls: url }, { urls: "turn:x.example" }]);
  assert.equal(other?.urls, "turn:x.example");
  const frontPort = Number(front?.urls.split(":")[2]);
  const client = Deno.listenDatagram({ transport: "udp", hostname: "127.0.0.1", port: 0 });
  const address = { transport: "udp", hostname: "127.0.0.1", port: frontPort } as const;
  for (let round = 0; round < 2; round++) {
    await client.send(Uint8Array.of(0x40, 0, 0, 1, 5), address);
    const connection = await listener.accept();
    const bytes = new Uint8Array(64);
    const count = await connection.read(bytes);
    assert.deepEqual([...bytes.subarray(0, count ?? 0)], [0x40, 0, 0, 1, 5, 0, 0, 0]);
    // Nonsense costs the connection; the next packet opens another one.
    await connection.write(Uint8Array.of(0xff));
    assert.equal(await connection.read(bytes), null);
    connection.close();
  }
  client.close();
  listener.close();
  streams.close();
});

const ignore = skipped("TURN over TCP with coturn", await whyNoCoturn());

for (const tls of [false, true]) {
  Deno.test({
    name: `two devices connect over TURN by ${tls ? "TLS" : "TCP"} alone`,
    ignore,
    // The native library keeps threads of its own, which end on later turns of the event loop.
    sanitizeOps: false,
    sanitizeResources: false,
    async fn() {
      const folder = await Deno.makeTempDir({ prefix: "turn-tls" });
      await certificates(folder);
      const coturn = await startCoturn(
        tls ? { certificate: join(folder, "cert.pem"), key: join(folder, "key.pem") } : undefined,
      );
      const url = tls
        ? `turns:localhost:${coturn.port + TLS_PORT_STEP}`
        : `turn:127.0.0.1:${coturn.port}?transport=tcp`;
      const streams = await openTurnStreams([url], {
        clock: systemClock(),
        log,
        caCertificates: [await Deno.readTextFile(join(folder, "ca.pem"))],
      });
      const net = new MemoryRendezvous();
      const library = "node-datachannel";
      const ends = ["a", "b"].map((name) => testEnd({ rendezvous: net.at(name), library }));
      const iceServers = () =>
        streams.translate([{
          urls: url,
          ...turnCredentials({ secret: TURN_SECRET, device: "anna", nowMs: Date.now() }),
        }]);
      const [a, b] = await Promise.all(
        ends.map((end) => webrtcTransport({ ...end.options, iceServers, icePolicy: "relay" })),
      );
      try {
        const accepted = new Promise<Path>((resolve) => void b!.accept(resolve));
        const outcome = await new Promise<DialOutcome>((resolve) =>
          a!.dial({ deviceId: ends[1]!.id, addresses: ["b"] }, resolve)
        );
        assert.ok(outcome.type === "opened", JSON.stringify(outcome));
        const theirs = await accepted;
        const total = 200;
        let bytes = 0;
        const all = new Promise<void>((resolve) =>
          theirs.listen((event) => {
            if (event.type === "frame") bytes += event.frame.length;
            if (bytes === total * 1_001) resolve();
          })
        );
        // An odd length, so that channel data has to be filled up.
        for (let index = 0; index < total; index++) outcome.path.send(new Uint8Array(1_001));
        await all;
        assert.equal(outcome.path.relayed, true);
      } finally {
        await Promise.all([a!.close(), b!.close()]);
        streams.close();
        await coturn.stop();
        await Deno.remove(folder, { recursive: true });
      }
    },
  });
}
