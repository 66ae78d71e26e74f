/** PCP and NAT-PMP: bytes against the figures of the RFCs, answers of every kind, and routers that are old, silent or not the router. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { pcpGateway, type RouterSocket } from "../../platform/pcp.ts";
import {
  decodeRouterAnswer,
  encodePcpMap,
  encodePmpMap,
  PCP_BYTES_MAX,
} from "../../platform/pcp_wire.ts";
import type { PortToMap } from "../../platform/port_mapping.ts";
import { seededRandom } from "../../platform/seeded_random.ts";
import { TestTime } from "../actors/sessions/test_time.ts";

const NONCE = Uint8Array.fromHex("000102030405060708090a0b");
const UDP: PortToMap = { protocol: "UDP", port: 7464 };
const TCP: PortToMap = { protocol: "TCP", port: 7464 };

// RFC 6887, figures 2, 3, 9 and 10, filled in by hand.
const REQUEST = [
  "02010000", // version 2, MAP, reserved
  "00000e10", // lifetime 3,600 s
  "00000000000000000000ffffc0a80107", // client 192.168.1.7
  "000102030405060708090a0b", // nonce
  "11000000", // UDP, reserved
  "1d281d28", // internal and suggested external port 7464
  "00000000000000000000ffff00000000", // no address suggested
].join("");
const ANSWER = [
  "02810000", // version 2, MAP answered, reserved, SUCCESS
  "00000258", // lifetime 600 s
  "0001e240", // epoch 123,456 s
  "000000000000000000000000", // reserved
  "000102030405060708090a0b",
  "11000000",
  "1d28c001", // assigned 49153
  "00000000000000000000ffffcb007109", // 203.0.113.9
].join("");

Deno.test("a MAP request is the bytes of RFC 6887", () => {
  const bytes = encodePcpMap({
    protocol: "UDP",
    internalPort: 7464,
    externalPort: 7464,
    lifetimeS: 3_600,
    clientAddress: "192.168.1.7",
    nonce: NONCE,
  });
  assert.equal(bytes.toHex(), REQUEST);
});

Deno.test("an answer to MAP is read as RFC 6887 writes it, with options behind it or without", () => {
  const expected = {
    type: "mapped",
    protocol: "UDP",
    internalPort: 7464,
    externalPort: 49_153,
    externalAddress: "203.0.113.9",
    lifetimeS: 600,
    epochS: 123_456,
    nonce: NONCE,
  };
  assert.deepEqual(decodeRouterAnswer(Uint8Array.fromHex(ANSWER)), expected);
  assert.deepEqual(decodeRouterAnswer(Uint8Array.fromHex(`${ANSWER}02000000`)), expected);
});

Deno.test("NAT-PMP is written and read as RFC 6886 says", () => {
  const wish = { internalPort: 7464, externalPort: 7464, lifetimeS: 3_600 };
  assert.equal(
    encodePmpMap({ ...wish, protocol: "TCP" }).toHex(),
    "00020000" + "1d281d28" + "00000e10",
  );
  const back = encodePmpMap({ ...wish, protocol: "UDP", lifetimeS: 0 });
  assert.equal(back.toHex(), "00010000" + "1d280000" + "00000000");
  const mapped = decodeRouterAnswer(
    Uint8Array.fromHex("00810000" + "00000064" + "1d281d29" + "00000e10"),
  );
  assert.ok(mapped.type === "mapped");
  assert.deepEqual([mapped.protocol, mapped.externalPort, mapped.nonce], ["UDP", 7465, null]);
  assert.deepEqual(decodeRouterAnswer(Uint8Array.fromHex("00800000" + "00000064" + "cb007109")), {
    type: "address",
    externalAddress: "203.0.113.9",
    epochS: 100,
  });
});

Deno.test("nothing that comes from the network breaks the decoder, and what it takes is in range", () => {
  const noise = fc.oneof(
    fc.uint8Array({ maxLength: PCP_BYTES_MAX + 8 }),
    // One byte of a good answer is another, or its end is missing.
    fc.tuple(fc.nat(59), fc.nat(255), fc.nat(60)).map(([at, value, length]) => {
      const bytes = Uint8Array.fromHex(ANSWER);
      bytes[at] = value;
      return bytes.subarray(0, length);
    }),
  );
  fc.assert(
    fc.property(noise, (bytes) => {
      const answer = decodeRouterAnswer(bytes);
      if (answer.type === "invalid") assert.ok(answer.reason.length > 0);
      if (answer.type !== "mapped") return;
      assert.ok(answer.externalPort <= 65_535 && answer.lifetimeS < 2 ** 32);
      assert.ok(answer.nonce === null || bytes.length >= 60);
    }),
    { numRuns: 2_000 },
  );
});

type Answer = { readonly bytes: Uint8Array; readonly host?: string; readonly port?: number };

/** A gateway whose router is `answer`; sent packets are kept with their times. */
function world(answer: (request: Uint8Array) => readonly Answer[]) {
  const time = new TestTime();
  const sent: { readonly bytes: Uint8Array; readonly atMs: number }[] = [];
  let open = 0;
  const socket = (): RouterSocket => {
    let hear: Parameters<RouterSocket["listen"]>[0] = () => {};
    open += 1;
    return {
      router: "192.168.1.1",
      clientAddress: "192.168.1.7",
      send(bytes) {
        sent.push({ bytes, atMs: time.monotonicMs() });
        const { host = "192.168.1.1", port = 5_351 } = {};
        queueMicrotask(() => {
          for (const one of answer(bytes)) {
            hear(one.bytes, { host: one.host ?? host, port: one.port ?? port });
          }
        });
      },
      listen: (onPacket) => void (hear = onPacket),
      close: () => void (open -= 1),
    };
  };
  const gateway = pcpGateway({ clock: time, random: seededRandom(7), open: socket });
  const settle = async (ms: number) => {
    await time.run(ms);
    await new Promise<void>((resolve) => setTimeout(resolve, 0));
  };
  /** The outcome, with as much time as it takes. */
  const mapped = async (port: PortToMap, lifetimeS = 3_600) => {
    let outcome: Awaited<ReturnType<typeof gateway.map>> | undefined;
    gateway.map(port, lifetimeS).then((value) => outcome = value);
    for (let step = 0; step < 400 && outcome === undefined; step++) await settle(100);
    return outcome;
  };
  return { time, sent, gateway, mapped, settle, openSockets: () => open };
}

