/**
 * Question: what does a path over a NATS broker cost beside the bare broker? One nats-server on loopback, two clients in this process:
 * first messages of the broker as they are, then frames of a path (numbered, in a window), then frames that are sealed and opened as a
 * session does. Round trips one after another; throughput in frames of the size that sessions use.
 */
import { brokerMesh } from "../../platform/broker_mesh.ts";
import { brokerTransport } from "../../platform/broker_transport.ts";
import type { Broker } from "../../platform/broker.ts";
import { nodeCrypto, nodeSigner } from "../../platform/node_crypto.ts";
import { systemClock } from "../../platform/system_clock.ts";
import { systemRandom } from "../../platform/system_random.ts";
import type { Path } from "../../platform/transport.ts";
import { deviceIdOf, type MeshId } from "../../protocols/ids.ts";
import { brokerAt, SERVER, TestServer } from "../../tests/platform/nats_support.ts";
import { type Figure, median } from "../harness.ts";

const MESH = "ab".repeat(32) as MeshId;
const SMALL_BYTES = 128;
const LARGE_BYTES = 65_000;
const ROUNDS = 3;

/** Something that carries messages from one end to the other. */
interface Carrier {
  /** False: full; `onRoom` tells when there is room again. */
  send(bytes: Uint8Array): boolean;
  onRoom: () => void;
  onMessage: (bytes: Uint8Array) => void;
}

interface Pair {
  readonly there: Carrier;
  readonly back: Carrier;
}

/** Round trips and throughput; nothing where there is no nats-server. */
export async function run({ quick }: { readonly quick: boolean }): Promise<Figure[]> {
  if (!SERVER.ok) {
    return [{ name: "bridge: not measured", value: 0, unit: "", note: SERVER.reason }];
  }
  const server = await TestServer.start("# no jetstream\n");
  const brokers = [brokerAt([server.url]), brokerAt([server.url])] as const;
  try {
    for (const broker of brokers) await connected(broker);
    const count = quick ? 200 : 5_000;
    const bytes = quick ? 20e6 : 300e6;
    const bare = await measure(await barePair(brokers), count, bytes);
    const paths = await pathPair(brokers);
    const path = await measure(paths, count, bytes);
    const sealed = await measure(sealedPair(paths), count, bytes);
    return [
      ...figures("bare broker", bare, null, `${SMALL_BYTES} B and ${LARGE_BYTES} B messages`),
      ...figures("path over the broker", path, bare, "beside the bare broker"),
      ...figures("path, sealed as by a session", sealed, bare, "beside the bare broker"),
    ];
  } finally {
    await Promise.all(brokers.map((broker) => broker.close()));
    await server.close();
  }
}

interface Measured {
  /** Sorted, ms. */
  readonly trips: readonly number[];
  readonly megabytesPerSecond: number;
}

function figures(
  name: string,
  measured: Measured,
  beside: Measured | null,
  note: string,
): Figure[] {
  const quantile = (part: number, of: Measured) => of.trips[Math.floor(part * of.trips.length)]!;
  const trip = (part: number): Figure => ({
    name: `bridge: round trip p${part * 100}, ${name}`,
    value: quantile(part, measured),
    unit: "ms",
    ...(beside === null ? {} : { ratio: quantile(part, measured) / quantile(part, beside) }),
    note,
  });
  return [
    trip(0.5),
    trip(0.95),
    trip(0.99),
    {
      name: `bridge: throughput, ${name}`,
      value: measured.megabytesPerSecond,
      unit: "MB/s",
      ...(beside === null
        ? {}
        : { ratio: measured.megabytesPerSecond / beside.megabytesPerSecond }),
      note,
    },
  ];
}

async function measure({ there, back }: Pair, count: number, bytes: number): Promise<Measured> {
  const trips = await roundTrips(there, back, count);
  const rates: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    rates.push(await throughput(there, Math.ceil(bytes / ROUNDS / LARGE_BYTES)));
  }
  return { trips: trips.toSorted((a, b) => a - b), megabytesPerSecond: median(rates) };
}

function roundTrips(there: Carrier, back: Carrier, count: number): Promise<number[]> {
  return new Promise((resolve) => {
    const message = new Uint8Array(SMALL_BYTES);
    const trips: number[] = [];
    // The first ones are to warm up.
    let left = count + 100;
    let sentMs = performance.now();
    there.onMessage = (bytes) => void back.send(bytes);
    back.onMessage = () => {
      if (left-- <= count) trips.push(performance.now() - sentMs);
      if (left <= 0) return resolve(trips);
      sentMs = performance.now();
      there.send(message);
    };
    there.send(message);
  });
}

