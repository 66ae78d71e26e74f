/** The node's sensors for its views: reads series from the store, asks the sensors actor for everything that changes something. */
import type { DeviceId } from "../protocols/ids.ts";
import { sensorMqttTopic } from "../protocols/sensors/mqtt.ts";
import { POINTS_MAX } from "../store/readings.ts";
import type { ReadingsRepository, SeriesSummary } from "../store/readings.ts";
import type { Outcome } from "./handle.ts";
import type { Ref } from "./kernel/actor.ts";
import type { SensorHandle, SensorView } from "./sensor_handle.ts";
import type { SensorRecord, SensorsCommand } from "./sensors/commands.ts";
import { refused } from "./outcomes.ts";

export interface SensorsOfNodeOptions {
  readonly self: DeviceId;
  readonly readings: ReadingsRepository;
  /** Asks the sensors actor; no answer is a refusal. */
  readonly request: <T>(
    toMessage: (replyTo: Ref<Outcome<T>>) => SensorsCommand,
  ) => Promise<Outcome<T>>;
  /** Asks the sensors actor; no answer is thrown. */
  readonly ask: <T>(toMessage: (replyTo: Ref<T>) => SensorsCommand) => Promise<T>;
  readonly checkPassword: (password: string, hash: string) => boolean;
  /** Names the mesh on brokers; null without one. */
  readonly meshTag: () => Promise<string | null>;
  /** "mqtt://192.168.1.7:1883"; empty when no broker with MQTT runs here. */
  readonly mqttUrl: () => string;
  /** "https://192.168.1.7:7463". */
  readonly httpUrl: () => string;
}

/** Makes the sensors part of a node handle. */
export function sensorsOfNode(options: SensorsOfNodeOptions): SensorHandle {
  const { readings, request, ask } = options;
  const records = () =>
    ask<readonly SensorRecord[]>((replyTo) => ({ type: "listSensors", replyTo }));

  async function views(): Promise<readonly SensorView[]> {
    const [own, summaries] = await Promise.all([records(), readings.summaries()]);
    const bySensor = Map.groupBy(summaries, ({ sensor }) => sensor);
    const known = own.map((record) => sensorView(record, bySensor.get(record.sensor) ?? []));
    const names = new Set(own.map(({ sensor }) => sensor));
    const others = [...bySensor].filter(([sensor]) => !names.has(sensor))
      .map(([sensor, series]) => sensorView({ sensor, displayName: sensor }, series));
    return [...known, ...others].sort((a, b) => a.sensor < b.sensor ? -1 : 1);
  }

  return {
    sensors: views,

    async addSensor({ sensor, displayName }) {
      const outcome = await request<{ readonly password: string }>(
        (replyTo) => ({ type: "addSensor", sensor, displayName, replyTo }),
      );
      if (outcome.type === "refused") return outcome;
      const tag = await options.meshTag();
      return {
        type: "done",
        value: {
          sensor,
          user: sensor,
          password: outcome.value.password,
          mqttTopic: tag === null ? "" : sensorMqttTopic(tag, sensor),
          mqttUrl: options.mqttUrl(),
          httpUrl: options.httpUrl(),
        },
      };
    },

    async revokeSensor(sensor) {
      const outcome = await request<null>((replyTo) => ({ type: "revokeSensor", sensor, replyTo }));
      if (outcome.type === "refused") return outcome;
      const view = (await views()).find((one) => one.sensor === sensor);
      return view === undefined
        ? refused("notFound", `Cannot find sensor "${sensor}"`)
        : { type: "done", value: view };
    },

    async authenticate(user, password) {
      if (user.length > 64 || password.length > 72) return false;
      const record = (await records()).find(({ sensor }) => sensor === user);
      return record !== undefined && !record.revoked &&
        options.checkPassword(password, record.passwordHash);
    },

    ingest: (sensor, list) =>
      request((replyTo) => ({ type: "ingest", sensor, readings: list, replyTo })),

    async series(query) {
      const { fromMs, toMs, bucketMs, limit } = query;
      const whole = [fromMs, toMs, bucketMs, limit].every(Number.isSafeInteger);
      if (
        !whole || fromMs < 0 || toMs < fromMs || bucketMs < 0 || limit < 1 || limit > POINTS_MAX
      ) {
        return refused(
          "invalid",
          `Cannot read series: fromMs ${fromMs}, toMs ${toMs}, bucketMs ${bucketMs}, limit ${limit}; expected whole numbers, ` +
            `0 <= fromMs <= toMs, bucketMs >= 0, limit 1 to ${POINTS_MAX}`,
        );
      }
      const known = (await readings.summaries()).some(({ sensor, metric }) =>
        sensor === query.sensor && metric === query.metric
      );
      return known ? { type: "done", value: await readings.series(query) } : refused(
        "notFound",
        `Cannot read series: no readings of "${query.metric}" by "${query.sensor}" are here`,
      );
    },
  };
}

function sensorView(
  record: Partial<SensorRecord> & Pick<SensorRecord, "sensor" | "displayName">,
  series: readonly SeriesSummary[],
): SensorView {
  return {
    sensor: record.sensor,
    displayName: record.displayName,
    createdAtMs: record.createdAtMs ?? 0,
    lastReadingAtMs: series.length === 0
      ? null
      : Math.max(...series.map(({ lastAtMs }) => lastAtMs)),
    readings: series.reduce((sum, { readings }) => sum + readings, 0),
    metrics: series.map(({ metric }) => metric),
    revoked: record.revoked ?? false,
  };
}
