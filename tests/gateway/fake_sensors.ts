/** The sensors of a node in memory: credentials in a map, readings in a memory store. */
import type { SensorHandle, SensorView } from "../../actors/sensor_handle.ts";
import { openMemoryStore } from "../../store/memory_store.ts";
import { done, refused } from "./fake_outcomes.ts";

const START_MS = 1_795_000_000_000;

/** Sensors of one device; passwords are "secret-<sensor>". */
export function fakeSensors(): SensorHandle {
  const { readings } = openMemoryStore();
  const known = new Map<string, SensorView>();

  async function view(sensor: string): Promise<SensorView> {
    const series = (await readings.summaries()).filter((one) => one.sensor === sensor);
    return {
      ...known.get(sensor)!,
      lastReadingAtMs: series.length === 0 ? null : Math.max(...series.map((one) => one.lastAtMs)),
      readings: series.reduce((sum, one) => sum + one.readings, 0),
      metrics: series.map(({ metric }) => metric),
    };
  }

  return {
    sensors: () => Promise.all([...known.keys()].sort().map(view)),
    addSensor({ sensor, displayName }) {
      if (known.has(sensor)) return refused("invalid", `Cannot add sensor: "${sensor}" exists`);
      known.set(sensor, {
        sensor,
        displayName: displayName === "" ? sensor : displayName,
        createdAtMs: START_MS,
        lastReadingAtMs: null,
        readings: 0,
        metrics: [],
        revoked: false,
      });
      return done({
        sensor,
        user: sensor,
        password: `secret-${sensor}`,
        mqttTopic: `kiana/0123456789abcdef/sensor/${sensor}`,
        mqttUrl: "",
        httpUrl: "http://127.0.0.1:7463",
      });
    },
    async revokeSensor(sensor) {
      const record = known.get(sensor);
      if (record === undefined) return await refused("notFound", "Cannot revoke sensor: unknown");
      known.set(sensor, { ...record, revoked: true });
      return await done(await view(sensor));
    },
    authenticate: (user, password) =>
      Promise.resolve(known.get(user)?.revoked === false && password === `secret-${user}`),
    async ingest(sensor, list) {
      if (!known.has(sensor)) return await refused("notFound", "Cannot store readings: unknown");
      const complete = list.map(({ metric, value, atMs, sequence }) => ({
        metric,
        value,
        atMs: atMs ?? START_MS,
        sequence: sequence ?? null,
      }));
      return await done(await readings.add(sensor, complete, false));
    },
    async series(query) {
      return await done(await readings.series(query));
    },
  };
}
