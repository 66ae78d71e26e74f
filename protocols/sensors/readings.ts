/**
 * Readings of one sensor as the body of a block: topic and media type below, tag `sensor:<name>`. Format: `docs/protocols/sensors.md`.
 *
 * Columns instead of rows: 16 bytes a reading. Values are IEEE 754 doubles as they are, because canonical CBOR here has no fractions.
 */
import { z } from "zod";
import { INLINE_BODY_BYTES_MAX } from "../blocks/block.ts";
import { encodeCanonical } from "../codec.ts";
import { bytes, decodeAs, type Decoded, text } from "../wire_schema.ts";

/** Where the blocks of all sensors stand. */
export const SENSORS_TOPIC = "sensors";
export const READINGS_MEDIA_TYPE = "application/vnd.kiana.readings+cbor";
/** Readings in one block, at most: they fit into the block itself. */
export const READINGS_MAX = 2_000;
/** Metrics of one sensor in one block, at most. */
export const METRICS_MAX = 64;
/** No reading is later, ms: 2^48. */
export const AT_MS_MAX = 2 ** 48 - 1;
/** Largest counter of a sensor. */
export const SEQUENCE_MAX = 2 ** 32 - 2;
const NO_SEQUENCE = 2 ** 32 - 1;
/** The readings of one metric in one block lie within 32 bits of ms: 49 days. */
export const SPAN_MS_MAX = 2 ** 32 - 1;

const SENSOR = /^[a-z0-9][a-z0-9_-]{0,47}$/;
const METRIC = /^[A-Za-z0-9_.-]{1,64}$/;

/** One measurement of a sensor. */
export interface Reading {
  readonly metric: string;
  /** Finite. */
  readonly value: number;
  /** ms since the epoch, as the sensor or whoever received it believes. */
  readonly atMs: number;
  /** The sensor's own counter; null when it has none. Equal (metric, atMs, sequence) is one reading. */
  readonly sequence: number | null;
}

/** True for 1–48 of lower-case letters, digits, "-" and "_", beginning with a letter or digit. */
export function isSensorName(name: string): boolean {
  return SENSOR.test(name);
}

/** True for 1–64 of letters, digits, "_", "-", ".". */
export function isMetricName(name: string): boolean {
  return METRIC.test(name);
}

/** The tag of a sensor's blocks. */
export function sensorTag(sensor: string): string {
  return `sensor:${sensor}`;
}

/** What is wrong with a reading, for people; undefined when nothing is. */
export function problemOfReading(reading: Reading): string | undefined {
  const { metric, value, atMs, sequence } = reading;
  if (!isMetricName(metric)) {
    return `metric is ${
      JSON.stringify(metric.slice(0, 80))
    }, expected 1 to 64 of letters, digits, "_", "-" and "."`;
  }
  if (!Number.isFinite(value)) return `value of ${metric} is ${value}, expected a finite number`;
  if (!Number.isInteger(atMs) || atMs < 0 || atMs > AT_MS_MAX) {
    return `time of ${metric} is ${atMs}, expected whole ms since the epoch, 0 to ${AT_MS_MAX}`;
  }
  if (
    sequence !== null && (!Number.isInteger(sequence) || sequence < 0 || sequence > SEQUENCE_MAX)
  ) {
    return `sequence of ${metric} is ${sequence}, expected an integer from 0 to ${SEQUENCE_MAX}`;
  }
  return undefined;
}

/**
 * The body for readings of one sensor, metric by metric, each in order of time and sequence: the same readings in any order give the same bytes.
 *
 * @throws {RangeError} when a reading is not valid, or when there are more than a block holds
 */