/** A good answer to a request of PCP. */
function agreed(request: Uint8Array, change: (bytes: Uint8Array) => void = () => {}): Answer {
  const bytes = Uint8Array.fromHex(ANSWER);
  bytes.set(request.subarray(24, 42), 24);
  change(bytes);
  return { bytes };
}

Deno.test("PCP is asked first; the port that it assigns is told, and a renewal and the end carry the same nonce", async () => {
  const { sent, gateway, mapped, openSockets } = world((request) => [agreed(request)]);
  const expected = { host: "203.0.113.9", port: 49_153, lifetimeS: 600, by: "PCP" };
  assert.deepEqual(await mapped(UDP), expected);
  assert.deepEqual(await mapped(UDP), expected);
  assert.deepEqual(await mapped(TCP), expected);
  await gateway.unmap(UDP);
  const nonces = sent.map(({ bytes }) => bytes.subarray(24, 36).toHex());
  assert.deepEqual([nonces[1], nonces[3]], [nonces[0], nonces[0]]);
  assert.notEqual(nonces[2], nonces[0]);
  const last = sent[3]!.bytes;
  assert.equal(new DataView(last.buffer).getUint32(4), 0);
  assert.equal(openSockets(), 0);
});

Deno.test("a router from before PCP says so and is asked by NAT-PMP, from then on at once", async () => {
  const { sent, mapped } = world((request) => {
    if (request[0] === 2) return [{ bytes: Uint8Array.fromHex("0081000100000001") }];
    if (request.length === 2) return [{ bytes: Uint8Array.fromHex("0080000000000001cb007109") }];
    return [{
      bytes: Uint8Array.fromHex(
        request[1] === 1 ? "00810000000000011d281d2900000e10" : "00820000000000011d281d3000000e10",
      ),
    }];
  });
  assert.deepEqual(await mapped(UDP), {
    host: "203.0.113.9",
    port: 7_465,
    lifetimeS: 3_600,
    by: "NAT-PMP",
  });
  assert.equal((await mapped(TCP))?.port, 7_472);
  assert.deepEqual(sent.map(({ bytes }) => bytes[0]), [2, 0, 0, 0, 0]);
});

Deno.test("a lost request is sent again after three seconds, give or take a tenth; a silent router holds up only the first port", async () => {
  let deaf = 1;
  const lossy = world((request) => deaf-- > 0 ? [] : [agreed(request)]);
  assert.equal((await lossy.mapped(UDP))?.by, "PCP");
  const waited = lossy.sent[1]!.atMs - lossy.sent[0]!.atMs;
  assert.ok(waited >= 2_700 && waited <= 3_300, `${waited} ms`);

  const silent = world(() => []);
  assert.equal(await silent.mapped(UDP), null);
  assert.deepEqual(silent.sent.map(({ bytes }) => bytes[0]), [2, 2, 0, 0, 0, 0]);
  assert.equal(await silent.mapped(TCP), null);
  assert.equal(silent.sent.length, 6);
  assert.equal(silent.openSockets(), 0);
});

Deno.test("a router that refuses is not asked by the older protocol", async () => {
  const { sent, mapped } = world((request) => [agreed(request, (bytes) => void (bytes[3] = 2))]);
  assert.equal(await mapped(UDP), null);
  assert.equal(sent.length, 1);
});

const HOSTILE: Record<string, (request: Uint8Array) => Answer> = {
  "with another nonce": (request) => agreed(request, (bytes) => void (bytes[24]! ^= 1)),
  "from another address": (request) => ({ ...agreed(request), host: "192.168.1.66" }),
  "from another port": (request) => ({ ...agreed(request), port: 5_352 }),
  "for another port of ours": (request) => agreed(request, (bytes) => void (bytes[41]! ^= 1)),
  "for another protocol": (request) => agreed(request, (bytes) => void (bytes[36] = 6)),
  "that gives port 0": (request) => agreed(request, (bytes) => void bytes.fill(0, 42, 44)),
  "that refuses with another nonce": (request) =>
    agreed(request, (bytes) => {
      bytes[3] = 2;
      bytes[24]! ^= 1;
    }),
  "that is our own request": (request) => ({ bytes: request }),
  "that is cut off": (request) => ({ bytes: agreed(request).bytes.subarray(0, 59) }),
};

for (const [what, forge] of Object.entries(HOSTILE)) {
  Deno.test(`an answer ${what} counts for nothing, and the true one behind it does`, async () => {
    const alone = world((request) => request[0] === 2 ? [forge(request)] : []);
    assert.equal(await alone.mapped(UDP), null);
    const both = world((request) => [forge(request), agreed(request)]);
    assert.equal((await both.mapped(UDP))?.port, 49_153);
  });
}

Deno.test("closing ends the questions that are under way", async () => {
  const { gateway, settle, openSockets } = world(() => []);
  let outcome: unknown = "asking";
  gateway.map(UDP, 3_600).then((value) => outcome = value);
  await settle(10);
  await gateway.close();
  await settle(0);
  assert.equal(outcome, null);
  assert.equal(openSockets(), 0);
});
