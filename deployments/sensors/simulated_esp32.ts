/**
 * A sensor as an ESP32 would be one: connects over MQTT 3.1.1 with its own user and password, measures temperature and humidity, publishes with
 * QoS 1, reconnects by itself. For the demo, for tests, and for trying out a mesh without hardware:
 *
 * ```
 * deno run -A deployments/sensors/simulated_esp32.ts --url mqtt://192.168.1.7:1883 --user attic --password … --topic kiana/…/sensor/attic
 * ```
 *
 * Prints a JSON line for every message that the broker has acknowledged.
 */
import { parseArgs } from "node:util";
import { connectAsync, type MqttClient } from "mqtt";
import { seededRandom } from "../../platform/seeded_random.ts";
import { systemClock } from "../../platform/system_clock.ts";
import type { Clock, Random } from "../../platform/ports.ts";

export interface SimulatedSensorOptions {
  /** "mqtt://192.168.1.7:1883". */
  readonly url: string;
  readonly user: string;
  readonly password: string;
  /** "kiana/<tag>/sensor/<name>". */
  readonly topic: string;
  /** Between measurements, ms. */
  readonly intervalMs: number;
  /** Measurements, 0: until it is stopped. */
  readonly count: number;
  /** Each message is sent so often, as a network does that loses acknowledgements; default 1. */
  readonly copies?: number;
  readonly clock: Clock;
  readonly random: Random;
  readonly signal?: AbortSignal;
  /** Told of every message that the broker has acknowledged. */
  readonly onPublished?: (payload: string) => void;
}

const CONNECT_MS = 10_000;
const RECONNECT_MS = 500;
const ATTEMPTS_MAX = 60;
const DAY_MS = 86_400_000;

/** Publishes until `count` is reached or `signal` aborted; how many messages the broker has acknowledged. */
export async function runSimulatedSensor(options: SimulatedSensorOptions): Promise<number> {
  const client = await connect(options);
  client.on("error", () => {
    // It reconnects by itself.
  });
  let acknowledged = 0;
  try {
    for (let sequence = 0; options.count === 0 || sequence < options.count; sequence++) {
      if (options.signal?.aborted) break;
      const payload = measure(sequence, options);
      for (let copy = 0; copy < (options.copies ?? 1); copy++) {
        await publish(client, options, payload);
        acknowledged += 1;
      }
      options.onPublished?.(payload);
      await new Promise<void>((resolve) => options.clock.schedule(options.intervalMs, resolve));
    }
  } finally {
    await client.endAsync();
  }
  return acknowledged;
}

/** A broker that starts, or has not heard of the sensor yet, turns it away for a while: small devices try again. */
async function connect(options: SimulatedSensorOptions): Promise<MqttClient> {
  for (let attempt = 1;; attempt++) {
    try {
      return await connectAsync(options.url, {
        protocolVersion: 4,
        clientId: `esp32-${options.user}`,
        username: options.user,
        password: options.password,
        // As small devices do: what was not acknowledged is sent again after a reconnect.
        clean: false,
        connectTimeout: CONNECT_MS,
        reconnectPeriod: RECONNECT_MS,
      }, false);
    } catch (error) {
      if (attempt >= ATTEMPTS_MAX || options.signal?.aborted) throw error;
      await new Promise<void>((resolve) => options.clock.schedule(RECONNECT_MS, resolve));
    }
  }
}

async function publish(
  client: MqttClient,
  { topic }: SimulatedSensorOptions,
  payload: string,
): Promise<void> {
  await client.publishAsync(topic, payload, { qos: 1 });
}

/** A day's curve with some noise, printed as a small device prints it. */
function measure(sequence: number, { clock, random }: SimulatedSensorOptions): string {
  const phase = 2 * Math.PI * (clock.wallMs() % DAY_MS) / DAY_MS;
  const temperature = 20 - 4 * Math.cos(phase) + random.float() - 0.5;
  const humidity = 50 + 10 * Math.cos(phase) + 2 * random.float() - 1;
  return `{"temperature_c":${temperature.toFixed(2)},"humidity_pct":${
    humidity.toFixed(1)
  },"seq":${sequence}}`;
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      url: { type: "string" },
      user: { type: "string" },
      password: { type: "string" },
      topic: { type: "string" },
      "interval-ms": { type: "string", default: "1000" },
      count: { type: "string", default: "0" },
      seed: { type: "string", default: "1" },
    },
  });
  const { url, user, password, topic } = values;
  if (!url || !user || !password || !topic) {
    console.error(
      "Needed: --url, --user, --password, --topic, as `submind sensors add` prints them",
    );
    Deno.exit(2);
  }
  await runSimulatedSensor({
    url,
    user,
    password,
    topic,
    intervalMs: Number(values["interval-ms"]),
    count: Number(values.count),
    clock: systemClock(),
    random: seededRandom(values.seed),
    onPublished: (payload) => console.log(payload),
  });
}