export function encodeReadings(
  sensor: string,
  readings: readonly Reading[],
): Uint8Array<ArrayBuffer> {
  if (!isSensorName(sensor)) throw new RangeError(`Cannot encode readings: sensor is "${sensor}"`);
  if (readings.length === 0 || readings.length > READINGS_MAX) {
    throw new RangeError(
      `Cannot encode readings: there are ${readings.length}, expected 1 to ${READINGS_MAX}`,
    );
  }
  const byMetric = new Map<string, Reading[]>();
  for (const reading of readings) {
    const problem = problemOfReading(reading);
    if (problem !== undefined) throw new RangeError(`Cannot encode readings: ${problem}`);
    const known = byMetric.get(reading.metric);
    if (known === undefined) byMetric.set(reading.metric, [reading]);
    else known.push(reading);
  }
  if (byMetric.size > METRICS_MAX) {
    throw new RangeError(
      `Cannot encode readings: ${byMetric.size} metrics, expected at most ${METRICS_MAX}`,
    );
  }
  const series = [...byMetric.keys()].sort().map((metric) => {
    const ordered = byMetric.get(metric)!.sort(byTime);
    return encodeSeries(metric, ordered);
  });
  return encodeCanonical({ version: 1, sensor, series });
}

function byTime(a: Reading, b: Reading): number {
  return a.atMs - b.atMs || (a.sequence ?? NO_SEQUENCE) - (b.sequence ?? NO_SEQUENCE);
}

function encodeSeries(metric: string, readings: readonly Reading[]) {
  const startMs = readings[0]!.atMs;
  const times = new DataView(new ArrayBuffer(readings.length * 4));
  const values = new DataView(new ArrayBuffer(readings.length * 8));
  const sequences = new DataView(new ArrayBuffer(readings.length * 4));
  readings.forEach((reading, i) => {
    const offsetMs = reading.atMs - startMs;
    if (offsetMs > SPAN_MS_MAX) {
      throw new RangeError(
        `Cannot encode readings of ${metric}: they span ${offsetMs} ms, expected at most ${SPAN_MS_MAX}`,
      );
    }
    times.setUint32(i * 4, offsetMs);
    values.setFloat64(i * 8, reading.value);
    sequences.setUint32(i * 4, reading.sequence ?? NO_SEQUENCE);
  });
  const column = (view: DataView) => new Uint8Array(view.buffer);
  return {
    metric,
    startMs,
    times: column(times),
    values: column(values),
    sequences: column(sequences),
  };
}

const series = z.strictObject({
  metric: text(64).refine(isMetricName, "expected the name of a metric"),
  startMs: z.int().min(0).max(AT_MS_MAX),
  times: bytes(READINGS_MAX * 4),
  values: bytes(READINGS_MAX * 8),
  sequences: bytes(READINGS_MAX * 4),
}).refine(
  ({ times, values, sequences }) =>
    times.length % 4 === 0 && times.length > 0 && times.length === sequences.length &&
    times.length * 2 === values.length,
  "expected columns of one length",
);
const schema = z.strictObject({
  version: z.literal(1),
  sensor: text(48).refine(isSensorName, "expected the name of a sensor"),
  series: z.array(series).min(1).max(METRICS_MAX),
});

/** Reads a body; strict, bounded, never throws. */
export function decodeReadings(
  body: Uint8Array,
): Decoded<{ readonly sensor: string; readonly readings: readonly Reading[] }> {
  const decoded = decodeAs(schema, body, { bytesMax: INLINE_BODY_BYTES_MAX, itemsMax: 1_024 });
  if (!decoded.ok) return decoded;
  const readings: Reading[] = [];
  for (const { metric, startMs, ...columns } of decoded.message.series) {
    const [times, values, sequences] = [columns.times, columns.values, columns.sequences].map(
      (column) => new DataView(column.buffer, column.byteOffset, column.byteLength),
    ) as [DataView, DataView, DataView];
    for (let i = 0; i * 4 < times.byteLength; i++) {
      const sequence = sequences.getUint32(i * 4);
      const reading: Reading = {
        metric,
        value: values.getFloat64(i * 8),
        atMs: startMs + times.getUint32(i * 4),
        sequence: sequence === NO_SEQUENCE ? null : sequence,
      };
      const problem = problemOfReading(reading);
      if (problem !== undefined) return { ok: false, reason: problem };
      readings.push(reading);
    }
  }
  if (readings.length > READINGS_MAX) {
    return { ok: false, reason: `${readings.length} readings, expected at most ${READINGS_MAX}` };
  }
  return { ok: true, message: { sensor: decoded.message.sensor, readings } };
}
