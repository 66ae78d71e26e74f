/**
 * How long does a connect take, how long a message, how much goes through a session beside the bare data channel under
 * it, and what does a connection weigh? Two processes on loopback; the bare channel runs in the same two, one after the
 * other, so that its figures are the limit for ours.
 */
import { type Channel, loadWebRtcLibrary } from "../../platform/webrtc_library.ts";
import type { Path } from "../../platform/transport.ts";
import { withoutCandidates } from "../../protocols/session/signalling.ts";
import type { Figure } from "../harness.ts";
import { benchDevice, BULK, CREDIT_BYTES, ECHO, startEnd } from "./webrtc_peer.ts";

const MESSAGE_BYTES = 64 * 1024;
/** The bare channel takes whole frames as the path does. */
const BARE_BYTES = 64_000;
/** Credits under way: 6 MiB. */
const CREDITS = 6;
const BUFFER_BYTES = 1024 * 1024;
const WAIT_MS = 30_000;
const CONNECTIONS = 20;

export function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.ceil(share * sorted.length) - 1)] ?? NaN;
}

/** Sends and waits for answers, over whatever carries them. */
export interface Carrier {
  send(body: Uint8Array): void;
  /** Resolves when the carrier takes more at once. */
  room(): Promise<void>;
  onAnswer: () => void;
}

export async function roundTripsMs(carrier: Carrier, count: number): Promise<readonly number[]> {
  const body = new Uint8Array(128).fill(ECHO);
  const times: number[] = [];
  for (let index = 0; index < count + 50; index++) {
    const startedMs = performance.now();
    const answered = new Promise<void>((resolve) => carrier.onAnswer = resolve);
    carrier.send(body);
    await answered;
    // The first fifty warm up.
    if (index >= 50) times.push(performance.now() - startedMs);
  }
  return times;
}

export async function megabytesPerSecond(
  carrier: Carrier,
  totalBytes: number,
  messageBytes: number,
): Promise<number> {
  const body = new Uint8Array(messageBytes).fill(BULK);
  const count = Math.ceil(totalBytes / messageBytes);
  const credits = Math.floor(count * messageBytes / CREDIT_BYTES);
  let received = 0;
  let wake = () => {};
  carrier.onAnswer = () => {
    received += 1;
    wake();
  };
  const startedMs = performance.now();
  for (let sent = 0; sent < count; sent++) {
    while (Math.floor(sent * messageBytes / CREDIT_BYTES) - received >= CREDITS) {
      await new Promise<void>((resolve) => wake = resolve);
    }
    await carrier.room();
    carrier.send(body);
  }
  while (received < credits) await new Promise<void>((resolve) => wake = resolve);
  return count * messageBytes / 1e6 / ((performance.now() - startedMs) / 1000);
}

/** Measures. */
export async function run(options: { readonly quick: boolean }): Promise<Figure[]> {
  const connects = options.quick ? 5 : 100;
  const trips = options.quick ? 100 : 2_000;
  const bytes = (options.quick ? 8 : 256) * 1024 * 1024;
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "--allow-all", new URL("./webrtc_peer.ts", import.meta.url).pathname],
    stdin: "piped",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  const input = child.stdin.getWriter();
  let onAnswer = () => {};
  const end = await startEnd(1, () => onAnswer());
  try {
    const address = `http://127.0.0.1:${await portOf(child.stdout)}`;
    const target = { deviceId: benchDevice(2), addresses: [address] };

    const connectMs: number[] = [];
    for (let index = 0; index < connects; index++) {
      const startedMs = performance.now();
      const path = await opened(end.transport, target);
      connectMs.push(performance.now() - startedMs);
      path.close("measured");
    }
    const kibPerConnection = await weigh(end.transport, target);

    const bare = await bareChannel(end.door, address);
    const bareTrips = await roundTripsMs(bare.carrier, trips);
    await megabytesPerSecond(bare.carrier, bytes / 4, BARE_BYTES);
    const bareSpeed = await megabytesPerSecond(bare.carrier, bytes, BARE_BYTES);
    bare.close();

    end.sight(target.deviceId, address);
    const carrier: Carrier = {
      send: (body) => end.send(target.deviceId, body),
      room: () => Promise.resolve(),
      onAnswer: () => {},
    };
    onAnswer = () => carrier.onAnswer();
    await firstAnswer(carrier);
    const sessionTrips = await roundTripsMs(carrier, trips);
    await megabytesPerSecond(carrier, bytes / 4, MESSAGE_BYTES);
    const sessionSpeed = await megabytesPerSecond(carrier, bytes, MESSAGE_BYTES);

    const figure = (
      name: string,
      value: number,
      unit: string,
      limit: number,
      note: string,
    ): Figure => ({
      name,
      value,
      unit,
      limit,
      ratio: value / limit,
      note,
    });
    return [
      figure(
        "webrtc connect p50",
        quantile(connectMs, 0.5),
        "ms",
        2_000,
        `${connects} connects; the limit is the promise`,
      ),
      figure(
        "webrtc connect p95",
        quantile(connectMs, 0.95),
        "ms",
        2_000,
        "the limit is the promise",
      ),
      figure(
        "session round trip p50",
        quantile(sessionTrips, 0.5),
        "ms",
        quantile(bareTrips, 0.5),
        "the limit is the bare data channel in the same run",
      ),
      figure(
        "session round trip p95",
        quantile(sessionTrips, 0.95),
        "ms",
        quantile(bareTrips, 0.95),
        "the limit is the bare data channel in the same run",
      ),
      figure(
        "session throughput",
        sessionSpeed,
        "MB/s",
        bareSpeed,
        "64 KiB messages; the limit is the bare data channel in the same run",
      ),
      figure(
        "webrtc memory per connection",
        kibPerConnection,
        "KiB",
        20 * 1024,
        `${CONNECTIONS} connections, one end; the limit is the promise`,
      ),
    ];
  } finally {
    await end.close();
    await input.close();
    await child.status;
  }
}

