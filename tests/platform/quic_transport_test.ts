/** The QUIC transport against the contract, and against strangers, middle boxes, garbage and floods. */
import assert from "node:assert/strict";
import { openHttpRendezvous } from "../../platform/http_rendezvous.ts";
import {
  makeQuicCertificate,
  openQuicSocket,
  type QuicSocket,
} from "../../platform/quic_library.ts";
import { HALF_OPEN_PER_ADDRESS_MAX } from "../../platform/answering.ts";
import { QUIC_FRAME_BYTES_MAX } from "../../platform/quic_path.ts";
import { systemClock } from "../../platform/system_clock.ts";
import type { DialOutcome, Path, PathEvent } from "../../platform/transport.ts";
import type { DeviceId } from "../../protocols/ids.ts";
import {
  decodeQuicSignal,
  encodeQuicSignal,
  type QuicOffer,
  type QuicSignal,
} from "../../protocols/session/quic_signalling.ts";
import { transportContract } from "../contracts/transport_contract.ts";
import { MemoryRendezvous } from "./memory_rendezvous.ts";
import { dialled, openQuic, type QuicEnd, quicEnd } from "./quic_support.ts";
import { throughDoors } from "./transport_end.ts";
import { stretched } from "../busy_machine.ts";

transportContract("quic", () =>
  throughDoors(async (door) => {
    const { id, options } = quicEnd(door);
    return { id, transport: await openQuic(options) };
  }));

// Connections of the runtime end on later turns of its event loop.
const test = (name: string, fn: () => Promise<void>) =>
  Deno.test({ name, sanitizeOps: false, sanitizeResources: false, fn });

interface Pair {
  readonly net: MemoryRendezvous;
  readonly endA: QuicEnd;
  readonly endB: QuicEnd;
  readonly a: Awaited<ReturnType<typeof openQuic>>;
  readonly b: Awaited<ReturnType<typeof openQuic>>;
  readonly accepted: Path[];
  close(): Promise<unknown>;
}

async function pair(isAdmitted: (device: DeviceId) => boolean = () => true): Promise<Pair> {
  const net = new MemoryRendezvous();
  const endA = quicEnd(net.at("127.0.0.1"));
  const endB = quicEnd(net.at("b"), isAdmitted);
  const a = await openQuic(endA.options);
  const b = await openQuic(endB.options);
  const accepted: Path[] = [];
  b.accept((path) => void accepted.push(path));
  return { net, endA, endB, a, b, accepted, close: () => Promise.all([a.close(), b.close()]) };
}

/** Replaces one message on its way by one that `change` makes and `resign` signs. */
function tampered(
  type: QuicSignal["type"],
  change: (message: QuicSignal) => QuicSignal,
  resign?: QuicEnd,
): MemoryRendezvous["tamper"] {
  return (body) => {
    const decoded = decodeQuicSignal(body);
    if (!decoded.ok || decoded.signal.message.type !== type) return body;
    const changed = change(decoded.signal.message);
    if (resign !== undefined) return encodeQuicSignal(changed, resign.options.signer).bytes;
    // The signature of the true message under another body.
    const forged = encodeQuicSignal(
      changed,
      {
        publicKey: decoded.signal.message.from,
        sign: () => decoded.signal.signature,
      } as QuicEnd["options"]["signer"],
    );
    return forged.bytes;
  };
}

function listen(path: Path): { readonly events: PathEvent[]; closed: Promise<string> } {
  const events: PathEvent[] = [];
  const closed = new Promise<string>((resolve) => {
    path.listen((event) => {
      events.push(event);
      if (event.type === "closed") resolve(event.reason);
    });
  });
  return { events, closed };
}

test("quic opens a path to whoever of the mesh is at an address, and says where it leads", async () => {
  const { a, close } = await pair();
  const outcome = await dialled(a, "", "b");
  assert.ok(outcome.type === "opened", JSON.stringify(outcome));
  assert.match(outcome.path.description, /^quic 127\.0\.0\.1:\d+$/);
  assert.equal(outcome.path.relayed, false);
  await close();
});

test("quic refuses the offer of a device that is not admitted, without a reason", async () => {
  const { a, endB, net, close } = await pair(() => false);
  const outcome = await dialled(a, endB.id, "b");
  assert.equal(outcome.type, "failed");
  assert.deepEqual(net.refusals, ["Not accepted"]);
  await close();
});

