/**
 * Question: what does one relay carry? Many plain NATS clients in this process on one real server: its memory, how fast they come, how long
 * 1 MiB takes to all of them, and how long a gather of large answers takes.
 */
import {
  type NatsConnection,
  NatsConnectionImpl,
  setTransportFactory,
} from "@nats-io/nats-core/internal";
import { NatsSocket } from "../../platform/nats_broker_socket.ts";
import type { Figure } from "../harness.ts";
import { type BenchServer, startBenchServer } from "./nats_bench_server.ts";

/** Logins under way at once. */
const CONNECTING = 64;
const BROADCAST_BYTES = 1024 * 1024;
const CHUNK_BYTES = 256 * 1024;
const ANSWER_BYTES = 400_000;
/** Answers under way at once: all at once, a server drops most of them. */
const GATHERING = 32;
/** Connections up to which everybody is sent to and asked. */
const SPOKEN_TO_MAX = 1_000;

/** Figures at 1,000 and 10,000 connections. */
export async function run({ quick }: { readonly quick: boolean }): Promise<Figure[]> {
  const figures: Figure[] = [];
  for (const count of quick ? [50] : [1_000, 10_000]) {
    const server = await startBenchServer();
    try {
      figures.push(...await measure(server, count));
    } finally {
      await server.close();
    }
  }
  return figures;
}

async function measure(server: BenchServer, count: number): Promise<readonly Figure[]> {
  const idle = await server.memoryBytes();
  const startedMs = performance.now();
  const clients = await connectMany(server.url, count);
  const connectMs = performance.now() - startedMs;
  try {
    const used = await server.memoryBytes() - idle;
    const at = `${count.toLocaleString("en")} connections`;
    const figures: Figure[] = [
      { name: `relay: connects, ${at}`, value: Math.round(count / connectMs * 1_000), unit: "1/s" },
      {
        name: `relay: memory, ${at}`,
        value: Math.round(used / 1e6),
        unit: "MB",
        note: `${(used / count / 1_024).toFixed(1)} KiB each`,
      },
    ];
    if (count > SPOKEN_TO_MAX) return figures;
    const [sender] = clients;
    if (sender === undefined) return figures;
    const broadcastMs = await broadcast(server.url, sender, count);
    const gathered = await gather(clients);
    return [
      ...figures,
      {
        name: `relay: 1 MiB to everybody, ${at}`,
        value: broadcastMs,
        unit: "ms",
        note: `chunks of 256 KiB, ${
          Math.round(count * BROADCAST_BYTES / 1e6 / broadcastMs * 1_000)
        } MB/s`,
      },
      {
        name: `relay: 400 kB from everybody, ${at}`,
        value: gathered.tookMs,
        unit: "ms",
        note: `${gathered.answers} of ${count} answers, ${GATHERING} under way at once`,
      },
    ];
  } finally {
    await Promise.all(clients.map((client) => client.close()));
  }
}

async function connectMany(url: string, count: number): Promise<readonly NatsConnection[]> {
  setTransportFactory({ factory: () => new NatsSocket() });
  const clients: NatsConnection[] = [];
  let begun = 0;
  await Promise.all(Array.from({ length: CONNECTING }, async () => {
    while (begun++ < count) {
      const options = { servers: [url.replace("nats://", "")], reconnect: false, timeout: 30_000 };
      clients.push(await NatsConnectionImpl.connect(options));
    }
  }));
  return clients;
}

/**
 * Until everybody has all of it. The receivers are bare sockets that count bytes: a thousand parsers in this process would be measured
 * instead of the relay.
 */
async function broadcast(url: string, sender: NatsConnection, count: number): Promise<number> {
  const { hostname, port } = new URL(url.replace("nats:", "http:"));
  const receivers = await Promise.all(
    Array.from({ length: count }, () => bareReceiver({ hostname, port: Number(port) })),
  );
  try {
    const startedMs = performance.now();
    const received = receivers.map((receiver) => readBytes(receiver, BROADCAST_BYTES));
    for (let sent = 0; sent < BROADCAST_BYTES; sent += CHUNK_BYTES) {
      sender.publish("kiana.bench.model", new Uint8Array(CHUNK_BYTES));
    }
    await Promise.all(received);
    return performance.now() - startedMs;
  } finally {
    for (const receiver of receivers) receiver.close();
  }
}

/** Subscribed to the broadcast, by the protocol's own few words. */
async function bareReceiver(address: { hostname: string; port: number }): Promise<Deno.Conn> {
  const connection = await Deno.connect(address);
  const hello = 'CONNECT {"verbose":false}\r\nSUB kiana.bench.model 1\r\nPING\r\n';
  await connection.write(new TextEncoder().encode(hello));
  let heard = "";
  const part = new Uint8Array(16_384);
  while (!heard.includes("PONG")) {
    const length = await connection.read(part);
    if (length === null) throw new Error("the server ended a receiver");
    heard += new TextDecoder().decode(part.subarray(0, length));
  }
  return connection;
}

async function readBytes(connection: Deno.Conn, wanted: number): Promise<void> {
  const part = new Uint8Array(CHUNK_BYTES);
  for (let received = 0; received < wanted;) {
    const length = await connection.read(part);
    if (length === null) throw new Error("the server ended a receiver");
    received += length;
  }
}

async function gather(
  clients: readonly NatsConnection[],
): Promise<{ readonly answers: number; readonly tookMs: number }> {
  const answer = new Uint8Array(ANSWER_BYTES);
  for (const [index, client] of clients.entries()) {
    client.subscribe(`kiana.bench.update.${index}`, {
      callback: (_, message) => void message.respond(answer),
    });
  }
  await Promise.all(clients.map((client) => client.flush()));
  const [asker] = clients;
  const startedMs = performance.now();
  let next = 0;
  let answers = 0;
  await Promise.all(Array.from({ length: GATHERING }, async () => {
    while (asker !== undefined && next < clients.length) {
      const reply = await asker.request(`kiana.bench.update.${next++}`, "", { timeout: 30_000 })
        .catch(() => null);
      if (reply?.data.length === ANSWER_BYTES) answers += 1;
    }
  }));
  return { answers, tookMs: performance.now() - startedMs };
}
