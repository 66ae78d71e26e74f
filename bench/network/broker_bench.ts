/**
 * Question: what does our Broker cost beside a bare NATS client? Both talk to the same real server on loopback, in the same run, sender
 * and receiver in this process.
 */
import { jetstream, jetstreamManager } from "@nats-io/jetstream";
import { setImmediate } from "node:timers";
import { connect, type NatsConnection } from "@nats-io/transport-node";
import type { Broker } from "../../platform/broker.ts";
import { natsBroker } from "../../platform/nats_broker.ts";
import { streamConfig } from "../../platform/nats_broker_mail.ts";
import { MAIL_LIMITS } from "../../platform/nats_broker_mail.ts";
import { systemClock } from "../../platform/system_clock.ts";
import { systemRandom } from "../../platform/system_random.ts";
import { type Figure, median } from "../harness.ts";
import { startBenchServer } from "./nats_bench_server.ts";

const ROUNDS = 3;
/** Mail on its way at once. */
const KEEPING = 256;

/** Messages a second, round trips and mail a second. */
export async function run({ quick }: { readonly quick: boolean }): Promise<Figure[]> {
  const server = await startBenchServer();
  const [ours, others] = [await ourPair(server.url), await barePair(server.url)];
  try {
    const figures: Figure[] = [];
    for (
      const [bytes, count] of [[128, quick ? 2_000 : 200_000], [
        16_384,
        quick ? 500 : 20_000,
      ]] as const
    ) {
      // Alternating, so that a noisy moment meets both.
      const rates = { ours: [] as number[], bare: [] as number[] };
      for (let round = 0; round < ROUNDS; round++) {
        rates.ours.push(await ours.flood(bytes, count));
        rates.bare.push(await others.flood(bytes, count));
      }
      figures.push(beside(`broker: published and received, ${bytes} B`, rates, "messages/s"));
    }
    const asked = quick ? 200 : 5_000;
    const trips = { ours: await ours.ask(asked), bare: await others.ask(asked) };
    figures.push({
      name: "broker: question and answer, p50",
      value: median(trips.ours),
      unit: "ms",
      limit: median(trips.bare),
      ratio: median(trips.ours) / median(trips.bare),
      note: "limit: a bare NATS client in the same run",
    });
    const mail = quick ? 512 : 20_000;
    const kept = { ours: [await ours.keep(mail)], bare: [await others.keep(mail)] };
    figures.push(beside(`broker: mail kept, 1 KiB, ${KEEPING} on their way`, kept, "messages/s"));
    return figures;
  } finally {
    await ours.close();
    await others.close();
    await server.close();
  }
}

function beside(
  name: string,
  { ours, bare }: { readonly ours: readonly number[]; readonly bare: readonly number[] },
  unit: string,
): Figure {
  const [value, limit] = [median(ours), median(bare)];
  const note = "limit: a bare NATS client in the same run";
  return {
    name,
    value: Math.round(value),
    unit,
    limit: Math.round(limit),
    ratio: value / limit,
    note,
  };
}

interface Pair {
  /** Messages a second. */
  flood(bytes: number, count: number): Promise<number>;
  /** Round trips, ms. */
  ask(count: number): Promise<readonly number[]>;
  /** Messages a second. */
  keep(count: number): Promise<number>;
  close(): Promise<void>;
}

async function timed(count: number, body: () => Promise<void>): Promise<number> {
  const startedMs = performance.now();
  await body();
  return count / (performance.now() - startedMs) * 1_000;
}