test("quic refuses an offer or an answer whose certificate was exchanged on the way", async () => {
  for (const type of ["quicOffer", "quicAnswer"] as const) {
    const { a, endB, net, accepted, close } = await pair();
    net.tamper = tampered(type, (message) => ({ ...message, certificateHash: new Uint8Array(32) }));
    const outcome = await dialled(a, endB.id, "b");
    assert.equal(outcome.type, "failed");
    assert.equal(accepted.length, 0);
    await close();
  }
});

test("quic refuses an answer by another member than the one dialled", async () => {
  const { a, endB, net, close } = await pair();
  const other = quicEnd(net.at("x"));
  net.tamper = tampered(
    "quicAnswer",
    (message) => ({ ...message, from: other.options.signer.publicKey }),
    other,
  );
  const outcome = await dialled(a, endB.id, "b");
  assert.ok(outcome.type === "failed" && outcome.reason.includes("expected"));
  await close();
});

/** A socket with a certificate of its own that answers every connection. */
async function middleBox(): Promise<{ readonly socket: QuicSocket; connections: number }> {
  const box = { socket: undefined as unknown as QuicSocket, connections: 0 };
  box.socket = openQuicSocket({
    port: 0,
    certificate: await makeQuicCertificate(),
    onIncoming(incoming) {
      incoming.accept<false>().then(() => box.connections += 1, () => {});
    },
  });
  return box;
}

test("quic never completes a connection with a certificate that was not signed, even at the right address", async () => {
  const net = new MemoryRendezvous();
  const box = await middleBox();
  const endA = quicEnd(net.at("nowhere"));
  // B says the truth about itself except where it is: there sits the middle box.
  const made = quicEnd(net.at("b"));
  const endB = {
    ...made,
    options: { ...made.options, outside: () => [{ host: "127.0.0.1", port: box.socket.port }] },
  };
  const [a, b] = [await openQuic(endA.options), await openQuic(endB.options)];
  b.accept((path) => path.listen(() => {}));
  const outcome = await dialled(a, endB.id, "b");
  assert.equal(box.connections, 0);
  // The true address is among the candidates as well, and leads to the true device.
  assert.ok(outcome.type === "opened");
  assert.ok(outcome.path.description.endsWith(`:${b.port}`));
  await Promise.all([a.close(), b.close()]);
  box.socket.close();
});

test("quic lets nobody take part in an attempt who only knows its id", async () => {
  const { net, endA, endB, a, b, accepted, close } = await pair();
  // Whoever listens on the network sees offer and answer, and can be faster than the one who made the offer.
  let offer: QuicOffer | undefined;
  const stranger = openQuicSocket({
    port: 0,
    certificate: await makeQuicCertificate(),
    onIncoming: () => {},
  });
  const replies: (Uint8Array | undefined)[] = [];
  let attack: Promise<void> = Promise.resolve();
  net.tamper = (body) => {
    const decoded = decodeQuicSignal(body);
    if (!decoded.ok) return body;
    const { message } = decoded.signal;
    if (message.type === "quicOffer") offer = message;
    else {
      attack = (async () => {
        const connection = await stranger.dial(
          { host: "127.0.0.1", port: b.port },
          message.certificateHash,
        );
        const stream = await connection.createBidirectionalStream();
        const hello = new Uint8Array(49);
        hello.set(message.id);
        hello.set(offer!.commitment, 16);
        hello[48] = 1;
        await stream.writable.getWriter().write(hello);
        replies.push((await stream.readable.getReader().read()).value);
      })().catch(() => void replies.push(undefined));
    }
    return body;
  };
  const outcome = await dialled(a, endB.id, "b");
  await attack;
  assert.deepEqual(replies, [undefined]);
  assert.ok(outcome.type === "opened");
  assert.equal(accepted.length, 1);
  assert.deepEqual(accepted[0]!.binding, outcome.path.binding);
  assert.notEqual(endA.id, endB.id);
  stranger.close();
  await close();
});

test("quic answers no packet while no attempt is under way", async () => {
  const { b, endB, net, a, close } = await pair();
  let hash: Uint8Array | undefined;
  net.tamper = (body) => {
    const decoded = decodeQuicSignal(body);
    if (decoded.ok && decoded.signal.message.type === "quicAnswer") {
      hash = decoded.signal.message.certificateHash;
    }
    return body;
  };
  assert.equal((await dialled(a, endB.id, "b")).type, "opened");
  const stranger = openQuicSocket({
    port: 0,
    certificate: await makeQuicCertificate(),
    onIncoming: () => {},
  });
  await assert.rejects(stranger.dial({ host: "127.0.0.1", port: b.port }, hash!), /timed out/);
  stranger.close();
  await close();
});

