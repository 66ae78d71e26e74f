/**
 * What is a QUIC path worth beside a WebRTC one, in connecting, round trips and throughput, and for how long does nothing arrive when a
 * session moves from the one to the other? Two processes on loopback, the same sessions above both kinds, one run.
 */
import { nodeEvents } from "../../actors/events.ts";
import type { PathKind, Transport } from "../../platform/transport.ts";
import type { Figure } from "../harness.ts";
import {
  type Carrier,
  firstAnswer,
  megabytesPerSecond,
  portOf,
  quantile,
  roundTripsMs,
} from "./webrtc_bench.ts";
import { benchDevice, ECHO, startEnd } from "./webrtc_peer.ts";

const MESSAGE_BYTES = 64 * 1024;
/** A session that has not moved by then never will, ms. */
const MOVE_MS = 30_000;
/** The last answers are here by then, ms. */
const LAST_ANSWERS_MS = 5_000;
/** Messages of the flow that is watched while the session moves come this often, ms. */
const FLOW_MS = 1;

interface Measured {
  readonly connectMs: readonly number[];
  readonly tripsMs: readonly number[];
  readonly speed: number;
}

type End = Awaited<ReturnType<typeof startEnd>>;

/** Measures. */
export async function run(options: { readonly quick: boolean }): Promise<Figure[]> {
  const child = new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "--unstable-net",
      "--allow-all",
      new URL("./webrtc_peer.ts", import.meta.url).pathname,
    ],
    stdin: "piped",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  const input = child.stdin.getWriter();
  try {
    const address = `http://127.0.0.1:${await portOf(child.stdout)}`;
    const webrtc = await measure("webrtc", address, options.quick);
    const quic = await measure("quic", address, options.quick);
    const moves: number[] = [];
    for (let round = 0; round < (options.quick ? 1 : 5); round++) moves.push(await gapMs(address));
    return figures(quic, webrtc, moves);
  } finally {
    await input.close();
    await child.status;
  }
}

/** Only this kind may dial. */
function only(kind: PathKind, allowed: () => boolean = () => true) {
  return (transport: Transport): Transport => ({
    ...transport,
    dial(target, onOutcome) {
      if (transport.kind === kind || !allowed()) return transport.dial(target, onOutcome);
      queueMicrotask(() => onOutcome({ type: "failed", reason: "not measured now" }));
      return () => {};
    },
  });
}

async function measure(
  kind: "quic" | "webrtc",
  address: string,
  quick: boolean,
): Promise<Measured> {
  const carrier: Carrier = {
    send: (body) => end.send(benchDevice(2), body),
    room: () => Promise.resolve(),
    onAnswer: () => {},
  };
  const end: End = await startEnd(
    1,
    () => carrier.onAnswer(),
    ["quic", "webrtc"],
    only(kind),
  );
  try {
    const transport = kind === "quic" ? end.quic : end.transport;
    if (transport === null) throw new Error("this Deno has no QUIC, expected --unstable-net");
    const target = { deviceId: benchDevice(2), addresses: [address] };
    const connectMs: number[] = [];
    for (let index = 0; index < (quick ? 5 : 100); index++) {
      const startedMs = performance.now();
      await new Promise<void>((resolve, reject) =>
        transport.dial(target, (outcome) => {
          if (outcome.type === "failed") return reject(new Error(outcome.reason));
          connectMs.push(performance.now() - startedMs);
          outcome.path.close("measured");
          resolve();
        })
      );
    }
    end.sight(benchDevice(2), address);
    await firstAnswer(carrier);
    const tripsMs = await roundTripsMs(carrier, quick ? 100 : 2_000);
    const bytes = (quick ? 8 : 256) * 1024 * 1024;
    await megabytesPerSecond(carrier, bytes / 4, MESSAGE_BYTES);
    return { connectMs, tripsMs, speed: await megabytesPerSecond(carrier, bytes, MESSAGE_BYTES) };
  } finally {
    await end.close();
  }
}

/** The longest time without an answer while a session under a steady flow of messages moves from WebRTC to QUIC. */
async function gapMs(address: string): Promise<number> {
  let quicAllowed = false;
  let answers = 0;
  let longestMs = 0;
  let lastMs = performance.now();
  const carrier: Carrier = {
    send: (body) => end.send(benchDevice(2), body),
    room: () => Promise.resolve(),
    onAnswer: () => {},
  };
  const end: End = await startEnd(
    1,
    () => carrier.onAnswer(),
    ["quic", "webrtc"],
    only("webrtc", () => !quicAllowed),
  );
  try {
    end.sight(benchDevice(2), address);
    await firstAnswer(carrier);
    const moved = Promise.withResolvers<void>();
    end.system.subscribe(nodeEvents, (event) => {
      if (event.type === "pathChanged" && event.path === "quic") moved.resolve();
    });
    carrier.onAnswer = () => {
      const nowMs = performance.now();
      longestMs = Math.max(longestMs, nowMs - lastMs);
      lastMs = nowMs;
      answers += 1;
    };
    let sent = 0;
    const flow = setInterval(() => {
      sent += 1;
      carrier.send(Uint8Array.of(ECHO));
    }, FLOW_MS);
    await new Promise<void>((resolve) => setTimeout(resolve, 200));
    longestMs = 0;
    lastMs = performance.now();
    quicAllowed = true;
    end.system.tell(end.sessions, { type: "connectNow", deviceId: benchDevice(2) });
    const late = setTimeout(
      () => moved.reject(new Error(`the session did not move within ${MOVE_MS} ms`)),
      MOVE_MS,
    );
    await moved.promise;
    clearTimeout(late);
    await new Promise<void>((resolve) => setTimeout(resolve, 200));
    clearInterval(flow);
    const gap = longestMs;
    const untilMs = performance.now() + LAST_ANSWERS_MS;
    while (answers < sent && performance.now() < untilMs) {
      await new Promise<void>((resolve) => setTimeout(resolve, 20));
    }
    if (answers !== sent) throw new Error(`${sent} messages were sent, ${answers} answered`);
    return gap;
  } finally {
    await end.close();
  }
}

function figures(quic: Measured, webrtc: Measured, moves: readonly number[]): Figure[] {
  const beside = (name: string, ours: number, theirs: number, unit: string): Figure[] => [
    { name: `quic ${name}`, value: ours, unit, ratio: ours / theirs, note: "beside WebRTC" },
    { name: `webrtc ${name} in the same run`, value: theirs, unit },
  ];
  const p = quantile;
  return [
    ...beside("path connect p50", p(quic.connectMs, 0.5), p(webrtc.connectMs, 0.5), "ms"),
    ...beside("path connect p95", p(quic.connectMs, 0.95), p(webrtc.connectMs, 0.95), "ms"),
    ...beside("session round trip p50", p(quic.tripsMs, 0.5), p(webrtc.tripsMs, 0.5), "ms"),
    ...beside("session round trip p95", p(quic.tripsMs, 0.95), p(webrtc.tripsMs, 0.95), "ms"),
    ...beside("session throughput", quic.speed, webrtc.speed, "MB/s"),
    {
      name: "longest gap while a session moves from webrtc to quic",
      value: Math.max(...moves),
      unit: "ms",
      note: `${moves.length} moves, a message every ${FLOW_MS} ms, none lost`,
    },
  ];
}