async function ourPair(url: string): Promise<Pair> {
  const [a, b] = await Promise.all([opened(url), opened(url)]);
  let received = 0;
  let wake = () => {};
  b.subscribe("kiana.bench.flood", () => {
    received += 1;
    wake();
  });
  b.subscribe("kiana.bench.ask", ({ bytes, replyTo }) => void b.publish(replyTo ?? "", bytes));
  const turn = () => new Promise<void>((resolve) => setImmediate(resolve));
  return {
    flood: (bytes, count) =>
      timed(count, async () => {
        received = 0;
        const done = new Promise<void>((resolve) => wake = () => received >= count && resolve());
        const body = new Uint8Array(bytes);
        for (let sent = 0; sent < count;) {
          if (a.publish("kiana.bench.flood", body)) sent += 1;
          else await turn();
          // Lets the sockets work as often as the bare client's pauses do.
          if (sent % 1_024 === 0) await turn();
        }
        await done;
      }),
    async ask(count) {
      const trips: number[] = [];
      for (let index = 0; index < count; index++) {
        const startedMs = performance.now();
        await new Promise((resolve) =>
          a.request(
            { subject: "kiana.bench.ask", bytes: new Uint8Array(128), timeoutMs: 5_000 },
            resolve,
          )
        );
        trips.push(performance.now() - startedMs);
      }
      return trips;
    },
    keep: (count) =>
      timed(count, () =>
        inWindow(count, (index) =>
          new Promise((resolve, reject) =>
            a.keep({
              subject: "kiana.bench.mail.ours",
              messageId: `ours-${index}`,
              bytes: new Uint8Array(1_024),
            }, (outcome) => outcome.type === "kept" ? resolve() : reject(new Error(outcome.reason)))
          ))),
    async close() {
      await a.close();
      await b.close();
    },
  };
}

async function opened(url: string): Promise<Broker> {
  const broker = natsBroker({
    clock: systemClock(),
    random: systemRandom(),
    servers: () => [url],
    login: null,
    name: "bench",
    mailLimits: { ...MAIL_LIMITS, perSubjectMax: 1_000_000 },
  });
  await new Promise<void>((resolve) =>
    broker.watch(({ type }) => type === "connected" && resolve())
  );
  return broker;
}

async function barePair(url: string): Promise<Pair> {
  const options = { servers: url.replace("nats://", ""), reconnect: false };
  const [a, b]: NatsConnection[] = [await connect(options), await connect(options)] as const;
  const manager = await jetstreamManager(a);
  const stream = { name: "mail", subjects: "kiana.*.mail.>" };
  await manager.streams.add(streamConfig(stream, { ...MAIL_LIMITS, perSubjectMax: 1_000_000 }))
    .catch(() => {});
  const mail = jetstream(a);
  let received = 0;
  let wake = () => {};
  b.subscribe("kiana.bench.bare", {
    callback: () => {
      received += 1;
      wake();
    },
  });
  b.subscribe("kiana.bench.bareAsk", {
    callback: (_, message) => void message.respond(message.data),
  });
  return {
    flood: (bytes, count) =>
      timed(count, async () => {
        received = 0;
        const done = new Promise<void>((resolve) => wake = () => received >= count && resolve());
        const body = new Uint8Array(bytes);
        for (let sent = 1; sent <= count; sent++) {
          a.publish("kiana.bench.bare", body);
          // It has no bound of its own: without pauses it would hold everything in memory.
          if (sent % 1_024 === 0) await a.flush();
        }
        await done;
      }),
    async ask(count) {
      const trips: number[] = [];
      for (let index = 0; index < count; index++) {
        const startedMs = performance.now();
        await a.request("kiana.bench.bareAsk", new Uint8Array(128), { timeout: 5_000 });
        trips.push(performance.now() - startedMs);
      }
      return trips;
    },
    keep: (count) =>
      timed(count, () =>
        inWindow(count, async (index) => {
          await mail.publish("kiana.bench.mail.bare", new Uint8Array(1_024), {
            msgID: `bare-${index}`,
          });
        })),
    async close() {
      await a.close();
      await b.close();
    },
  };
}

/** Runs `task` `count` times, so many at once. */
async function inWindow(count: number, task: (index: number) => Promise<void>): Promise<void> {
  let next = 0;
  await Promise.all(Array.from({ length: Math.min(KEEPING, count) }, async () => {
    while (next < count) await task(next++);
  }));
}