export async function portOf(stdout: ReadableStream<Uint8Array>): Promise<number> {
  const reader = stdout.getReader();
  const { value } = await reader.read();
  reader.releaseLock();
  return (JSON.parse(new TextDecoder().decode(value)) as { port: number }).port;
}

type Dialling = Awaited<ReturnType<typeof startEnd>>["transport"];

function opened(transport: Dialling, target: Parameters<Dialling["dial"]>[0]): Promise<Path> {
  return new Promise((resolve, reject) => {
    transport.dial(target, (outcome) => {
      if (outcome.type === "opened") resolve(outcome.path);
      else reject(new Error(`cannot connect: ${outcome.reason}`));
    });
  });
}

/** Resident memory that a connection adds at this end, KiB. */
async function weigh(
  transport: Dialling,
  target: Parameters<Dialling["dial"]>[0],
): Promise<number> {
  const beforeBytes = Deno.memoryUsage().rss;
  const paths: Path[] = [];
  for (let index = 0; index < CONNECTIONS; index++) paths.push(await opened(transport, target));
  const afterBytes = Deno.memoryUsage().rss;
  for (const path of paths) path.close("measured");
  return Math.max(0, afterBytes - beforeBytes) / 1024 / CONNECTIONS;
}

/** Waits until the session is up: messages before that are dropped. */
export async function firstAnswer(carrier: Carrier): Promise<void> {
  const untilMs = performance.now() + WAIT_MS;
  let answered = false;
  carrier.onAnswer = () => answered = true;
  while (!answered) {
    if (performance.now() > untilMs) throw new Error(`no session within ${WAIT_MS} ms`);
    carrier.send(Uint8Array.of(ECHO));
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  await new Promise((resolve) => setTimeout(resolve, 200));
}

async function bareChannel(
  door: Awaited<ReturnType<typeof startEnd>>["door"],
  address: string,
): Promise<{ readonly carrier: Carrier; close(): void }> {
  const library = await loadWebRtcLibrary();
  const connection = library.connect([]);
  let wake = () => {};
  let isOpen = () => {};
  const open = new Promise<void>((resolve) => isOpen = resolve);
  const channel: Channel = connection.createChannel({
    onOpen: () => isOpen(),
    onMessage: () => carrier.onAnswer(),
    onLow: () => wake(),
    onClose() {},
  });
  const carrier: Carrier = {
    send: (body) => channel.send(body),
    async room() {
      if (channel.bufferedAmount < BUFFER_BYTES) return;
      await new Promise<void>((resolve) => wake = resolve);
    },
    onAnswer: () => {},
  };
  const say = (value: unknown) =>
    new Promise<{ sdp: string; candidates: string[] }>((resolve, reject) => {
      const body = new TextEncoder().encode(JSON.stringify(value));
      door.request({ address, channel: "pair", body, timeoutMs: WAIT_MS }, (reply) => {
        if (reply.type !== "reply") return reject(new Error(reply.reason));
        resolve(JSON.parse(new TextDecoder().decode(reply.body)));
      });
    });
  const answer = await say({ sdp: withoutCandidates(await connection.offer()) });
  await connection.acceptAnswer(answer.sdp);
  for (const candidate of answer.candidates) await connection.addCandidate(candidate);
  await connection.whenGathered();
  await say({ candidates: connection.gathered() });
  await open;
  channel.bufferedAmountLowThreshold = 256 * 1024;
  return { carrier, close: () => connection.close() };
}

if (import.meta.main) {
  for (const figure of await run({ quick: Deno.args.includes("--quick") })) {
    console.log(JSON.stringify(figure));
  }
}