/** MB/s of `count` large messages in one direction. */
function throughput(there: Carrier, count: number): Promise<number> {
  return new Promise((resolve) => {
    const message = new Uint8Array(LARGE_BYTES).fill(7);
    const startedMs = performance.now();
    let sent = 0;
    let received = 0;
    there.onMessage = () => {
      if (++received < count) return;
      resolve(count * LARGE_BYTES / 1e3 / (performance.now() - startedMs));
    };
    const fill = (): void => {
      while (sent < count && there.send(message)) sent++;
    };
    there.onRoom = fill;
    fill();
  });
}

/** Messages of the broker as they are; a window of 1 MiB as the path has it, so that it is not a race into buffers. */
function barePair([a, b]: readonly [Broker, Broker]): Promise<Pair> {
  const windowMessages = Math.floor(1024 * 1024 / LARGE_BYTES);
  const carrier = (from: Broker, to: Broker, subject: string): Carrier => {
    let underWay = 0;
    const own: Carrier = {
      send(bytes) {
        if (underWay >= windowMessages || !from.publish(subject, bytes)) return false;
        underWay++;
        return true;
      },
      onRoom() {},
      onMessage() {},
    };
    to.subscribe(subject, ({ bytes }) => {
      underWay--;
      own.onMessage(bytes);
      own.onRoom();
    });
    return own;
  };
  const pair = { there: carrier(a, b, "bench.there"), back: carrier(b, a, "bench.back") };
  // Both subscriptions are known to the server when a question of each client came back.
  return Promise.all([a, b].map(flushed)).then(() => pair);
}

async function pathPair(brokers: readonly [Broker, Broker]): Promise<Pair> {
  const clock = systemClock();
  const random = systemRandom();
  const crypto = nodeCrypto({ workersMax: 0 });
  const [a, b] = brokers.map((broker) => {
    const signer = nodeSigner(random.bytes(32));
    const self = deviceIdOf(signer.publicKey);
    const mesh = brokerMesh({ broker, crypto, random, self });
    mesh.setMesh(MESH);
    return { self, transport: brokerTransport({ mesh, clock, random, isAdmitted: () => true }) };
  });
  await Promise.all(brokers.map(flushed));
  const accepted = new Promise<Path>((resolve) => b!.transport.accept(resolve));
  const target = { deviceId: b!.self, addresses: [`nats:${b!.self}`] };
  const ours = await new Promise<Path>((resolve, reject) =>
    a!.transport.dial(
      target,
      (outcome) =>
        outcome.type === "opened" ? resolve(outcome.path) : reject(new Error(outcome.reason)),
    )
  );
  const theirs = await accepted;
  const carrier = (from: Path): Carrier => ({
    send: (bytes) => from.send(bytes),
    onRoom() {},
    onMessage() {},
  });
  const pair = { there: carrier(ours), back: carrier(theirs) };
  ours.listen((event) => {
    if (event.type === "frame") pair.back.onMessage(event.frame);
    if (event.type === "drained") pair.there.onRoom();
  });
  theirs.listen((event) => {
    if (event.type === "frame") pair.there.onMessage(event.frame);
    if (event.type === "drained") pair.back.onRoom();
  });
  return pair;
}

/** Seals every message with ChaCha20-Poly1305 and opens it again, as the session's cipher does. */
function sealedPair({ there, back }: Pair): Pair {
  const crypto = nodeCrypto({ workersMax: 0 });
  const key = new Uint8Array(32).fill(1);
  const nonce = new Uint8Array(12);
  const associated = new Uint8Array(0);
  const sealing = (inner: Carrier): Carrier => {
    const own: Carrier = {
      // A full frame has room for the tag.
      send: (bytes) =>
        inner.send(
          crypto.seal({
            key,
            nonce,
            plaintext: bytes.subarray(0, LARGE_BYTES - 16),
            associated,
          }),
        ),
      onRoom() {},
      onMessage() {},
    };
    inner.onRoom = () => own.onRoom();
    inner.onMessage = (bytes) => {
      const plaintext = crypto.open({ key, nonce, ciphertext: bytes, associated });
      if (plaintext === undefined) throw new Error("Cannot open: the broker changed a frame");
      own.onMessage(plaintext);
    };
    return own;
  };
  return { there: sealing(there), back: sealing(back) };
}

function connected(broker: Broker): Promise<void> {
  return new Promise((resolve) => {
    if (broker.state().type === "connected") return resolve();
    const stop = broker.watch((state) => {
      if (state.type !== "connected") return;
      stop();
      resolve();
    });
  });
}

function flushed(broker: Broker): Promise<void> {
  const request = { subject: "bench.nobody", bytes: new Uint8Array(0), timeoutMs: 5_000 };
  return new Promise((resolve) => void broker.request(request, () => resolve()));
}
