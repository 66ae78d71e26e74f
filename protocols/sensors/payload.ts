/**
 * What sensors send, over MQTT or HTTP: a bare number, an object of metrics, or a list of those. Small devices print it with one `printf`.
 *
 * ```
 * 21.5                                                 on …/sensor/<id>/temperature_c
 * {"temperature_c": 21.5, "humidity": 40, "seq": 17}   on …/sensor/<id>
 * [{"temperature_c": 21.5, "at": 1763700000000}, …]
 * ```
 *
 * `seq` is the sensor's own counter, `at` its time (ms since the epoch); with either, a message that came twice is one reading.
 */
import { z } from "zod";
import type { Decoded } from "../wire_schema.ts";
import { isMetricName, problemOfReading, type Reading, READINGS_MAX } from "./readings.ts";

/** Largest payload, bytes. */
export const PAYLOAD_BYTES_MAX = 64 * 1024;
const VALUES_MAX = 64;

const sample = z.record(z.string().max(64), z.union([z.number(), z.boolean()]));
const json = z.union([z.number(), z.boolean(), sample, z.array(sample).min(1).max(READINGS_MAX)]);
const RESERVED = new Set(["seq", "at"]);

/**
 * Reads a payload. Truth values count as 1 and 0. Never throws.
 *
 * @param metric from the topic; null when the topic names none, then a bare number is refused
 * @param receivedAtMs the time of samples that bring none
 */
export function decodePayload(
  payload: Uint8Array,
  { metric, receivedAtMs }: { readonly metric: string | null; readonly receivedAtMs: number },
): Decoded<readonly Reading[]> {
  if (payload.length > PAYLOAD_BYTES_MAX) {
    return refused(`payload has ${payload.length} bytes, expected at most ${PAYLOAD_BYTES_MAX}`);
  }
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(payload));
  } catch {
    return refused(
      "payload is no JSON: expected a number, an object of metrics, or a list of those",
    );
  }
  const parsed = json.safeParse(value);
  if (!parsed.success) {
    return refused(
      "payload has another form: expected a number, an object of metrics, or a list of those",
    );
  }
  const found = parsed.data;
  if (typeof found === "number" || typeof found === "boolean") {
    if (metric === null) return refused("a bare number needs a topic that ends in its metric");
    return checked([{ metric, value: Number(found), atMs: receivedAtMs, sequence: null }]);
  }
  const samples = Array.isArray(found) ? found : [found];
  const readings: Reading[] = [];
  for (const values of samples) {
    const entries = Object.entries(values);
    if (entries.length > VALUES_MAX) {
      return refused(`a sample has ${entries.length} values, expected at most ${VALUES_MAX}`);
    }
    const { seq, at } = values;
    if (typeof seq === "boolean" || typeof at === "boolean") {
      return refused("seq and at are numbers");
    }
    const rest = entries.filter(([name]) => !RESERVED.has(name));
    if (rest.length === 0) return refused("a sample has no value");
    for (const [name, one] of rest) {
      // On a topic that names a metric, "value" stands for it.
      const said = metric !== null && name === "value" ? metric : name;
      if (!isMetricName(said)) return refused(`"${said.slice(0, 64)}" is no name of a metric`);
      readings.push({
        metric: said,
        value: Number(one),
        atMs: at ?? receivedAtMs,
        sequence: seq ?? null,
      });
    }
  }
  return checked(readings);
}

function checked(readings: readonly Reading[]): Decoded<readonly Reading[]> {
  if (readings.length > READINGS_MAX) {
    return refused(`payload has ${readings.length} readings, expected at most ${READINGS_MAX}`);
  }
  for (const reading of readings) {
    const problem = problemOfReading(reading);
    if (problem !== undefined) return refused(problem);
  }
  return { ok: true, message: readings };
}

function refused(reason: string): { readonly ok: false; readonly reason: string } {
  return { ok: false, reason };
}