test("quic takes no longer frames than it says, and packets that are no QUIC change nothing", async () => {
  const { a, b, endB, accepted, close } = await pair();
  const outcome = await dialled(a, endB.id, "b");
  assert.ok(outcome.type === "opened");
  while (accepted.length === 0) await new Promise<void>((resolve) => setTimeout(resolve, 5));
  assert.throws(
    () => outcome.path.send(new Uint8Array(QUIC_FRAME_BYTES_MAX + 1)),
    /expected <= 262144/,
  );
  // UDP that is no QUIC at all.
  const socket = Deno.listenDatagram({ transport: "udp", hostname: "127.0.0.1", port: 0 });
  for (let size = 1; size < 1_200; size += 37) {
    await socket.send(crypto.getRandomValues(new Uint8Array(size)), {
      transport: "udp",
      hostname: "127.0.0.1",
      port: b.port,
    });
  }
  socket.close();
  const theirs = listen(accepted[0]!);
  assert.ok(outcome.path.send(Uint8Array.of(1, 2, 3)));
  while (theirs.events.length === 0) await new Promise<void>((resolve) => setTimeout(resolve, 5));
  assert.deepEqual(theirs.events, [{ type: "frame", frame: Uint8Array.of(1, 2, 3) }]);
  await close();
});

test("quic answers a replayed offer only once, and no more offers of one address than it can keep", async () => {
  const { net, endA, endB, close } = await pair();
  const { signer, meshTag, random } = endA.options;
  const offer = (id = random.bytes(16)): Uint8Array =>
    encodeQuicSignal({
      type: "quicOffer",
      id,
      meshTag: meshTag(),
      from: signer.publicKey,
      to: endB.options.signer.publicKey,
      certificateHash: random.bytes(32),
      commitment: random.bytes(32),
      port: 9,
      candidates: [],
    }, signer).bytes;
  const ask = (body: Uint8Array): Promise<string> =>
    new Promise((resolve) =>
      net.at("a").request(
        { address: "b", channel: "signal", body, timeoutMs: 5_000 },
        (reply) => resolve(reply.type === "reply" ? "reply" : reply.reason),
      )
    );
  const first = offer();
  assert.deepEqual([await ask(first), await ask(first)], ["reply", "Not accepted"]);
  const more = await Promise.all(
    Array.from({ length: HALF_OPEN_PER_ADDRESS_MAX + 2 }, () => ask(offer())),
  );
  assert.equal(more.filter((reply) => reply === "reply").length, HALF_OPEN_PER_ADDRESS_MAX - 1);
  assert.equal(more.filter((reply) => reply === "Busy").length, 3);
  for (const body of [new Uint8Array(0), new Uint8Array(70_000), random.bytes(500)]) {
    assert.equal(await ask(body), "Not accepted");
  }
  await close();
});

test("quic says in the end why no connection came about", async () => {
  const net = new MemoryRendezvous();
  const endA = quicEnd(net.at("a"));
  const made = quicEnd(net.at("b"));
  const endB = { ...made, options: { ...made.options, interfaces: () => [] } };
  const [a, b] = [
    await openQuic({ ...endA.options, interfaces: () => [] }),
    await openQuic(endB.options),
  ];
  b.accept((path) => path.listen(() => {}));
  const outcome = await new Promise<DialOutcome>((resolve) =>
    a.dial({ deviceId: endB.id, addresses: ["b"] }, resolve)
  );
  assert.ok(outcome.type === "failed" && /within 5000 ms/.test(outcome.reason));
  await Promise.all([a.close(), b.close()]);
});

test("a killed process is noticed within five seconds", async () => {
  const program = new URL("./quic_peer_program.ts", import.meta.url).pathname;
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-check", "--unstable-net", "-A", program],
    stdout: "piped",
  }).spawn();
  const lines = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  const { deviceId, address } = JSON.parse((await lines.read()).value!);
  const door = openHttpRendezvous({ clock: systemClock(), listen: null });
  const end = quicEnd(door);
  const transport = await openQuic(end.options);
  const outcome = await dialled(transport, deviceId, address);
  assert.ok(outcome.type === "opened", JSON.stringify(outcome));
  const { closed } = listen(outcome.path);
  const before = performance.now();
  child.kill("SIGKILL");
  await closed;
  const afterMs = performance.now() - before;
  assert.ok(afterMs < stretched(5_500), `${afterMs} ms`);
  await child.status;
  await lines.cancel();
  await transport.close();
  await door.close();
});
